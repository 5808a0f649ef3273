// The Kafka listener on TCP: binds its address, and opens a connection of src/net for each socket. Sockets that come
// before the broker serves wait unread, so that a client that starts together with it is answered as soon as it can be.

import { createServer, isIPv6, type Server, type Socket } from 'node:net';
import type { ConnectionContext, RequestHandler } from '../../broker/request-handler.ts';
import { LogFault } from '../../core/fault.ts';
import type { Logger } from '../../core/logger.ts';
import type { KafkaListener } from '../../embedded/kafka-listeners.ts';
import { Connection } from '../../net/connection.ts';
import type { ConnectionSet } from '../../net/connection-set.ts';
import { FramePool } from '../../net/frame-memory.ts';
import { CLOSE_CODES } from '../../net/frame-transport.ts';
import { formatAuthority, listenFault } from './addresses.ts';
import { Staging } from './frame-writer.ts';
import { KafkaTransport } from './kafka-listener-transport.ts';
import { SocketCallLoader } from './socket-calls.ts';
import { WriteTurn } from './write-turn.ts';
import type { YoungCollector } from './young-collector.ts';

export interface KafkaListenerOptions {
  /** Listener name, as in Kafka's `listeners`. */
  readonly name: string;
  /** Name or address to bind to; empty or `0.0.0.0` for every IPv4 address, `::` for every address. */
  readonly host: string;
  /** 0 picks a free one. */
  readonly port: number;
  readonly handler: RequestHandler;
  readonly connections: ConnectionSet;
  /** Told of what is read from sockets, where somebody paces garbage collection by it. */
  readonly collector?: YoungCollector | undefined;
  readonly logger: Logger;
  /** socket.request.max.bytes: a larger length ends its connection. */
  readonly requestBytesMax: number;
  /** Sockets are read by events, as where they cannot be read into memory of ours; given by tests alone. */
  readonly readsByEvents?: boolean | undefined;
}

/** Hosts that stand for this machine: both loopback addresses are served, because clients resolve `localhost` to either. */
const LOOPBACK_HOSTS = new Set(['127.0.0.1', 'localhost']);
const LOOPBACK_IPV4 = '127.0.0.1';
const LOOPBACK_IPV6 = '::1';
const EVERY_ADDRESS = new Set(['', '0.0.0.0', '::']);
/** A machine without IPv6, or with it switched off. */
const NO_IPV6 = new Set(['EADDRNOTAVAIL', 'EAFNOSUPPORT', 'EPROTONOSUPPORT', 'EINVAL']);
/** A port that is free on one loopback address may be taken on the other: another one is tried. */
const FREE_PORT_TRIES = 20;
const KEEP_ALIVE_MS = 60_000;
const BACKLOG = 1024;
const CLOSE_MS_DEFAULT = 5000;
/** What one read of a socket takes: the more, the fewer reads, as long as it stays in the cache until it was copied. */
const READ_BYTES = 256 * 1024;

/** Binds. @throws LogFault ERR_LISTEN where the address cannot be bound. */
export async function listenKafka(options: KafkaListenerOptions): Promise<KafkaListener> {
  const host = options.host.replace(/^\[|\]$/g, '');
  const servers = LOOPBACK_HOSTS.has(host) ? await bindLoopback(options.port) : [await bind(host, options.port)];
  return new TcpKafkaListener(servers, { ...options, host });
}

/** Both loopback addresses, with one port. */
async function bindLoopback(port: number): Promise<Server[]> {
  for (let tries = 1; ; tries++) {
    const first = await bind(LOOPBACK_IPV4, port);
    try {
      return [first, await bind(LOOPBACK_IPV6, portOf(first))];
    } catch (error) {
      const code = causeCode(error);
      if (NO_IPV6.has(code)) return [first];
      first.close();
      if (port !== 0 || code !== 'EADDRINUSE' || tries === FREE_PORT_TRIES) throw error;
    }
  }
}

function bind(host: string, port: number): Promise<Server> {
  const server = createServer({
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: KEEP_ALIVE_MS,
    pauseOnConnect: true,
  });
  return new Promise((resolve, reject) => {
    server.once('error', (error) => reject(listenFault(error, formatAuthority(host, port))));
    server.listen({ host: host === '' ? '0.0.0.0' : host, port, backlog: BACKLOG }, () => {
      server.removeAllListeners('error');
      resolve(server);
    });
  });
}

