// A socket as Deno and workerd give it to a server, with the client's end in the test's hand.

import {
  type ServedSocket,
  WebSocketSession,
  type WebSocketSessionOptions,
} from '../../src/embedded/web-socket-session.ts';

type Options = Pick<WebSocketSessionOptions, 'broker' | 'subprotocol' | 'clock'> & {
  readonly refusesReservedCodes?: boolean;
};

export class FakeSocketPair {
  readonly #session: WebSocketSession;
  readonly #messages: (string | Uint8Array)[] = [];
  readonly #waiting: ((message: string | Uint8Array) => void)[] = [];
  closed: { readonly code: number; readonly reason: string } | undefined;

  constructor({ refusesReservedCodes = false, ...options }: Options) {
    const socket: ServedSocket = {
      send: (message) => this.#receive(message),
      close: (code, reason) => {
        if (refusesReservedCodes && code < 3000) throw new Error('InvalidAccessError');
        this.closed = { code, reason };
        queueMicrotask(() => this.#session.onClose());
      },
    };
    this.#session = new WebSocketSession({
      ...options,
      socket,
      clientHost: '127.0.0.1',
      localHost: 'localhost',
      localPort: 8092,
    });
  }

  say(message: string | Uint8Array): void {
    this.#session.onMessage(message);
  }

  /** The client goes. */
  end(): void {
    this.#session.onClose();
  }

  async hear(): Promise<string> {
    const message = await this.#next();
    if (typeof message !== 'string') throw new Error('the message is binary');
    return message;
  }

  async hearBytes(): Promise<Uint8Array> {
    const message = await this.#next();
    if (typeof message === 'string') throw new Error('the message is text');
    return message;
  }

  #receive(message: string | Uint8Array): void {
    const waiting = this.#waiting.shift();
    if (waiting === undefined) this.#messages.push(message);
    else waiting(message);
  }

  #next(): Promise<string | Uint8Array> {
    const message = this.#messages.shift();
    return message === undefined ? new Promise((resolve) => this.#waiting.push(resolve)) : Promise.resolve(message);
  }
}
