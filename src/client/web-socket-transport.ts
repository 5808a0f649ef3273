// Frames over a standard WebSocket with subprotocol `kafka`: binary messages, each one frame. It uses nothing but what
// browsers, Deno, Bun, Workers and the `ws` package have in common.

import { LogFault } from '../core/fault.ts';
import type { Clock } from '../core/platform.ts';
import { joined } from '../protocol/writer.ts';
import type { BrokerAddress, ClientTransport, TransportEvents, TransportOpener } from './transport.ts';

/** Bytes that may wait in the socket before senders are held back. */
const BUFFERED_BYTES_MAX = 8 * 1024 * 1024;
/** WebSockets have no drain event, so a full one is looked at this often, in milliseconds. */
const DRAIN_POLL_MS = 2;
/** How long the `close` event may take that follows an `error` event, in milliseconds. */
const CLOSE_AFTER_ERROR_MS = 50;
/** What a `close` event carries where no close frame was received (RFC 6455, 7.1.5). */
const ABNORMAL_CLOSURE = 1006;
/** The subprotocol under which a broker speaks Kafka frames. */
const SUBPROTOCOL = 'kafka';

/** The part of the standard WebSocket that is used here. */
export interface WebSocketLike {
  binaryType: string;
  readonly bufferedAmount: number;
  send(data: Uint8Array): void;
  /** Sends one binary message that comes in parts. Where a class does not have it, the parts are joined. */
  sendParts?(parts: readonly Uint8Array[]): void;
  close(): void;
  /** Ends the connection at once; needed where `sendParts` does not copy. */
  terminate?(): void;
  addEventListener(type: 'open', listener: () => void): void;
  addEventListener(type: 'message', listener: (event: { readonly data: unknown }) => void): void;
  addEventListener(type: 'error', listener: (event: object) => void): void;
  addEventListener(type: 'close', listener: (event: { readonly code: number; readonly reason: string }) => void): void;
}

/** A WebSocket class: `globalThis.WebSocket`, or that of the `ws` package. */
export type WebSocketConstructor = new (url: string, protocols: string) => WebSocketLike;

export interface WebSocketOptions {
  /** `ws://HOST:PORT` or `wss://HOST:PORT`, with any path. */
  readonly url: string;
  readonly webSocket: WebSocketConstructor;
  readonly clock: Clock;
  readonly connectTimeoutMs: number;
}

/** Opens WebSockets to the URL, and to other brokers of the same cluster with the URL's scheme and path. */
export class WebSocketOpener implements TransportOpener {
  readonly #options: WebSocketOptions;

  constructor(options: WebSocketOptions) {
    this.#options = options;
  }

  get name(): string {
    return this.#options.url;
  }

  open(address: BrokerAddress | undefined, events: TransportEvents): Promise<ClientTransport> {
    const url = address === undefined ? this.#options.url : at(this.#options.url, address);
    return new Promise((resolve, reject) => {
      const transport = new WebSocketTransport(url, this.#options, {
        onOpen: () => resolve(transport),
        onFail: reject,
        onFrame: (frame) => events.onFrame(frame),
        onClose: (fault) => events.onClose(fault),
      });
    });
  }
}

/** The URL with another host and port. */
function at(url: string, address: BrokerAddress): string {
  const moved = new URL(url);
  moved.hostname = address.host.includes(':') ? `[${address.host}]` : address.host;
  moved.port = String(address.port);
  return moved.href;
}

interface SocketEvents extends TransportEvents {
  onOpen(): void;
  onFail(fault: LogFault): void;
}

class WebSocketTransport implements ClientTransport {
  readonly #socket: WebSocketLike;
  readonly #url: string;
  readonly #clock: Clock;
  readonly #events: SocketEvents;
  #state: 'opening' | 'open' | 'closed' = 'opening';
  /** What an `error` event said; the `close` event that follows it has no words of its own. */
  #reason: string | undefined;
  #writable: Promise<void> | undefined;

