// A load over raw WebSockets: each connection sends its prepared frames round and round, a fixed number in flight, and
// every answer is looked at. Masks are zero, so that the client's own cost stays small.

import { once } from 'node:events';
import { WebSocket } from 'ws';

export interface WindowLoadOptions {
  readonly url: string;
  /** The frames of each connection. */
  readonly frames: readonly (readonly Uint8Array[])[];
  /** Requests in flight on each connection. */
  readonly window: number;
  /** How long to send; or, without it, how many requests. */
  readonly durationMs?: number;
  readonly requests?: number;
  /** Throws when an answer is not what it must be; returns the record bytes to count. */
  readonly check: (answer: Buffer) => number;
}

export interface WindowLoadResult {
  readonly requests: number;
  readonly bytes: number;
  readonly seconds: number;
}

/** Runs the load for its time and lets what is in flight come back; all of it counts. */
export async function runWindowLoad(options: WindowLoadOptions): Promise<WindowLoadResult> {
  const sockets = await Promise.all(options.frames.map(() => connect(options.url)));
  const startedAt = performance.now();
  const end = startedAt + (options.durationMs ?? Number.POSITIVE_INFINITY);
  const each = (options.requests ?? Number.POSITIVE_INFINITY) / sockets.length;
  const totals = await Promise.all(
    sockets.map((socket, connection) => drive(socket, options.frames[connection] ?? [], { ...options, end, each })),
  );
  const seconds = (performance.now() - startedAt) / 1000;
  for (const socket of sockets) socket.terminate();
  return {
    requests: totals.reduce((sum, total) => sum + total.requests, 0),
    bytes: totals.reduce((sum, total) => sum + total.bytes, 0),
    seconds,
  };
}

async function connect(url: string): Promise<WebSocket> {
  const socket = new WebSocket(url, 'kafka', {
    perMessageDeflate: false,
    maxPayload: 256 * 1024 * 1024,
    generateMask: (mask) => mask.fill(0),
  });
  await once(socket, 'open');
  return socket;
}

function drive(
  socket: WebSocket,
  frames: readonly Uint8Array[],
  options: WindowLoadOptions & { readonly end: number; readonly each: number },
): Promise<{ requests: number; bytes: number }> {
  let next = 0;
  const send = (): void => {
    const frame = frames[next++ % frames.length];
    if (frame === undefined) throw new Error('a connection without frames');
    socket.send(frame);
  };
  return new Promise((resolve, reject) => {
    let requests = 0;
    let bytes = 0;
    let inFlight = options.window;
    const fail = (error: Error): void => reject(error);
    socket.on('error', fail);
    socket.on('close', () => fail(new Error('the server closed the connection')));
    socket.on('message', (answer: Buffer) => {
      try {
        bytes += options.check(answer);
      } catch (error) {
        fail(error instanceof Error ? error : new Error(String(error)));
        return;
      }
      requests++;
      if (next < options.each && performance.now() < options.end) send();
      else if (--inFlight === 0) resolve({ requests, bytes });
    });
    for (let sent = 0; sent < options.window; sent++) send();
  });
}
