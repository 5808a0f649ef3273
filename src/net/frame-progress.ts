// Whether a frame that has begun to arrive moves on: a client that sends it drop by drop holds memory and a connection.
// Looked at about once a second.

/** A frame under way must have moved on by this rate, on top of a grace that any frame gets. */
const FRAME_BYTES_PER_MS_MIN = 16;
const FRAME_GRACE_MS = 30_000;

export class FrameProgress {
  #sinceMs = -1;

  /** A frame is whole, or reading was paused: time begins anew. */
  reset(): void {
    this.#sinceMs = -1;
  }

  /** Whether the frame under way, of which so many bytes are there, arrives too slowly. Monotonic milliseconds. */
  isTooSlow(nowMs: number, partialBytes: number): boolean {
    if (partialBytes === 0) return false;
    if (this.#sinceMs < 0) this.#sinceMs = nowMs;
    return nowMs - this.#sinceMs > FRAME_GRACE_MS + partialBytes / FRAME_BYTES_PER_MS_MIN;
  }
}