function portOf(server: Server): number {
  const address = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

/** The operating system's code for why a listener could not bind. */
function causeCode(error: unknown): string {
  const cause = error instanceof LogFault ? error.cause : error;
  return typeof cause === 'object' && cause !== null && 'code' in cause ? String(cause.code) : '';
}

class TcpKafkaListener implements KafkaListener {
  readonly name: string;
  readonly authority: string;
  readonly host: string | undefined;
  readonly port: number;
  readonly #servers: readonly Server[];
  readonly #options: KafkaListenerOptions;
  readonly #staging = new Staging();
  readonly #writeTurn = new WriteTurn();
  readonly #frameMemory: FramePool;
  readonly #readBuffer: Uint8Array | undefined;
  readonly #socketCalls: SocketCallLoader;
  /** Sockets that wait for `serve`. */
  readonly #early = new Set<Socket>();
  #serves = false;
  #wasFull = false;

  constructor(servers: readonly Server[], options: KafkaListenerOptions) {
    const [first] = servers;
    this.#servers = servers;
    this.#options = options;
    this.#readBuffer = options.readsByEvents === true ? undefined : Buffer.allocUnsafeSlow(READ_BYTES);
    this.#socketCalls = new SocketCallLoader(options.logger);
    this.#frameMemory = new FramePool((bytes) => {
      options.collector?.took(bytes);
      return Buffer.allocUnsafeSlow(bytes);
    });
    this.name = options.name;
    this.port = first === undefined ? options.port : portOf(first);
    this.host = EVERY_ADDRESS.has(options.host) ? undefined : options.host;
    this.authority = formatAuthority(options.host === '' ? '0.0.0.0' : options.host, this.port);
    for (const server of servers) {
      server.on('connection', (socket) => this.#accept(socket));
      server.on('error', (error) => options.logger.error('Kafka listener failed', { listener: options.name, error }));
    }
  }

  serve(): void {
    this.#serves = true;
    for (const socket of this.#early) this.#open(socket);
    this.#early.clear();
  }

  async close(deadlineMs = CLOSE_MS_DEFAULT): Promise<void> {
    const closed = this.#servers.map((server) => new Promise<void>((resolve) => server.close(() => resolve())));
    for (const socket of this.#early) socket.destroy();
    await this.#options.connections.close(deadlineMs);
    await Promise.all(closed);
  }

  #accept(socket: Socket): void {
    const { connections, logger, name } = this.#options;
    this.#watch(socket);
    const isFull = this.#early.size + connections.size >= connections.connectionsMax;
    if (isFull && !this.#wasFull) logger.warn('connections refused: max.connections is reached', { listener: name });
    this.#wasFull = isFull;
    if (isFull || connections.isClosing) {
      socket.destroy();
    } else if (this.#serves) {
      this.#open(socket);
    } else {
      this.#early.add(socket);
      socket.once('close', () => this.#early.delete(socket));
    }
  }

  #watch(socket: Socket): void {
    const { logger, name } = this.#options;
    socket.on('error', (error) => logger.debug('socket failed', { listener: name, error }));
  }

  #open(accepted: Socket): void {
    if (accepted.destroyed) return;
    const { connections, handler, logger, requestBytesMax, collector } = this.#options;
    const { memory, limits } = connections;
    const id = connections.nextId();
    const lifetime = new AbortController();
    const context = this.#contextOf(id, accepted, { closed: lifetime.signal, sendsFiles: () => transport.sendsFiles });
    const transport = new KafkaTransport({
      socket: accepted,
      readBuffer: this.#readBuffer,
      staging: this.#staging,
      turn: this.#writeTurn,
      memory,
      frameMemory: this.#frameMemory,
      collector,
      socketCalls: this.#socketCalls,
      requestBytesMax,
    });
    const { socket } = transport;
    if (socket !== accepted) this.#watch(socket);
    const connection = new Connection({ transport, handler, context, lifetime, limits, memory, logger });
    connections.add(id, { clientHost: context.clientHost, transport, sink: connection });
    transport.attach(connection, (reason) => {
      logger.warn('connection closed', { connection: id, client: context.clientHost, reason });
      connection.close(CLOSE_CODES.messageTooBig, reason);
    });
    socket.once('close', () => connections.remove(id));
  }

  #contextOf(
    id: number,
    socket: Socket,
    { closed, sendsFiles }: { readonly closed: AbortSignal; readonly sendsFiles: () => boolean },
  ): ConnectionContext {
    return {
      get sendsFiles() {
        return sendsFiles();
      },
      id,
      listener: this.name,
      clientHost: bare(socket.remoteAddress ?? 'unknown'),
      localHost: bare(socket.localAddress ?? 'localhost'),
      localPort: socket.localPort ?? this.port,
      closed,
    };
  }
}

/** An IPv4 address without the form in which a socket for both families tells it. */
function bare(address: string): string {
  return isIPv6(address) && address.startsWith('::ffff:') ? address.slice('::ffff:'.length) : address;
}
