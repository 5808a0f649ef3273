// Writes bytes to standard output as fast as the reader takes them, and ends quietly when the reader has gone.

import type { Writable } from 'node:stream';

export class Output {
  readonly #stream: Writable;
  #isBroken = false;
  #failure: Error | undefined;
  #wake: (() => void) | undefined;

  constructor(stream: Writable) {
    this.#stream = stream;
    stream.on('error', (error: NodeJS.ErrnoException) => {
      // `millrace consume | head` closes the pipe when it has enough: that is an end, not a fault.
      if (error.code === 'EPIPE') this.#isBroken = true;
      else this.#failure = error;
      this.#wake?.();
    });
    stream.on('drain', () => this.#wake?.());
  }

  /** Whether the reader is gone: nothing more can be written. */
  get isBroken(): boolean {
    return this.#isBroken;
  }

  /** Resolves when more can be written. Throws where the output cannot be written at all. */
  async write(bytes: Uint8Array | string): Promise<void> {
    this.#check();
    if (this.#isBroken || this.#stream.write(bytes)) return;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    this.#wake = undefined;
    this.#check();
  }

  #check(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Resolves when everything written has been handed over. */
  async flush(): Promise<void> {
    if (this.#isBroken) return;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
      this.#stream.write('', () => resolve());
    });
    this.#check();
  }
}
