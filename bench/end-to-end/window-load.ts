// A load over WebSockets: each connection sends its prepared frames round and round, a fixed number in flight, and every
// answer is looked at. It is made to cost little, because client and broker share the cores.

import { LoadSocket, webSocketFrame } from './load-socket.ts';

export interface WindowLoadOptions {
  readonly url: string;
  /** The requests of each connection. */
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
  const lanes = await Promise.all(
    options.frames.map(async (requests) => ({
      socket: await LoadSocket.open(options.url),
      frames: requests.map(webSocketFrame),
    })),
  );
  const startedAt = performance.now();
  const end = startedAt + (options.durationMs ?? Number.POSITIVE_INFINITY);
  const each = (options.requests ?? Number.POSITIVE_INFINITY) / lanes.length;
  const totals = await Promise.all(lanes.map((lane) => drive(lane, { ...options, end, each })));
  const seconds = (performance.now() - startedAt) / 1000;
  for (const { socket } of lanes) socket.end();
  return {
    requests: totals.reduce((sum, total) => sum + total.requests, 0),
    bytes: totals.reduce((sum, total) => sum + total.bytes, 0),
    seconds,
  };
}

interface Lane {
  readonly socket: LoadSocket;
  readonly frames: readonly Buffer[];
}

function drive(
  { socket, frames }: Lane,
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
    socket.onEnd = reject;
    socket.onMessage = (answer) => {
      try {
        bytes += options.check(answer);
      } catch (error) {
        reject(error);
        return;
      }
      requests++;
      if (next < options.each && performance.now() < options.end) send();
      else if (--inFlight === 0) resolve({ requests, bytes });
    };
    for (let sent = 0; sent < options.window; sent++) send();
  });
}
