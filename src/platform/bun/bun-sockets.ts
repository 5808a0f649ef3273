// The listeners of a Bun process: HTTP with WebSockets by Bun.serve, and Kafka's TCP by Bun.listen. Bun says what a socket
// did not take and when it takes more; this file turns both into the back-pressure that sessions know.

import { LogFault } from '../../core/fault.ts';
import type { KafkaListener } from '../../embedded/kafka-listeners.ts';
import { WebSocketSession } from '../../embedded/web-socket-session.ts';
import type { Subprotocol } from '../../net/subprotocol.ts';
import type { HttpServer, ServedHttp, ServedKafka } from '../web/served-broker.ts';
import { formatAuthority, listenFault, listenStreams } from '../web/stream-listener.ts';
import { type ServedStream, StreamSession } from '../web/stream-session.ts';
import type { BunApi, BunServer, BunSocket, BunWebSocket } from './bun-api.ts';

/** Seconds without a sign of the peer after which its WebSocket is ended; Bun pings it before. */
const PEER_SILENT_S = 60;
/** Bun drops what goes beyond. One response may be as large, and the sessions bound what waits in all. */
const BACKPRESSURE_BYTES_MAX = 1024 * 1024 * 1024;

/** What a WebSocket is given by its upgrade. */
interface SocketData {
  readonly subprotocol: Subprotocol;
  readonly clientHost: string;
  readonly localHost: string;
  readonly localPort: number;
  session: WebSocketSession | undefined;
}

/** Binds and serves. Throws LogFault ERR_LISTEN. */
export function listenHttp(bun: BunApi, options: ServedHttp): HttpServer {
  const { host, port, broker } = options;
  const server = bind(host, port, () =>
    bun.serve<SocketData>({
      hostname: host,
      port,
      fetch: (request, serving) => answer(request, serving, options),
      websocket: {
        maxPayloadLength: broker.messageBytesMax('kafka'),
        backpressureLimit: BACKPRESSURE_BYTES_MAX,
        perMessageDeflate: false,
        idleTimeout: PEER_SILENT_S,
        sendPings: true,
        open: (socket) => open(socket, options),
        message: ({ data }, message) => data.session?.onMessage(typeof message === 'string' ? message : owned(message)),
        drain: ({ data }) => data.session?.onDrain(),
        close: ({ data }) => data.session?.onClose(),
      },
    }),
  );
  return {
    host: server.hostname,
    port: server.port,
    authority: formatAuthority(server.hostname, server.port),
    // Its promise waits for every connection, and an HTTP client may keep one open for as long as it likes.
    close: () => server.stop(false).then(() => undefined),
  };
}

function bind<T>(host: string, port: number, action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw listenFault(error, formatAuthority(host, port));
  }
}

async function answer(
  request: Request,
  server: BunServer<SocketData>,
  { front }: ServedHttp,
): Promise<Response | undefined> {
  const answered = await front.answer(request);
  if (answered instanceof Response) return answered;
  const { answeredSubprotocol, ...upgrade } = answered;
  const data = { ...upgrade, clientHost: server.requestIP(request)?.address ?? 'unknown', session: undefined };
  const headers: Record<string, string> =
    answeredSubprotocol === undefined ? {} : { 'sec-websocket-protocol': answeredSubprotocol };
  if (server.upgrade(request, { data, headers })) return undefined;
  return new Response('this is no WebSocket handshake\n', { status: 400 });
}

function open(socket: BunWebSocket<SocketData>, { broker, clock }: ServedHttp): void {
  const { data } = socket;
  const served = {
    get bufferedAmount(): number {
      return socket.getBufferedAmount();
    },
    send: (message: string | Uint8Array<ArrayBuffer>): void => {
      // What Bun drops would be a hole in the answers.
      if (socket.send(message) === 0 && message.length > 0) socket.terminate();
    },
    close: (code: number, reason: string) => socket.close(code, reason),
    terminate: () => socket.terminate(),
  };
  try {
    data.session = new WebSocketSession({ ...data, broker, socket: served, clock, announcesDrain: true });
  } catch (error) {
    // The broker began to close while the handshake was under way.
    if (!(error instanceof LogFault)) throw error;
    socket.close(1001, error.message);
  }
}

