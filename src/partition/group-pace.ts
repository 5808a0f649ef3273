// When a group is sent to an owner that has nothing to do: at once where few commands come, else when about half of what
// is to come is there, so that the owner works on one half while its dispatcher reads the other, or answers it. Sent with
// the first command, a group is of one, and both threads wait for each other twice for all the others.

/** Below so many commands there is nothing to share between two groups. */
const SHARED_COMMANDS_MIN = 4;

export class GroupPace {
  #last = 0;
  #beforeLast = 0;

  /** Notes that a group of so many commands was sent. */
  sent(commands: number): void {
    this.#beforeLast = this.#last;
    this.#last = commands;
  }

  /** Whether a group of so many commands waits for further ones, to the end of the turn at most. */
  holdsBack(commands: number): boolean {
    const usual = (this.#last + this.#beforeLast) / 2;
    return usual >= SHARED_COMMANDS_MIN && commands < usual;
  }
}
