// The listeners of a Deno process: HTTP with WebSocket upgrades by Deno.serve, and Kafka's TCP by Deno.listen. They pass
// bytes and messages on; what those mean is the sessions'.

import { LogFault } from '../../core/fault.ts';
import type { KafkaListener } from '../../embedded/kafka-listeners.ts';
import { WebSocketSession } from '../../embedded/web-socket-session.ts';
import type { Upgrade } from '../web/http-front.ts';
import type { HttpServer, ServedHttp, ServedKafka } from '../web/served-broker.ts';
import { formatAuthority, listenFault, listenStreams } from '../web/stream-listener.ts';
import { type ServedStream, StreamSession } from '../web/stream-session.ts';
import type { DenoAddress, DenoApi, DenoConnection, DenoListener } from './deno-api.ts';

/**
 * Seconds without a sign of the peer after which its WebSocket is ended; Deno pings it at half the time. The timer of that
 * outlives a WebSocket that broke (Deno 2.9), and keeps a process for as long that does not call `Deno.exit`.
 */
const PEER_SILENT_S = 60;
/** Memory that reads are made into; a read that leaves little of it begins a new one. */
const READ_BYTES = 64 * 1024;
const READ_BYTES_MIN = 8 * 1024;

/** Binds and serves. Throws LogFault ERR_LISTEN. */
export function listenHttp(deno: DenoApi, options: ServedHttp): HttpServer {
  const { host, port, front } = options;
  const ending = new AbortController();
  const serve = async (request: Request, { remoteAddr }: { readonly remoteAddr: DenoAddress }): Promise<Response> => {
    const answer = await front.answer(request);
    return answer instanceof Response ? answer : upgrade(deno, { request, remoteAddr, ...answer }, options);
  };
  const server = bind(host, port, () =>
    deno.serve({ hostname: host, port, signal: ending.signal, onListen: () => undefined }, serve),
  );
  return {
    host: server.addr.hostname,
    port: server.addr.port,
    authority: formatAuthority(server.addr.hostname, server.addr.port),
    close: async () => {
      ending.abort();
      await server.finished;
    },
  };
}

function bind<T>(host: string, port: number, action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw listenFault(error, formatAuthority(host, port));
  }
}

interface GrantedUpgrade extends Upgrade {
  readonly request: Request;
  readonly remoteAddr: DenoAddress;
}

function upgrade(deno: DenoApi, granted: GrantedUpgrade, { broker, clock, logger }: ServedHttp): Response {
  const { request, remoteAddr, answeredSubprotocol, subprotocol, localHost, localPort } = granted;
  const protocol = answeredSubprotocol === undefined ? {} : { protocol: answeredSubprotocol };
  const { socket, response } = deno.upgradeWebSocket(request, { ...protocol, idleTimeout: PEER_SILENT_S });
  socket.binaryType = 'arraybuffer';
  const clientHost = remoteAddr.hostname;
  let session: WebSocketSession | undefined;
  socket.onopen = () => {
    try {
      session = new WebSocketSession({ broker, socket, subprotocol, clientHost, localHost, localPort, clock });
    } catch (error) {
      // The broker began to close while the handshake was under way.
      if (!(error instanceof LogFault)) throw error;
      socket.close(1000, error.message);
    }
  };
  socket.onmessage = ({ data }) => {
    if (typeof data === 'string' || data instanceof ArrayBuffer) session?.onMessage(data);
  };
  socket.onerror = () => logger.debug('WebSocket failed', { client: clientHost });
  socket.onclose = () => session?.onClose();
  return response;
}

/** Binds and serves. Throws LogFault ERR_LISTEN. */
export function listenKafka(deno: DenoApi, options: ServedKafka): KafkaListener {
  return listenStreams({
    ...options,
    bind: (hostname, port) => {
      const listener = deno.listen({ hostname, port });
      void acceptAll(listener, options);
      return { port: listener.addr.port, close: () => listener.close() };
    },
  });
}

async function acceptAll(listener: DenoListener, options: ServedKafka): Promise<void> {
  try {
    for await (const connection of listener) accept(connection, options);
  } catch (error) {
    options.logger.error('Kafka listener failed', { listener: options.name, error: String(error) });
  }
}

function accept(connection: DenoConnection, { name, broker, clock, logger }: ServedKafka): void {
  const stream = new DenoStream(connection);
  const clientHost = connection.remoteAddr.hostname;
  try {
    connection.setNoDelay(true);
    connection.setKeepAlive(true);
    const session = new StreamSession({
      broker,
      stream,
      listener: name,
      clientHost,
      localHost: connection.localAddr.hostname,
      localPort: connection.localAddr.port,
      clock,
      onRefused: (reason) => logger.warn('connection closed', { listener: name, client: clientHost, reason }),
    });
    void stream.serve(session);
  } catch (error) {
    logger.warn('connection refused', { listener: name, client: clientHost, reason: String(error) });
    stream.terminate();
  }
}

class DenoStream implements ServedStream {
  readonly #connection: DenoConnection;
  #isOpen = true;
  #isPaused = false;
  #wake: () => void = () => {};

  constructor(connection: DenoConnection) {
    this.#connection = connection;
  }

  /** Reads until the end, but for the time it is paused. */
  async serve(session: StreamSession): Promise<void> {
    try {
      await this.#readAll(session);
    } catch {
      // A connection that was reset, or closed here: that is its end, and nothing further.
      this.terminate();
    }
    session.onClose();
  }

  async #readAll(session: StreamSession): Promise<void> {
    let block = new Uint8Array(READ_BYTES);
    while (this.#isOpen) {
      if (this.#isPaused) {
        await this.#woken();
        continue;
      }
      const count = await this.#connection.read(block);
      if (count === null) break;
      session.onBytes(block.subarray(0, count));
      block = block.length - count < READ_BYTES_MIN ? new Uint8Array(READ_BYTES) : block.subarray(count);
    }
    // The peer has ended its side; what was answered still leaves, and then the session ends the connection.
    session.onEnd();
    while (this.#isOpen) await this.#woken();
  }

  #woken(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  async write(bytes: Uint8Array): Promise<void> {
    let written = 0;
    try {
      while (written < bytes.length && this.#isOpen) {
        written += await this.#connection.write(written === 0 ? bytes : bytes.subarray(written));
      }
    } catch {
      this.terminate();
    }
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    this.#wake();
  }

  end(): void {
    this.#connection.closeWrite().catch(() => this.terminate());
  }

  terminate(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#connection.close();
    this.#wake();
  }
}
