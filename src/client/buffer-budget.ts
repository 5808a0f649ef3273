// A bound on the bytes that a producer or consumer holds.

/** Counts bytes up to a limit. The last taker may go over it, so that one large record always finds a place. */
export class BufferBudget {
  readonly #limitBytes: number;
  #usedBytes = 0;
  #free: Promise<void> | undefined;
  #release: (() => void) | undefined;

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  get isFull(): boolean {
    return this.#usedBytes >= this.#limitBytes;
  }

  take(bytes: number): void {
    this.#usedBytes += bytes;
  }

  give(bytes: number): void {
    this.#usedBytes -= bytes;
    if (this.isFull || this.#release === undefined) return;
    this.#release();
    this.#free = undefined;
    this.#release = undefined;
  }

  /** Undefined while there is room, else resolves when there is. */
  whenFree(): Promise<void> | undefined {
    if (!this.isFull) return undefined;
    this.#free ??= new Promise((resolve) => {
      this.#release = resolve;
    });
    return this.#free;
  }
}
