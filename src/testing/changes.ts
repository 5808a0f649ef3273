// Something has happened in the broker: for waits that look again when it does, and never by time.

type Listener = () => void;

export class Changes {
  readonly #listeners = new Set<Listener>();

  /** Something has happened. */
  note(): void {
    for (const listener of [...this.#listeners]) listener();
  }

  /**
   * Resolves with what `look` gives once that is not undefined; it looks again whenever something has happened. Resolves
   * with undefined when `deadline` has.
   */
  async until<T>(
    look: () => T | undefined | Promise<T | undefined>,
    deadline: Promise<unknown>,
  ): Promise<T | undefined> {
    let isOver = false;
    const over = deadline.then(() => {
      isOver = true;
    });
    while (!isOver) {
      // Before the look, so that what happens during it is not missed.
      const changed = this.#next();
      const found = await look();
      if (found !== undefined) {
        changed.cancel();
        return found;
      }
      await Promise.race([changed.promise, over]);
      changed.cancel();
    }
    return undefined;
  }

  #next(): { readonly promise: Promise<void>; cancel(): void } {
    let listener: Listener = () => undefined;
    const promise = new Promise<void>((resolve) => {
      listener = () => resolve();
    });
    this.#listeners.add(listener);
    return { promise, cancel: () => void this.#listeners.delete(listener) };
  }
}
