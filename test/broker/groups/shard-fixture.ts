// The groups of one partition without a broker: what they write is kept in a list, encoded and decoded as the log would
// have it, and can be read back into another state.

import { Deadlines } from '../../../src/broker/deadlines.ts';
import type {
  ConsumerTimes,
  GroupContext,
  GroupSettings,
  TopicDirectory,
  TopicShape,
} from '../../../src/broker/groups/group-context.ts';
import { GROUP_RECORD_FORMAT, type GroupRecord } from '../../../src/broker/groups/group-records.ts';
import { GroupShard } from '../../../src/broker/groups/group-shard.ts';
import { present } from '../../../src/core/assert.ts';
import type { BatchProducer } from '../../../src/core/record-batch-codec.ts';
import { parseUuid, type Uuid } from '../../../src/protocol/uuid.ts';
import { fixedRandom } from '../fixture.ts';
import { ManualClock } from '../manual-clock.ts';

export const SETTINGS: GroupSettings = {
  initialRebalanceDelayMs: 0,
  minSessionTimeoutMs: 6000,
  maxSessionTimeoutMs: 1_800_000,
  maxSize: 1000,
  offsetMetadataMaxBytes: 4096,
  offsetsRetentionMs: 604_800_000,
  consumerMaxSize: 1000,
  consumerUpgrade: true,
  consumerDowngrade: true,
  consumerAssignors: ['uniform', 'range'],
};

/** A topic id that a test can recognize. */
export function topicId(index: number): Uuid {
  return present(parseUuid(`${String.fromCharCode(65 + index).repeat(21)}A`), 'id');
}

export class TestTopics implements TopicDirectory {
  readonly #topics = new Map<string, TopicShape>();
  version = 0;

  set(name: string, id: Uuid, partitionCount: number): void {
    this.#topics.set(name, { name, id, partitionCount });
    this.version++;
  }

  delete(name: string): void {
    this.#topics.delete(name);
    this.version++;
  }

  byName(name: string): TopicShape | undefined {
    return this.#topics.get(name);
  }

  byId(id: Uuid): TopicShape | undefined {
    return [...this.#topics.values()].find((topic) => topic.id === id);
  }

  all(): Iterable<TopicShape> {
    return this.#topics.values();
  }
}

interface LogEntry {
  readonly record: GroupRecord;
  readonly timestamp: number;
  readonly producer: BatchProducer | undefined;
}

export class ShardFixture {
  readonly clock: ManualClock;
  readonly topics: TestTopics;
  readonly log: (LogEntry | { readonly producerId: number; readonly committed: boolean })[] = [];
  readonly shard: GroupShard;
  settings: GroupSettings = SETTINGS;
  times: ConsumerTimes = { sessionTimeoutMs: 45_000, heartbeatIntervalMs: 5000 };
  /** The log takes nothing and says this. */
  refusal: number | undefined;
  readonly #seed: number;

  constructor(seed = 1, clock = new ManualClock(), topics = new TestTopics()) {
    this.#seed = seed;
    this.clock = clock;
    this.topics = topics;
    const context: GroupContext = {
      clock,
      random: fixedRandom(seed),
      deadlines: new Deadlines(clock),
      settings: () => this.settings,
      topics,
      consumerTimes: () => this.times,
      write: (records, producer) => this.#write(records, producer),
    };
    this.shard = new GroupShard(context);
    this.shard.loaded();
  }

  #write(records: readonly GroupRecord[], producer: BatchProducer | undefined): Promise<number> {
    if (this.refusal !== undefined) return Promise.resolve(this.refusal);
    const timestamp = this.clock.now();
    for (const record of records) {
      this.shard.apply(record, { order: this.log.length, timestamp, producer });
      this.log.push({ record, timestamp, producer });
    }
    return Promise.resolve(0);
  }

  endTransaction(producerId: number, committed: boolean): void {
    this.shard.endTransaction(producerId, committed);
    this.log.push({ producerId, committed });
  }

  /** What a start over the log gives. With `compacted`, over what compaction would leave of it. */
  replayed(compacted = false): GroupShard {
    const again = new ShardFixture(this.#seed + 1, this.clock, this.topics).shard;
    const entries = this.log.map((entry) =>
      'record' in entry ? { ...entry, ...GROUP_RECORD_FORMAT.encode(entry.record) } : entry,
    );
    const last = new Map<string, number>();
    entries.forEach((entry, order) => {
      if ('key' in entry) last.set(Buffer.from(entry.key).toString('hex'), order);
    });
    entries.forEach((entry, order) => {
      if (!('key' in entry)) {
        again.endTransaction(entry.producerId, entry.committed);
        return;
      }
      const isLast = last.get(Buffer.from(entry.key).toString('hex')) === order;
      if (compacted && (!isLast || entry.value === null)) return;
      const record = present(GROUP_RECORD_FORMAT.decode(entry.key, entry.value), 'record');
      again.apply(record, { order, timestamp: entry.timestamp, producer: entry.producer });
    });
    again.loaded();
    return again;
  }
}
