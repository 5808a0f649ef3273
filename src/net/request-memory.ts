// Request bytes that one listener's connections hold, in one account: partly received, waiting, and being handled.
// A full account pauses reading everywhere until handlers have finished some, which they always do. Bytes that only
// their own client can move on (a frame that does not end, requests behind answers that are not read) are parked:
// when those make up half of the account, the connection that parks most is evicted, so that nobody else waits for it.

/** One connection that holds request bytes. */
export interface MemoryHolder {
  /** Bytes held that no handler will free. */
  readonly parkedBytes: number;
  /** Ends the connection at once. */
  evict(): void;
  /** The account has room again: called once after each `waitForRoom`. */
  onRoom(): void;
}

export class RequestMemory {
  readonly #limit: number;
  #used = 0;
  readonly #holders = new Set<MemoryHolder>();
  readonly #waiting = new Set<MemoryHolder>();

  /**
   * @param limit bytes from which on reading pauses (Kafka's queued.max.request.bytes)
   */
  constructor(limit: number) {
    this.#limit = limit;
  }

  get used(): number {
    return this.#used;
  }

  get isFull(): boolean {
    return this.#used >= this.#limit;
  }

  register(holder: MemoryHolder): void {
    this.#holders.add(holder);
  }

  /** Forgets a holder that has ended; what it took is released by itself. */
  forget(holder: MemoryHolder): void {
    this.#holders.delete(holder);
    this.#waiting.delete(holder);
  }

  take(bytes: number): void {
    this.#used += bytes;
    if (this.isFull) this.#relieve();
  }

  release(bytes: number): void {
    this.#used -= bytes;
    if (this.#waiting.size === 0 || this.isFull) return;
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const holder of waiting) holder.onRoom();
  }

  waitForRoom(holder: MemoryHolder): void {
    this.#waiting.add(holder);
  }

  #relieve(): void {
    let parkedBytes = 0;
    let largest: MemoryHolder | undefined;
    for (const holder of this.#holders) {
      parkedBytes += holder.parkedBytes;
      if (largest === undefined || holder.parkedBytes > largest.parkedBytes) largest = holder;
    }
    if (parkedBytes * 2 >= this.#limit) largest?.evict();
  }
}
