// The sending side of a client's socket: frames that come in parts are written behind their heads, and those of one turn
// of the event loop leave in one call of the operating system. For small requests that call is most of the cost; of large
// ones no byte is copied.

import type { Socket } from 'node:net';

/** Up to this size a frame is copied behind its head: one small write costs less than two. */
const JOINED_BYTES_MAX = 4096;

export class CorkedWriter {
  readonly #socket: Socket;
  #isCorked = false;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** Writes a frame behind a head of `headBytes` bytes, which `writeHead` fills; it is given the frame's length. */
  write(
    headBytes: number,
    parts: readonly Uint8Array[],
    writeHead: (head: Uint8Array, frameBytes: number) => void,
  ): void {
    this.cork();
    const frameBytes = bytesOf(parts);
    const isJoined = frameBytes <= JOINED_BYTES_MAX;
    const head = Buffer.allocUnsafe(isJoined ? headBytes + frameBytes : headBytes);
    writeHead(head, frameBytes);
    if (isJoined) {
      let at = headBytes;
      for (const part of parts) {
        head.set(part, at);
        at += part.length;
      }
    }
    this.#socket.write(head);
    if (!isJoined) for (const part of parts) this.#socket.write(part);
  }

  /** Holds everything back until the end of this turn. */
  cork(): void {
    if (this.#isCorked) return;
    this.#isCorked = true;
    this.#socket.cork();
    process.nextTick(() => {
      this.#isCorked = false;
      this.#socket.uncork();
    });
  }
}

export function bytesOf(parts: readonly Uint8Array[]): number {
  return parts.reduce((sum, part) => sum + part.length, 0);
}
