// The public entry `millrace/kafkajs`, and nothing else: kafkajs over WebSocket. It has the surface of a TCP socket that
// kafkajs uses, and puts Kafka's length before each frame that comes and takes it from each that goes.

/**
 * The WebSocket transport for kafkajs, in Node and in browser bundles.
 *
 *     import { Kafka } from 'kafkajs';
 *     import { webSocketFactory } from 'millrace/kafkajs';
 *     const kafka = new Kafka({ brokers: ['127.0.0.1:8092'], socketFactory: webSocketFactory() });
 *
 * `brokers` are the host and port of WebSocket and HTTP. Node before 22 has no WebSocket of its own: give it that of
 * the `ws` package, `webSocketFactory({ webSocket: WebSocket })`.
 *
 * @module
 */

import type { WebSocketConstructor, WebSocketLike } from '../client/web-socket-transport.ts';
import { REQUEST_BYTES_LIMIT } from '../core/limits.ts';
import { FrameSplitter, LENGTH_BYTES, writeLength } from './kafka-tcp.ts';

/** The subprotocol under which a broker speaks Kafka frames. */
const SUBPROTOCOL = 'kafka';

/** What makes Buffers: Node's `Buffer`, or that of the `buffer` package in a bundle. */
export interface BufferMaker {
  from(memory: ArrayBuffer): Uint8Array;
}

export interface WebSocketFactoryOptions {
  /** A WebSocket class; absent, the runtime's own. */
  readonly webSocket?: WebSocketConstructor | undefined;
  /** Where the broker of this host and port is reached; absent, `ws://HOST:PORT/`, or `wss` where kafkajs is told `ssl`. */
  readonly url?: ((host: string, port: number) => string) | undefined;
  /** kafkajs reads answers as Buffers; absent, the global `Buffer` makes them. */
  readonly Buffer?: BufferMaker | undefined;
}

/** What kafkajs gives a socket factory. */
export interface SocketFactoryArguments {
  readonly host: string;
  readonly port: number;
  readonly ssl?: unknown;
  readonly onConnect: () => void;
}

interface Listeners {
  readonly data: ((data: Uint8Array) => void)[];
  readonly end: (() => void)[];
  readonly error: ((error: Error) => void)[];
}

/**
 * A `socketFactory` for kafkajs. The sockets it makes throw where the runtime has no WebSocket or no Buffer and none
 * was given.
 */
export function webSocketFactory(
  options: WebSocketFactoryOptions = {},
): (given: SocketFactoryArguments) => WebSocketSocket {
  return (given) => new WebSocketSocket(given, options);
}

/** The surface of a `net.Socket` that kafkajs uses, over one WebSocket. */
export class WebSocketSocket {
  readonly #webSocket: WebSocketLike;
  readonly #buffers: BufferMaker;
  readonly #listeners: Listeners = { data: [], end: [], error: [] };
  readonly #splitter: FrameSplitter;
  #isOpen = false;
  #hasEnded = false;

  constructor({ host, port, ssl, onConnect }: SocketFactoryArguments, options: WebSocketFactoryOptions) {
    const url = options.url?.(host, port) ?? urlOf(host, port, Boolean(ssl));
    this.#buffers = options.Buffer ?? globalBuffer();
    const webSocket = new (options.webSocket ?? globalWebSocket())(url, SUBPROTOCOL);
    webSocket.binaryType = 'arraybuffer';
    this.#webSocket = webSocket;
    this.#splitter = new FrameSplitter({
      bytesMax: REQUEST_BYTES_LIMIT,
      onFrame: (frame) => this.#webSocket.send(frame),
      onObjection: (reason) => this.#end(new Error(reason)),
    });
    webSocket.addEventListener('open', () => {
      if (this.#hasEnded) return;
      this.#isOpen = true;
      onConnect();
    });
    webSocket.addEventListener('message', ({ data }) => this.#receive(data));
    webSocket.addEventListener('error', (event) => this.#end(new Error(`cannot reach ${url}${detail(event)}`)));
    webSocket.addEventListener('close', ({ code, reason }) => {
      const words = `${url} closed the connection (${code}${reason === '' ? '' : `: ${reason}`})`;
      this.#end(this.#isOpen ? undefined : new Error(words));
    });
  }

  on(event: 'data', listener: (data: Uint8Array) => void): this;
  on(event: 'end' | 'timeout', listener: () => void): this;
  on(event: 'error', listener: (error: Error) => void): this;
  on(event: keyof Listeners | 'timeout', listener: (value: never) => void): this {
    // Time is for kafkajs's own timers: a WebSocket has no such event.
    if (event !== 'timeout') this.#listeners[event].push(listener as () => void);
    return this;
  }

  /** Bytes of requests with their lengths. */
  write(data: Uint8Array, _encoding?: string): boolean {
    if (!this.#hasEnded) this.#splitter.push(data);
    return true;
  }

  end(): this {
    this.#end(undefined);
    return this;
  }

  /** A WebSocket that has been told to close keeps no process alive for long. */
  unref(): this {
    return this;
  }

  #receive(data: unknown): void {
    if (this.#hasEnded) return;
    if (!(data instanceof ArrayBuffer)) {
      this.#end(new Error('the server sent text where a Kafka frame was due'));
      return;
    }
    const framed = new Uint8Array(LENGTH_BYTES + data.byteLength);
    writeLength(framed, 0, data.byteLength);
    framed.set(new Uint8Array(data), LENGTH_BYTES);
    const buffer = this.#buffers.from(framed.buffer);
    for (const listener of this.#listeners.data) listener(buffer);
  }

  #end(error: Error | undefined): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#splitter.end();
    this.#webSocket.close();
    if (error !== undefined) for (const listener of this.#listeners.error) listener(error);
    for (const listener of this.#listeners.end) listener();
  }
}

function urlOf(host: string, port: number, isSecure: boolean): string {
  return `${isSecure ? 'wss' : 'ws'}://${host.includes(':') ? `[${host}]` : host}:${port}/`;
}

function globalWebSocket(): WebSocketConstructor {
  const { WebSocket: found } = globalThis as { readonly WebSocket?: WebSocketConstructor };
  if (found === undefined) throw new Error('this runtime has no WebSocket: give webSocketFactory one');
  return found;
}

function globalBuffer(): BufferMaker {
  const { Buffer: maker } = globalThis as { readonly Buffer?: BufferMaker };
  if (maker === undefined) throw new Error('this runtime has no Buffer: give webSocketFactory that of your bundle');
  return maker;
}

/** What an `error` event says, where it says something: browsers tell pages nothing. */
function detail(event: object): string {
  return 'message' in event && typeof event.message === 'string' && event.message !== '' ? `: ${event.message}` : '';
}
