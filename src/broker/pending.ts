// An answer that comes later, for the handlers of frequent requests: one object where promises would be several, and
// told on the spot instead of some microtasks later. It knows one listener and one outcome.

import { assert } from '../core/assert.ts';

/** Who waits for an answer. Exactly one of the two is called, once. */
export interface Listener<Answer> {
  fulfilled(answer: Answer): void;
  rejected(fault: unknown): void;
}

export class Pending<Answer> {
  #listener: Listener<Answer> | undefined;
  #outcome: { readonly answer: Answer } | { readonly fault: unknown } | undefined;
  #isSettled = false;

  get isSettled(): boolean {
    return this.#isSettled;
  }

  /** Gives the answer; only the first outcome counts. */
  fulfil(answer: Answer): void {
    if (this.#isSettled) return;
    this.#isSettled = true;
    if (this.#listener === undefined) this.#outcome = { answer };
    else this.#listener.fulfilled(answer);
  }

  reject(fault: unknown): void {
    if (this.#isSettled) return;
    this.#isSettled = true;
    if (this.#listener === undefined) this.#outcome = { fault };
    else this.#listener.rejected(fault);
  }

  /** The one listener, told at once where the outcome is there already. */
  listen(listener: Listener<Answer>): void {
    assert(this.#listener === undefined, 'an answer has one listener');
    this.#listener = listener;
    const outcome = this.#outcome;
    if (outcome === undefined) return;
    if ('answer' in outcome) listener.fulfilled(outcome.answer);
    else listener.rejected(outcome.fault);
  }
}
