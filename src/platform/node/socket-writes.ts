// How small answers reach the operating system past the stream of their socket: each costs one system call, and what a
// stream does beside it (a request object, a queue, two callbacks) is a tenth of a small request. Whatever the system does
// not take at once is the stream's, which waits for room and finds out what went wrong.

import { writeSync } from 'node:fs';
import type { Socket } from 'node:net';

/** Writes what the operating system takes of these bytes now; returns how many it took, 0 where it took none. */
export type WriteNow = (block: Uint8Array, start: number, bytes: number) => number;

/** Undefined where a socket tells no descriptor. Nothing may be under way in its stream when it is called. */
export function writesPastStream(socket: Socket): WriteNow | undefined {
  const descriptor = descriptorOf(socket);
  if (descriptor === undefined) return undefined;
  return (block, start, bytes) => {
    // The descriptor of a socket that was destroyed may be another one's by now.
    if (socket.destroyed || socket.writableEnded) return 0;
    try {
      return writeSync(descriptor, block, start, bytes);
    } catch {
      return 0;
    }
  };
}

/** The operating system's number of a socket, where the runtime tells it. It is another's once the socket was destroyed. */
export function descriptorOf(socket: Socket): number | undefined {
  const handle: unknown = Reflect.get(socket, '_handle');
  const descriptor: unknown = typeof handle === 'object' && handle !== null ? Reflect.get(handle, 'fd') : undefined;
  return typeof descriptor === 'number' && descriptor >= 0 ? descriptor : undefined;
}