/** A message's bytes; where they have a buffer of their own, that, which need not be copied. */
function owned(message: Uint8Array): ArrayBuffer | Uint8Array {
  const { buffer, byteLength } = message;
  return buffer instanceof ArrayBuffer && buffer.byteLength === byteLength ? buffer : message;
}

/** What belongs to one TCP socket. */
interface StreamData {
  readonly stream: BunStream;
  readonly session: StreamSession;
}

/** Binds and serves. Throws LogFault ERR_LISTEN. */
export function listenKafka(bun: BunApi, options: ServedKafka): KafkaListener {
  return listenStreams({
    ...options,
    bind: (hostname, port) => {
      const listener = bun.listen<StreamData | undefined>({
        hostname,
        port,
        allowHalfOpen: true,
        socket: {
          open: (socket) => accept(socket, options),
          data: ({ data }, bytes) => data?.session.onBytes(bytes),
          drain: ({ data }) => data?.stream.onDrain(),
          end: ({ data }) => data?.session.onEnd(),
          close: ({ data }) => ended(data),
          error: ({ data }) => ended(data),
        },
      });
      return { port: listener.port, close: () => listener.stop(false) };
    },
  });
}

function ended(data: StreamData | undefined): void {
  data?.stream.onClose();
  data?.session.onClose();
}

function accept(socket: BunSocket<StreamData | undefined>, { name, broker, clock, logger }: ServedKafka): void {
  const clientHost = socket.remoteAddress;
  try {
    socket.setNoDelay(true);
    socket.setKeepAlive(true);
    const stream = new BunStream(socket);
    const session = new StreamSession({
      broker,
      stream,
      listener: name,
      clientHost,
      localHost: socket.localAddress,
      localPort: socket.localPort,
      clock,
      onRefused: (reason) => logger.warn('connection closed', { listener: name, client: clientHost, reason }),
    });
    socket.data = { stream, session };
  } catch (error) {
    logger.warn('connection refused', { listener: name, client: clientHost, reason: String(error) });
    socket.terminate();
  }
}

/** Bun takes what the peer reads, and says when it takes more. */
class BunStream implements ServedStream {
  readonly #socket: BunSocket<StreamData | undefined>;
  #rest: Uint8Array | undefined;
  #onTaken: () => void = () => {};
  #isOpen = true;

  constructor(socket: BunSocket<StreamData | undefined>) {
    this.#socket = socket;
  }

  write(bytes: Uint8Array): Promise<void> {
    this.#rest = bytes;
    if (this.#writeRest()) return Promise.resolve();
    return new Promise((resolve) => {
      this.#onTaken = resolve;
    });
  }

  onDrain(): void {
    if (this.#rest !== undefined && this.#writeRest()) this.#onTaken();
  }

  onClose(): void {
    this.#isOpen = false;
    this.#rest = undefined;
    this.#onTaken();
  }

  /** Whether nothing is left. */
  #writeRest(): boolean {
    if (this.#rest === undefined || !this.#isOpen) return true;
    const written = Math.max(0, this.#socket.write(this.#rest));
    this.#rest = written === this.#rest.length ? undefined : this.#rest.subarray(written);
    return this.#rest === undefined;
  }

  pause(): void {
    if (this.#isOpen) this.#socket.pause();
  }

  resume(): void {
    if (this.#isOpen) this.#socket.resume();
  }

  end(): void {
    if (this.#isOpen) this.#socket.end();
  }

  terminate(): void {
    if (this.#isOpen) this.#socket.terminate();
  }
}
