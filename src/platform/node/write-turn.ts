// The end of a tick for all connections of a listener: what they have to write leaves then, by one `nextTick`.

export class WriteTurn {
  #due: (() => void)[] = [];
  /** Emptied, for the next turn. */
  #spare: (() => void)[] = [];
  readonly #end = (): void => {
    const due = this.#due;
    this.#due = this.#spare;
    for (const write of due) write();
    due.length = 0;
    this.#spare = due;
  };

  /** Calls `write` at the end of this tick, after those that were added before; what it adds comes in a next turn. */
  add(write: () => void): void {
    if (this.#due.length === 0) process.nextTick(this.#end);
    this.#due.push(write);
  }
}
