// The two ways to a broker's WebSocket: a real one of the runtime, and a pair in memory for hosts that cannot listen.

import type { FrameSink, FrameTransport } from '../../../src/net/frame-transport.ts';
import { CheckFailed } from './check.ts';
import type { ConformanceSocket } from './host.ts';

/** Messages that came and nobody has taken, and takers for whom none has come. */
class Inbox {
  readonly #messages: (Uint8Array | string)[] = [];
  readonly #takers: { resolve(message: Uint8Array | string): void; reject(error: unknown): void }[] = [];
  #ended: string | undefined;

  put(message: Uint8Array | string): void {
    const taker = this.#takers.shift();
    if (taker === undefined) this.#messages.push(message);
    else taker.resolve(message);
  }

  take(): Promise<Uint8Array | string> {
    const message = this.#messages.shift();
    if (message !== undefined) return Promise.resolve(message);
    if (this.#ended !== undefined) return Promise.reject(new CheckFailed(this.#ended));
    return new Promise((resolve, reject) => this.#takers.push({ resolve, reject }));
  }

  end(reason: string): void {
    this.#ended ??= `the socket was closed: ${reason}`;
    for (const taker of this.#takers.splice(0)) taker.reject(new CheckFailed(this.#ended));
  }
}

/** As much of the standard's WebSocket as is used. */
export interface StandardWebSocket {
  binaryType: string;
  send(message: Uint8Array<ArrayBuffer> | string): void;
  close(): void;
  onopen: ((event: never) => void) | null;
  onerror: ((event: never) => void) | null;
  onclose: ((event: never) => void) | null;
  onmessage: ((event: never) => void) | null;
}

export type MakeWebSocket = (url: string, protocol: string) => StandardWebSocket;

/** Opens a WebSocket of the runtime: `makeSocket` is `(url, protocol) => new WebSocket(url, protocol)`. */
export function openWebSocket(
  url: string,
  subprotocol: 'kafka' | 'json',
  makeSocket: MakeWebSocket,
): Promise<ConformanceSocket> {
  const socket = makeSocket(url, subprotocol);
  socket.binaryType = 'arraybuffer';
  const inbox = new Inbox();
  socket.onmessage = ({ data }: { readonly data: unknown }) => {
    if (typeof data === 'string') inbox.put(data);
    else if (data instanceof ArrayBuffer) inbox.put(new Uint8Array(data));
    else inbox.end(`a message that is neither text nor an ArrayBuffer: ${String(data)}`);
  };
  return new Promise((resolve, reject) => {
    socket.onerror = () => reject(new CheckFailed(`no WebSocket to ${url}`));
    socket.onclose = ({ code, reason }: { readonly code: number; readonly reason: string }) => {
      inbox.end(`${code} ${reason}`);
      reject(new CheckFailed(`the WebSocket to ${url} was closed: ${code} ${reason}`));
    };
    socket.onopen = () =>
      resolve({
        send: (message) => socket.send(typeof message === 'string' ? message : message.slice()),
        receive: () => inbox.take(),
        close: () => socket.close(),
      });
  });
}

/** What a broker does with a connection: gives the sink for its frames. */
export type Accept = (transport: FrameTransport, subprotocol: 'kafka' | 'json') => FrameSink;

/** A socket whose other end is given to the broker as a transport, in this very thread. */
export function openPair(accept: Accept, subprotocol: 'kafka' | 'json'): ConformanceSocket {
  const inbox = new Inbox();
  const transport = new PairedTransport(inbox, subprotocol);
  const sink = accept(transport, subprotocol);
  let isClosed = false;
  transport.onEnd = () => {
    if (isClosed) return;
    isClosed = true;
    sink.onClose();
  };
  return {
    send(message) {
      const frame = typeof message === 'string' ? new TextEncoder().encode(message) : message.slice();
      queueMicrotask(() => {
        if (!isClosed) sink.onFrame(frame);
      });
    },
    receive: () => inbox.take(),
    close: () => transport.end('by its client'),
  };
}

/** A frame sent is a frame received, so that nothing is ever buffered. */
class PairedTransport implements FrameTransport {
  readonly bufferedBytes = 0;
  readonly partialBytes = 0;
  sentBytes = 0;
  onEnd: () => void = () => {};
  readonly #inbox: Inbox;
  readonly #isText: boolean;

  constructor(inbox: Inbox, subprotocol: 'kafka' | 'json') {
    this.#inbox = inbox;
    this.#isText = subprotocol === 'json';
  }

  send(chunks: readonly Uint8Array[], byteLength: number): void {
    const frame = new Uint8Array(byteLength);
    let position = 0;
    for (const chunk of chunks) {
      frame.set(chunk, position);
      position += chunk.length;
    }
    this.sentBytes += byteLength;
    this.#inbox.put(this.#isText ? new TextDecoder().decode(frame) : frame);
  }

  pause(): void {}

  resume(): void {}

  close(code: number, reason: string): void {
    this.end(`${code} ${reason}`);
  }

  terminate(): void {
    this.end('at once');
  }

  end(reason: string): void {
    this.#inbox.end(reason);
    // Never from inside of a method that the sink has called.
    queueMicrotask(() => this.onEnd());
  }
}
