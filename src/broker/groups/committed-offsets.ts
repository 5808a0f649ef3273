// The committed offsets of all groups of one partition of the log: those that hold, and those staged in transactions.
// It changes by records and transaction markers alone.

import type { RecordPlace } from '../coordinator-log-partition.ts';
import type { OffsetRecord, OffsetValue } from './group-records.ts';

export interface CommittedOffset extends OffsetValue {
  /** Of two commits the one with the larger order is the later one. */
  readonly order: number;
}

type Partitions = Map<number, CommittedOffset>;
export type GroupOffsets = ReadonlyMap<string, ReadonlyMap<number, CommittedOffset>>;

const NOTHING: GroupOffsets = new Map();

function entryOf<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const known = map.get(key);
  if (known !== undefined) return known;
  const made = make();
  map.set(key, made);
  return made;
}

/** Offsets by group, topic and partition. */
class OffsetTable {
  readonly groups = new Map<string, Map<string, Partitions>>();

  get(group: string, topic: string, partition: number): CommittedOffset | undefined {
    return this.groups.get(group)?.get(topic)?.get(partition);
  }

  put({ group, topic, partition }: OffsetRecord, offset: CommittedOffset): void {
    const topics = entryOf(this.groups, group, () => new Map<string, Partitions>());
    entryOf(topics, topic, () => new Map<number, CommittedOffset>()).set(partition, offset);
  }

  remove({ group, topic, partition }: Pick<OffsetRecord, 'group' | 'topic' | 'partition'>): void {
    const topics = this.groups.get(group);
    const partitions = topics?.get(topic);
    if (topics === undefined || partitions === undefined) return;
    partitions.delete(partition);
    if (partitions.size === 0) topics.delete(topic);
    if (topics.size === 0) this.groups.delete(group);
  }

  *entries(): Generator<OffsetRecord & { readonly committed: CommittedOffset }> {
    for (const [group, topics] of this.groups) {
      for (const [topic, partitions] of topics) {
        for (const [partition, committed] of partitions) {
          yield { kind: 'offset', group, topic, partition, value: committed, committed };
        }
      }
    }
  }
}

export class CommittedOffsets {
  readonly #committed = new OffsetTable();
  /** By producer id. */
  readonly #staged = new Map<number, OffsetTable>();

  apply(record: OffsetRecord, { order, producer }: RecordPlace): void {
    const { value } = record;
    if (value === undefined) {
      this.#committed.remove(record);
      for (const staged of this.#staged.values()) staged.remove(record);
    } else if (producer === undefined) this.#committed.put(record, { ...value, order });
    else {
      entryOf(this.#staged, producer.producerId, () => new OffsetTable()).put(record, { ...value, order });
    }
  }

  /** What was staged takes effect, but for offsets that were committed later outside the transaction; or it is dropped. */
  endTransaction(producerId: number, committed: boolean): void {
    const staged = this.#staged.get(producerId);
    this.#staged.delete(producerId);
    if (staged === undefined || !committed) return;
    for (const entry of staged.entries()) {
      const before = this.#committed.get(entry.group, entry.topic, entry.partition);
      if (before === undefined || before.order < entry.committed.order) this.#committed.put(entry, entry.committed);
    }
  }

  groups(): Iterable<string> {
    const staged = [...this.#staged.values()].flatMap((table) => [...table.groups.keys()]);
    return new Set([...this.#committed.groups.keys(), ...staged]);
  }

  has(group: string): boolean {
    return this.#committed.groups.has(group) || this.hasStaged(group);
  }

  /** Whether offsets of the group are staged in any transaction. */
  hasStaged(group: string): boolean {
    for (const table of this.#staged.values()) if (table.groups.has(group)) return true;
    return false;
  }

  get(group: string, topic: string, partition: number): CommittedOffset | undefined {
    return this.#committed.get(group, topic, partition);
  }

  /** The offsets of a group, by topic and partition. */
  of(group: string): GroupOffsets {
    return this.#committed.groups.get(group) ?? NOTHING;
  }

  /** Whether a transaction that is still open has a commit for the partition (UNSTABLE_OFFSET_COMMIT, KIP-447). */
  isUnstable(group: string, topic: string, partition: number): boolean {
    for (const table of this.#staged.values()) if (table.get(group, topic, partition) !== undefined) return true;
    return false;
  }

  /** Partitions of the group with offsets staged, by topic. */
  *staged(group: string): Generator<{ readonly topic: string; readonly partition: number }> {
    for (const table of this.#staged.values()) {
      for (const [topic, partitions] of table.groups.get(group) ?? []) {
        for (const partition of partitions.keys()) yield { topic, partition };
      }
    }
  }

  /** Records that take away what the group has committed and staged, of one topic or of all. */
  removals(group: string, ofTopic?: string): OffsetRecord[] {
    const found = new Map<string, OffsetRecord>();
    const note = (topic: string, partition: number): void => {
      if (ofTopic !== undefined && topic !== ofTopic) return;
      found.set(`${topic}/${partition}`, { kind: 'offset', group, topic, partition, value: undefined });
    };
    for (const [topic, partitions] of this.of(group)) for (const partition of partitions.keys()) note(topic, partition);
    for (const { topic, partition } of this.staged(group)) note(topic, partition);
    return [...found.values()];
  }

  /** The whole content, for comparing: without the order, which a replay gives anew. */
  snapshot(): unknown {
    const rows = (table: OffsetTable): string[] =>
      Array.from(table.entries(), ({ committed: { order: _, ...rest }, group, topic, partition }) =>
        JSON.stringify([group, topic, partition, rest]),
      ).sort();
    const staged = Array.from(this.#staged, ([producerId, table]) => ({ producerId, rows: rows(table) }));
    return { committed: rows(this.#committed), staged: staged.filter(({ rows: each }) => each.length > 0) };
  }
}

/**
 * Whether an offset has been kept long enough. `sinceMs` is when the group became empty, or undefined where the time of
 * the commit counts. An offset with a time of its own (commits up to version 4) goes by that alone.
 */
export function isExpired(
  offset: CommittedOffset,
  {
    nowMs,
    sinceMs,
    retentionMs,
  }: { readonly nowMs: number; readonly sinceMs: number | undefined; readonly retentionMs: number },
): boolean {
  if (offset.expireTimestamp !== -1) return nowMs >= offset.expireTimestamp;
  return nowMs - (sinceMs ?? offset.commitTimestamp) >= retentionMs;
}
