// The timers of the members of KIP-848 groups. What it means that one is over is told by whoever made them.

import { GroupTimer, type Timers } from './timer.ts';

interface TimersOfMember {
  /** Runs while the member is silent. */
  readonly session: GroupTimer;
  /** Runs while the member has something to do: to give partitions up, to join again, to synchronize. */
  readonly rebalance: GroupTimer;
}

export class MemberTimers {
  readonly #timers: Timers;
  readonly #over: (groupId: string, memberId: string) => void;
  readonly #groups = new Map<string, Map<string, TimersOfMember>>();

  constructor(timers: Timers, over: (groupId: string, memberId: string) => void) {
    this.#timers = timers;
    this.#over = over;
  }

  of(groupId: string, memberId: string): TimersOfMember {
    let members = this.#groups.get(groupId);
    if (members === undefined) {
      members = new Map();
      this.#groups.set(groupId, members);
    }
    let timers = members.get(memberId);
    if (timers === undefined) {
      const over = (): void => this.#over(groupId, memberId);
      timers = { session: new GroupTimer(this.#timers, over), rebalance: new GroupTimer(this.#timers, over) };
      members.set(memberId, timers);
    }
    return timers;
  }

  forget(groupId: string, memberId: string): void {
    const members = this.#groups.get(groupId);
    const timers = members?.get(memberId);
    if (members === undefined || timers === undefined) return;
    cancel(timers);
    members.delete(memberId);
    if (members.size === 0) this.#groups.delete(groupId);
  }

  forgetGroup(groupId: string): void {
    for (const timers of this.#groups.get(groupId)?.values() ?? []) cancel(timers);
    this.#groups.delete(groupId);
  }

  forgetAll(): void {
    for (const groupId of [...this.#groups.keys()]) this.forgetGroup(groupId);
  }
}

function cancel({ session, rebalance }: TimersOfMember): void {
  session.cancel();
  rebalance.cancel();
}
