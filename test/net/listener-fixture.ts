// A listener on a free port with a handler of the test's choice, and clients that speak to it badly or well.

import { connect, type Socket } from 'node:net';
import { afterEach } from 'vitest';
import { WebSocket } from 'ws';
import type { RequestHandler, ResponseFrame } from '../../src/broker/request-handler.ts';
import { LogFault } from '../../src/core/fault.ts';
import { type HttpListener, type HttpListenerOptions, listenHttp } from '../../src/platform/node/http-listener.ts';
import { silentLogger } from '../support/silent-logger.ts';

const open: HttpListener[] = [];

afterEach(async () => {
  await Promise.all(open.splice(0).map((listener) => listener.close(1000)));
});

/** Answers each frame with itself; `bad...` is malformed, and `big:N` is answered with N bytes. */
export const echoHandler: RequestHandler = {
  handle(frame) {
    const text = new TextDecoder().decode(frame.subarray(0, 64));
    if (text.startsWith('bad')) return Promise.reject(new LogFault('ERR_MALFORMED_FRAME', 'the frame says it is bad'));
    if (text.startsWith('big:')) return Promise.resolve(bytesResponse(Number(text.slice(4))));
    return Promise.resolve({ chunks: [frame], byteLength: frame.byteLength });
  },
  whenWritable: () => undefined,
};

/** Zeros in chunks of unlike sizes, as record bytes between small headers are. */
export function bytesResponse(bytes: number): ResponseFrame {
  const small = Math.min(bytes, 10);
  return { chunks: [new Uint8Array(small), new Uint8Array(bytes - small)], byteLength: bytes };
}

export async function startListener(options: Partial<HttpListenerOptions> = {}): Promise<HttpListener> {
  const listener = await listenHttp({
    host: '127.0.0.1',
    port: 0,
    handler: echoHandler,
    logger: silentLogger,
    service: {
      version: '1.2.3',
      notReady: () => undefined,
      metrics: async () => ({ contentType: 'text/plain; version=0.0.4', body: 'millrace_up 1\n' }),
    },
    ...options,
  });
  open.push(listener);
  return listener;
}

/** A well-behaved client over the binary subprotocol: `ask` resolves with the next answer. */
export class EchoClient {
  readonly webSocket: WebSocket;
  readonly #waiting: ((answer: Uint8Array) => void)[] = [];
  readonly closed: Promise<{ readonly code: number; readonly reason: string }>;

  private constructor(webSocket: WebSocket) {
    this.webSocket = webSocket;
    webSocket.on('message', (data) => {
      if (data instanceof Uint8Array) this.#waiting.shift()?.(data);
    });
    this.closed = new Promise((resolve) => {
      webSocket.on('close', (code, reason) => resolve({ code, reason: reason.toString() }));
    });
    webSocket.on('error', () => undefined);
  }

  static async open(listener: HttpListener, subprotocol = 'kafka'): Promise<EchoClient> {
    const webSocket = new WebSocket(`ws://${listener.authority}/`, subprotocol, { perMessageDeflate: false });
    const client = new EchoClient(webSocket);
    await new Promise((resolve, reject) => {
      webSocket.on('open', resolve);
      webSocket.on('error', reject);
    });
    return client;
  }

  ask(frame: string | Uint8Array): Promise<Uint8Array> {
    const answer = new Promise<Uint8Array>((resolve) => this.#waiting.push(resolve));
    this.webSocket.send(typeof frame === 'string' ? new TextEncoder().encode(frame) : frame);
    return answer;
  }

  close(): void {
    this.webSocket.close();
  }
}

/** A bare TCP socket that remembers what it was sent. */
export class RawClient {
  readonly socket: Socket;
  readonly closed: Promise<void>;
  received = Buffer.alloc(0);
  #watchers: (() => void)[] = [];

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk) => {
      this.received = Buffer.concat([this.received, chunk]);
      for (const watcher of this.#watchers) watcher();
    });
    socket.on('error', () => undefined);
    this.closed = new Promise((resolve) => {
      socket.on('close', () => resolve());
    });
  }

  static async open(listener: Pick<HttpListener, 'host' | 'port'>): Promise<RawClient> {
    const socket = connect({ host: listener.host, port: listener.port });
    const client = new RawClient(socket);
    await new Promise((resolve, reject) => {
      socket.on('connect', resolve);
      socket.on('error', reject);
    });
    return client;
  }

  /** Resolves when the text has been received. */
  until(text: string): Promise<void> {
    if (this.received.includes(text)) return Promise.resolve();
    return new Promise((resolve) => {
      this.#watchers.push(() => {
        if (this.received.includes(text)) resolve();
      });
    });
  }

  /** Opens a WebSocket by hand. */
  async upgrade(subprotocol = 'kafka'): Promise<void> {
    this.socket.write(upgradeRequest({ 'Sec-WebSocket-Protocol': subprotocol }));
    await this.until('\r\n\r\n');
  }
}

export function upgradeRequest(headers: Readonly<Record<string, string>> = {}): string {
  const all = {
    Host: 'localhost',
    Upgrade: 'websocket',
    Connection: 'Upgrade',
    'Sec-WebSocket-Version': '13',
    'Sec-WebSocket-Key': 'AAAAAAAAAAAAAAAAAAAAAA==',
    ...headers,
  };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}`);
  return `GET / HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`;
}

/** A client's frame with a zero mask. `claimed` is the length it tells, which may be a lie. */
export function clientFrame(
  payload: Uint8Array,
  options: { readonly first?: number; readonly claimed?: number } = {},
): Buffer {
  const header = Buffer.alloc(14);
  header[0] = options.first ?? 0x82;
  header[1] = 0x80 | 127;
  header.writeBigUInt64BE(BigInt(options.claimed ?? payload.byteLength), 2);
  return Buffer.concat([header, payload]);
}

/** The status line and body of a refusal. */
export async function httpGet(
  listener: HttpListener,
  path: string,
  init: RequestInit = {},
): Promise<{ status: number; text: string; headers: Headers }> {
  const response = await fetch(`http://${listener.authority}${path}`, init);
  return { status: response.status, text: await response.text(), headers: response.headers };
}
