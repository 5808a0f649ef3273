// When a slot's thread compacts logs: the dirtiest of its partitions first, one at a time, in slices of a few
// milliseconds with pauses between them in which groups are executed. A busy thread and log.cleaner.io.max.bytes.per.second
// make the pauses longer. What a slice does is src/storage/cleaner.ts's business.

import { LogFault } from '../core/fault.ts';
import type { Clock, TimerHandle } from '../core/platform.ts';
import type { CleanStep, RoundResult } from '../storage/cleaner.ts';
import type { CleanerConfig } from '../storage/log-config.ts';
import type { PartitionHandle } from './commands.ts';
import type { Partition } from './partition.ts';

/** Longest time that one slice goes on before it looks at the clock for the last time, in milliseconds. */
const SLICE_MS = 2;
const PAUSE_IDLE_MS = 1;
/** Pause while groups are executed: of the thread's time compaction then takes a fifth. */
const PAUSE_BUSY_MS = 8;
/** What log.cleaner.io.max.bytes.per.second allows in this time may be moved at once. */
const BURST_MS = 20;
/** How long a log that could not be compacted is left alone. */
const RETRY_MS = 300_000;

export interface ScheduledPartition {
  readonly handle: PartitionHandle;
  readonly partition: Partition;
}

export interface CleanerScheduleOptions {
  readonly clock: Clock;
  readonly partitions: () => Iterable<ScheduledPartition>;
  readonly isOpen: (scheduled: ScheduledPartition) => boolean;
  /** A log must be flushed before it is compacted. */
  readonly wantFlush: (handle: PartitionHandle) => void;
  readonly onCompacted: (scheduled: ScheduledPartition, result: RoundResult) => void;
  readonly onFault: (scheduled: ScheduledPartition, fault: LogFault) => void;
}

interface Round {
  readonly scheduled: ScheduledPartition;
  readonly steps: Generator<CleanStep, RoundResult, void>;
}

interface Candidate {
  readonly scheduled: ScheduledPartition;
  readonly dirtyRatio: number;
}

export class CleanerSchedule {
  readonly #options: CleanerScheduleOptions;
  #timer: TimerHandle | undefined;
  #round: Round | undefined;
  /** Partitions that are still to be looked at before the dirtiest is chosen. */
  #unseen: ScheduledPartition[] = [];
  #best: Candidate | undefined;
  readonly #failedAtMs = new WeakMap<Partition, number>();
  #wasBusy = false;
  #isStopped = false;

  constructor(options: CleanerScheduleOptions) {
    this.#options = options;
  }

  /** A partition was opened or configured: looks for work from now on, if anything can be compacted. */
  wake(): void {
    if (this.#timer === undefined && this.#round === undefined && !this.#isStopped) this.#rest();
  }

  /** The thread has other work. */
  noteWork(): void {
    this.#wasBusy = true;
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#round?.steps.return({ interrupted: true, bytesBefore: 0, bytesAfter: 0 });
    this.#round = undefined;
  }

  /** Waits until logs may be due again; for ever where none of them is ever compacted. */
  #rest(): void {
    let backoffMs = Number.POSITIVE_INFINITY;
    for (const { partition } of this.#options.partitions()) {
      const { compacts, cleaner } = partition.config;
      if (compacts && cleaner.enabled) backoffMs = Math.min(backoffMs, cleaner.backoffMs);
    }
    if (backoffMs !== Number.POSITIVE_INFINITY) this.#schedule(Math.max(PAUSE_IDLE_MS, backoffMs), () => this.#look());
  }