  constructor(url: string, options: WebSocketOptions, events: SocketEvents) {
    this.#url = url;
    this.#clock = options.clock;
    this.#events = events;
    this.#socket = create(options.webSocket, url);
    this.#socket.binaryType = 'arraybuffer';
    const timer = options.clock.schedule(options.connectTimeoutMs, () => {
      this.#end(new LogFault('ERR_TIMEOUT', `${url} did not answer within ${options.connectTimeoutMs} ms`));
    });
    this.#socket.addEventListener('open', () => {
      timer.cancel();
      this.#open();
    });
    this.#socket.addEventListener('message', (event) => this.#receive(event.data));
    this.#socket.addEventListener('error', (event) => {
      this.#reason = messageOf(event);
      // A `close` event is to follow, but some runtimes leave it out when a connection could not be opened.
      options.clock.schedule(CLOSE_AFTER_ERROR_MS, () => {
        timer.cancel();
        this.#end(this.#lost(ABNORMAL_CLOSURE, ''));
      });
    });
    this.#socket.addEventListener('close', (event) => {
      timer.cancel();
      this.#end(this.#lost(event.code, event.reason));
    });
  }

  #open(): void {
    if (this.#state !== 'opening') return;
    this.#state = 'open';
    this.#events.onOpen();
  }

  #receive(data: unknown): void {
    if (this.#state === 'closed') return;
    if (data instanceof ArrayBuffer) this.#events.onFrame(new Uint8Array(data));
    else this.#end(new LogFault('ERR_MALFORMED_FRAME', `${this.#url} sent text where a Kafka frame was due`));
  }

  #lost(code: number, reason: string): LogFault {
    const words = this.#reason ?? (reason === '' ? `connection closed (${code})` : `${reason} (${code})`);
    const what = this.#state === 'opening' ? `cannot reach ${this.#url}` : `connection to ${this.#url} ended`;
    return new LogFault('ERR_CONNECTION', `${what}: ${words}`);
  }

  #end(fault: LogFault): void {
    const before = this.#state;
    if (before === 'closed') return;
    this.#state = 'closed';
    this.#socket.close();
    if (before === 'opening') this.#events.onFail(fault);
    else this.#events.onClose(fault);
  }

  send(parts: readonly Uint8Array[]): void {
    if (this.#state !== 'open') return;
    if (this.#socket.sendParts === undefined) this.#socket.send(joined(parts));
    else this.#socket.sendParts(parts);
  }

  whenWritable(): Promise<void> | undefined {
    if (this.#state !== 'open' || this.#socket.bufferedAmount <= BUFFERED_BYTES_MAX) return undefined;
    this.#writable ??= new Promise((resolve) => this.#poll(resolve));
    return this.#writable;
  }

  #poll(resolve: () => void): void {
    this.#clock.schedule(DRAIN_POLL_MS, () => {
      if (this.#state === 'open' && this.#socket.bufferedAmount > BUFFERED_BYTES_MAX) return this.#poll(resolve);
      this.#writable = undefined;
      resolve();
    });
  }

  close(): void {
    this.#end(new LogFault('ERR_CLOSED', `the connection to ${this.#url} was closed`));
  }

  abort(): void {
    this.#socket.terminate?.();
    this.close();
  }
}

function create(webSocket: WebSocketConstructor, url: string): WebSocketLike {
  try {
    return new webSocket(url, SUBPROTOCOL);
  } catch (error) {
    throw new LogFault('ERR_USAGE', `${url} is not a WebSocket URL: ${String(error)}`, error);
  }
}

/** What the event says, where it says something: `ws` puts the cause there, browsers say nothing on purpose. */
function messageOf(event: object): string | undefined {
  if (!('message' in event) || typeof event.message !== 'string' || event.message === '') return undefined;
  return event.message;
}

/** The runtime's own WebSocket class. Not every runtime's types know the global, so it is looked up by name. */
export function standardWebSocket(): WebSocketConstructor | undefined {
  const ambient: unknown = Reflect.get(globalThis, 'WebSocket');
  return isWebSocketClass(ambient) ? ambient : undefined;
}

function isWebSocketClass(value: unknown): value is WebSocketConstructor {
  return typeof value === 'function';
}
