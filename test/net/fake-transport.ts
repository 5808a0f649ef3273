// A transport without a socket: what was sent is kept, and nothing counts as taken until the test says so.

import type { ConnectionContext, RequestHandler, ResponseFrame } from '../../src/broker/request-handler.ts';
import { Connection, type ConnectionLimits } from '../../src/net/connection.ts';
import type { FrameTransport } from '../../src/net/frame-transport.ts';
import { RequestMemory } from '../../src/net/request-memory.ts';
import { silentLogger } from '../support/silent-logger.ts';

export class FakeTransport implements FrameTransport {
  bufferedBytes = 0;
  sentBytes = 0;
  partialBytes = 0;
  isPaused = false;
  isTerminated = false;
  closed: { readonly code: number; readonly reason: string } | undefined;
  readonly sent: Uint8Array[] = [];
  /** Bytes sent count as taken by the peer at once. */
  readsAtOnce = true;

  send(chunks: readonly Uint8Array[], byteLength: number): void {
    this.sent.push(new Uint8Array(Buffer.concat(chunks)));
    if (this.readsAtOnce) this.sentBytes += byteLength;
    else this.bufferedBytes += byteLength;
  }

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    this.isPaused = false;
  }

  close(code: number, reason: string): void {
    this.closed = { code, reason };
  }

  terminate(): void {
    this.isTerminated = true;
  }

  /** The peer reads everything. */
  read(): void {
    this.sentBytes += this.bufferedBytes;
    this.bufferedBytes = 0;
  }

  texts(): string[] {
    return this.sent.map((frame) => new TextDecoder().decode(frame));
  }
}

export const TEST_LIMITS: ConnectionLimits = {
  requestsInFlightMax: 4,
  requestBytesInFlightMax: 1000,
  outboundBytesHigh: 100,
  waitingBytesMax: 0,
  outboundStuckMsMax: 5000,
  idleMsMax: 60_000,
};

export function testContext(closed: AbortSignal): ConnectionContext {
  return { id: 1, listener: 'HTTP', clientHost: '127.0.0.1', localHost: 'localhost', localPort: 1, closed };
}

export function responseOf(text: string): ResponseFrame {
  const bytes = new TextEncoder().encode(text);
  return { chunks: [bytes], byteLength: bytes.byteLength };
}

/** A handler whose requests are answered by the test, in any order. */
export class ManualHandler implements RequestHandler {
  readonly requests: {
    readonly text: string;
    readonly resolve: (response: ResponseFrame | undefined) => void;
    readonly reject: (fault: unknown) => void;
  }[] = [];
  writable: Promise<void> | undefined;

  handle(frame: Uint8Array): Promise<ResponseFrame | undefined> {
    return new Promise((resolve, reject) => {
      this.requests.push({ text: new TextDecoder().decode(frame), resolve, reject });
    });
  }

  whenWritable(): Promise<void> | undefined {
    return this.writable;
  }

  get texts(): string[] {
    return this.requests.map(({ text }) => text);
  }

  /** Answers request `index` with its own text, or the one given. */
  answer(index: number, text?: string): void {
    const request = this.requests[index];
    request?.resolve(responseOf(text ?? `re:${request.text}`));
  }
}

export function openConnection(
  options: { readonly limits?: Partial<ConnectionLimits>; readonly memory?: RequestMemory } = {},
) {
  const transport = new FakeTransport();
  const handler = new ManualHandler();
  const lifetime = new AbortController();
  const memory = options.memory ?? new RequestMemory(1_000_000);
  const connection = new Connection({
    transport,
    handler,
    lifetime,
    context: testContext(lifetime.signal),
    limits: { ...TEST_LIMITS, ...options.limits },
    memory,
    logger: silentLogger,
  });
  const receive = (text: string): void => connection.onFrame(new TextEncoder().encode(text));
  return { transport, handler, lifetime, memory, connection, receive };
}

/** Resolves when the promises that are settled by now have run their reactions. */
export function settled(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