  #schedule(delayMs: number, task: () => void): void {
    if (this.#isStopped) return;
    this.#timer = this.#options.clock.schedule(Math.min(delayMs, 0x7fff_ffff), () => {
      this.#timer = undefined;
      task();
    });
  }

  /** Looks for the dirtiest log that is due. */
  #look(): void {
    this.#unseen = [...this.#options.partitions()].filter(({ partition }) => partition.config.compacts);
    this.#best = undefined;
    this.#goOnLooking();
  }

  #goOnLooking(): void {
    const { clock } = this.#options;
    const sliceEnd = clock.monotonic() + SLICE_MS;
    for (let next = this.#unseen.pop(); next !== undefined; next = this.#unseen.pop()) {
      this.#consider(next);
      if (clock.monotonic() < sliceEnd) continue;
      this.#schedule(this.#pauseMs(), () => this.#goOnLooking());
      return;
    }
    const best = this.#best;
    this.#best = undefined;
    if (best === undefined || !this.#options.isOpen(best.scheduled)) {
      this.#rest();
      return;
    }
    const { scheduled } = best;
    this.#round = { scheduled, steps: scheduled.partition.compact(clock.now()) };
    this.#schedule(PAUSE_IDLE_MS, () => this.#slice());
  }

  #consider(scheduled: ScheduledPartition): void {
    const { clock, isOpen, wantFlush } = this.#options;
    const { partition, handle } = scheduled;
    const failedAtMs = this.#failedAtMs.get(partition);
    if (!isOpen(scheduled) || (failedAtMs !== undefined && clock.monotonic() - failedAtMs < RETRY_MS)) return;
    try {
      const { isDue, needsFlush, dirtyRatio } = partition.assessCompaction(clock.now());
      if (!isDue) return;
      if (needsFlush) wantFlush(handle);
      else if (dirtyRatio > (this.#best?.dirtyRatio ?? -1)) this.#best = { scheduled, dirtyRatio };
    } catch (error) {
      this.#failed(scheduled, error);
    }
  }

  #slice(): void {
    const round = this.#round;
    if (round === undefined) return;
    try {
      this.#advance(round);
    } catch (error) {
      this.#failed(round.scheduled, error);
    }
  }

  #advance(round: Round): void {
    const { clock } = this.#options;
    const sliceEnd = clock.monotonic() + SLICE_MS;
    const bytesMax = (round.scheduled.partition.config.cleaner.ioBytesPerSecond * BURST_MS) / 1000;
    let bytes = 0;
    do {
      const step = round.steps.next();
      if (step.done === true) {
        this.#finished(round, step.value);
        return;
      }
      if ('wait' in step.value) {
        this.#wait(round, step.value.wait);
        return;
      }
      bytes += step.value.bytes;
    } while (clock.monotonic() < sliceEnd && bytes < bytesMax);
    this.#schedule(this.#pauseAfter(round, bytes), () => this.#slice());
  }

  #pauseMs(): number {
    const pauseMs = this.#wasBusy ? PAUSE_BUSY_MS : PAUSE_IDLE_MS;
    this.#wasBusy = false;
    return pauseMs;
  }

  #pauseAfter({ scheduled }: Round, bytes: number): number {
    const { ioBytesPerSecond }: CleanerConfig = scheduled.partition.config.cleaner;
    return Math.max(this.#pauseMs(), (bytes / ioBytesPerSecond) * 1000);
  }

  #wait(round: Round, wait: Promise<unknown>): void {
    wait.then(
      () => this.#slice(),
      (error: unknown) => {
        if (this.#round !== round) return;
        try {
          round.steps.throw(error);
        } catch (thrown) {
          this.#failed(round.scheduled, thrown);
        }
      },
    );
  }

  #finished({ scheduled }: Round, result: RoundResult): void {
    this.#round = undefined;
    this.#options.onCompacted(scheduled, result);
    this.#schedule(PAUSE_IDLE_MS, () => this.#look());
  }

  /** Faults are reported and the log is left alone for a while; anything else is a bug and ends the thread. */
  #failed(scheduled: ScheduledPartition, error: unknown): void {
    if (!(error instanceof LogFault)) throw error;
    this.#failedAtMs.set(scheduled.partition, this.#options.clock.monotonic());
    this.#options.onFault(scheduled, error);
    if (this.#round === undefined) return;
    this.#round = undefined;
    this.#schedule(PAUSE_IDLE_MS, () => this.#look());
  }
}
