// `leader-epoch-checkpoint`: which leader epoch began at which offset, in Kafka's text form. A new epoch is on stable
// storage before the first batch that carries it is written, so a stored batch's epoch can be checked against this file.
//
//   0                     version
//   2                     entries
//   0 0                   epoch, start offset
//   3 1200
//
// Crash policy: replaced as a whole (old or new). Entries at or beyond the log's end are dropped at open. A file that is
// absent or does not parse is rebuilt from the batches.

import { assert } from '../core/assert.ts';
import type { Store } from '../core/platform.ts';
import { joinPath, LEADER_EPOCH_FILE } from './file-names.ts';

export interface EpochEntry {
  readonly epoch: number;
  readonly startOffset: number;
}

/** Answer where an epoch is not known (OffsetForLeaderEpoch, KIP-101 and KIP-279). */
const UNDEFINED_END = { leaderEpoch: -1, endOffset: -1 } as const;

export class EpochCheckpoint {
  readonly #store: Store;
  readonly #directory: string;
  /** Ascending in both fields. */
  #entries: EpochEntry[];
  /** The file was absent or did not parse. */
  readonly needsRebuild: boolean;

  private constructor(store: Store, directory: string, entries: EpochEntry[] | undefined) {
    this.#store = store;
    this.#directory = directory;
    this.#entries = entries ?? [];
    this.needsRebuild = entries === undefined;
  }

  static load(store: Store, directory: string): EpochCheckpoint {
    const content = store.readSmall(joinPath(directory, LEADER_EPOCH_FILE));
    return new EpochCheckpoint(store, directory, content === undefined ? undefined : parse(content));
  }

  get latestEpoch(): number {
    return this.#entries.at(-1)?.epoch ?? -1;
  }

  get entries(): readonly EpochEntry[] {
    return this.#entries;
  }

  /** Epoch of the batch that holds `offset`, or -1. */
  epochAt(offset: number): number {
    const entries = this.#entries;
    for (let index = entries.length - 1; index >= 0; index--) {
      const entry = entries[index];
      if (entry !== undefined && entry.startOffset <= offset) return entry.epoch;
    }
    return -1;
  }

  /** Epoch that a stored batch at `offset` must carry; undefined below the first entry, where nothing is known. */
  expectedAt(offset: number): number | undefined {
    const first = this.#entries[0];
    return first === undefined || offset < first.startOffset ? undefined : this.epochAt(offset);
  }

  /** Kafka's rule: the largest epoch not above the one asked for, with the offset at which the next one begins. */
  epochEnd(leaderEpoch: number, logEndOffset: number): { leaderEpoch: number; endOffset: number } {
    if (leaderEpoch < 0) return UNDEFINED_END;
    if (leaderEpoch === this.latestEpoch) return { leaderEpoch, endOffset: logEndOffset };
    const next = this.#entries.findIndex((entry) => entry.epoch > leaderEpoch);
    const higher = this.#entries[next];
    if (higher === undefined) return UNDEFINED_END;
    const floor = this.#entries[next - 1];
    return { leaderEpoch: floor?.epoch ?? leaderEpoch, endOffset: higher.startOffset };
  }

  /** Records that `epoch` begins at `startOffset`, on stable storage when it returns. */
  assign(epoch: number, startOffset: number): void {
    assert(epoch > this.latestEpoch, `leader epoch ${epoch} is not above ${this.latestEpoch}`);
    this.#replace([...this.#entries.filter((entry) => entry.startOffset < startOffset), { epoch, startOffset }]);
  }

  /** Notes an epoch while rebuilding; `save` writes what was noted. */
  note(epoch: number, startOffset: number): void {
    if (epoch > this.latestEpoch) this.#entries.push({ epoch, startOffset });
  }

  save(): void {
    this.#replace(this.#entries);
  }

  /** Drops what begins at `offset` or beyond. */
  truncateFromEnd(offset: number): void {
    const kept = this.#entries.filter((entry) => entry.startOffset < offset);
    if (kept.length < this.#entries.length) this.#replace(kept);
  }

  /**
   * Drops what ended before `offset`; the epoch in force there now begins there. The file follows with the next change:
   * what it tells of offsets below the log's start is dropped again at open, here as in Kafka.
   */
  truncateFromStart(offset: number): void {
    const later = this.#entries.filter((entry) => entry.startOffset > offset);
    const current = this.#entries[this.#entries.length - later.length - 1];
    if (current === undefined) return;
    const isFirst = current === this.#entries[0];
    if (isFirst && current.startOffset === offset) return;
    this.#entries = [{ epoch: current.epoch, startOffset: offset }, ...later];
  }

  #replace(entries: EpochEntry[]): void {
    const lines = entries.map(({ epoch, startOffset }) => `${epoch} ${startOffset}\n`);
    const content = new TextEncoder().encode(`0\n${entries.length}\n${lines.join('')}`);
    this.#store.replaceSmall(joinPath(this.#directory, LEADER_EPOCH_FILE), content);
    this.#store.flushDirectory(this.#directory);
    this.#entries = entries;
  }
}

function parse(content: Uint8Array): EpochEntry[] | undefined {
  const lines = new TextDecoder().decode(content).split('\n');
  if (lines[0] !== '0' || !/^[0-9]+$/.test(lines[1] ?? '') || lines.at(-1) !== '') return undefined;
  const body = lines.slice(2, -1);
  if (body.length !== Number(lines[1])) return undefined;
  const entries = body.map((line) => /^([0-9]+) ([0-9]+)$/.exec(line)).map(toEntry);
  const sound = entries.every((entry, index) => isAfter(entry, entries[index - 1]));
  return sound ? entries : undefined;
}

function toEntry(match: RegExpExecArray | null): EpochEntry {
  return match === null ? { epoch: -1, startOffset: -1 } : { epoch: Number(match[1]), startOffset: Number(match[2]) };
}

function isAfter(entry: EpochEntry, previous: EpochEntry | undefined): boolean {
  if (entry.epoch < 0 || !Number.isSafeInteger(entry.startOffset)) return false;
  return previous === undefined || (entry.epoch > previous.epoch && entry.startOffset > previous.startOffset);
}
