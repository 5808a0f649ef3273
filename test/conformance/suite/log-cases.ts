// What a partition's log must do on every store: append, read, find by time, restart, recover, notice damage, forget,
// compact, and take a producer's batch once.

import type { Store } from '../../../src/core/platform.ts';
import { checkLog } from '../../../src/storage/log-dump.ts';
import { Kernels } from '../../../src/wasm/kernels.ts';
import { check, same, there } from './check.ts';
import type { ConformanceCase, ConformanceHost, ConformancePlace } from './host.ts';
import {
  batchEnds,
  contentOf,
  DIRECTORY,
  FIRST_LOG,
  flip,
  HandClock,
  type OpenOptions,
  PartitionUnderTest,
  type Read,
  restore,
  START_MS,
  snapshotOf,
  type Written,
  withFile,
  withPlace,
} from './partition-under-test.ts';
import { Seeded } from './random.ts';

const ONE_SEGMENT = { segmentBytes: 1 << 20 };
/** Offset and leader epoch of a batch lie outside of its CRC. */
const EPOCH_POSITIONS = [12, 13, 14, 15];

interface Scene {
  readonly host: ConformanceHost;
  readonly place: ConformancePlace;
  /** Opens the place's store and the partition on it. */
  open(options?: OpenOptions): Promise<PartitionUnderTest>;
}

function onPartition(name: string, action: (scene: Scene) => Promise<void>): ConformanceCase {
  const run = (host: ConformanceHost): Promise<void> =>
    withPlace(host, 'log', async (place) => {
      const open = async (options: OpenOptions = {}) => new PartitionUnderTest(host, await place.open(), options);
      await action({ host, place, open });
    });
  return { name: `a log: ${name}`, needs: 'store', run };
}

/** Batches of one to five records of seeded texts; returns what a reader must find. */
function fill(partition: PartitionUnderTest, batches: number, seed = 1): Read[] {
  const random = new Seeded(seed);
  const expected: Read[] = [];
  for (let batch = 0; batch < batches; batch++) {
    partition.clock.nowMs += 10;
    const records = Array.from({ length: 1 + random.below(5) }, (_, index) => {
      const text = `${batch}.${index} ${'x'.repeat(random.below(60))}`;
      return {
        key: random.below(2) === 0 ? null : `key ${random.below(9)}`,
        value: text,
        timestamp: partition.clock.nowMs + index,
      };
    });
    const base = partition.append(records);
    expected.push(...records.map((record, index) => ({ offset: base + index, ...record })));
  }
  return expected;
}

function soundness(host: ConformanceHost, store: Store): void {
  same(checkLog(store, DIRECTORY, Kernels.create(host.wasm)).map(String), [], 'what the log check finds');
}

/** A new process finds an orderly shutdown at `recoveryPoint`. */
function clean(recoveryPoint: number, more: OpenOptions = {}): OpenOptions {
  return { cleanShutdown: true, recoveryPoint, ...more };
}

const READING: readonly ConformanceCase[] = [
  onPartition('gives each batch the next offsets, and its records are read back', async ({ open, place }) => {
    const partition = await open();
    same(partition.append(['a', 'b']), 0, 'first offset');
    same(partition.append(['c']), 2, 'second offset');
    const all = partition.readAll().map(({ offset, value }) => [offset, value]);
    same(
      all,
      [
        [0, 'a'],
        [1, 'b'],
        [2, 'c'],
      ],
      'records',
    );
    same(partition.read(3).records.length, 0, 'bytes at the end');
    same(partition.read(4).outcome, 'offset-out-of-range', 'a read behind the end');
    partition.partition.close();
    await place.close();
  }),

  onPartition('every offset can be read, whatever the limit, over many segments', async ({ open, place }) => {
    const partition = await open();
    const expected = fill(partition, 60);
    check(partition.log.describe().length > 3, 'the log has several segments');
    for (const record of expected) {
      for (const maxBytes of [1, 300, 1 << 20]) {
        const first = partition.decode(partition.read(record.offset, maxBytes).records);
        same(
          first.find(({ offset }) => offset === record.offset),
          record,
          `record at ${record.offset} within ${maxBytes}`,
        );
      }
    }
    same(partition.readAll(0, 700), expected, 'all records');
    same(partition.readAll(17, 1), expected.slice(17), 'all records from 17 on');
    partition.partition.close();
    await place.close();
  }),

  onPartition('offsets are found by time', async ({ open, place }) => {
    const partition = await open();
    const random = new Seeded(5);
    const written: { offset: number; timestamp: number }[] = [];
    for (let batch = 0; batch < 50; batch++) {
      // Mostly rising, as the clocks of producers are.
      const records = Array.from({ length: 3 }, () => ({
        value: 'x'.repeat(random.below(50)),
        timestamp: START_MS + batch * 10 + random.below(15),
      }));
      const base = partition.append(records);
      records.forEach(({ timestamp }, index) => {
        written.push({ offset: base + index, timestamp });
      });
    }
    for (let timestamp = START_MS - 2; timestamp < START_MS + 520; timestamp++) {
      const expected = written.find((record) => record.timestamp >= timestamp)?.offset ?? -1;
      same(partition.offsetAt(timestamp), expected, `offset of time ${timestamp - START_MS}`);
    }
    const largest = Math.max(...written.map(({ timestamp }) => timestamp));
    same(partition.offsetAt(-3), written.find(({ timestamp }) => timestamp === largest)?.offset, 'largest time');
    same([partition.offsetAt(-2), partition.offsetAt(-1)], [0, written.length], 'earliest and latest');
    partition.partition.close();
    await place.close();
  }),

  onPartition('a large batch goes in and comes out whole', async ({ open, place }) => {
    const partition = await open({ config: { ...ONE_SEGMENT, segmentBytes: 1 << 26, maxMessageBytes: 1 << 23 } });
    const value = 'abcdefgh'.repeat(650_000);
    same(partition.append([value]), 0, 'offset');
    same(partition.append(['small']), 1, 'offset');
    const [first] = partition.decode(partition.read(0, 1).records);
    check(first?.value === value, 'the value is the one that was written');
    same(partition.offer([value.repeat(2)]).outcome, 'message-too-large', 'a batch above max.message.bytes');
    partition.partition.close();
    await place.close();
  }),
];

const RECOVERY: readonly ConformanceCase[] = [
  onPartition('an orderly restart brings everything back, and the next offset', async ({ host, open, place }) => {
    const first = await open();
    const expected = fill(first, 40);
    first.partition.close();
    await place.close();
    const second = await open(clean(expected.length));
    same(second.state.logEndOffset, expected.length, 'log end');
    same(second.readAll(), expected, 'records');
    same(second.append(['next']), expected.length, 'offset of the next record');
    second.partition.close();
    soundness(host, second.store);
    await place.close();
  }),

  onPartition('a crash loses nothing that was appended, again and again', async ({ host, open, place }) => {
    const clock = new HandClock();
    const expected: Read[] = [];
    for (let round = 0; round < 5; round++) {
      const partition = await open({ clock });
      same(partition.readAll(), expected, `records after crash ${round}`);
      const before = expected.length;
      expected.push(...fill(partition, 15, round).map((record) => ({ ...record })));
      same(expected[before]?.offset, before, 'offset of the first record after the crash');
      if (round % 2 === 0) await partition.log.flush();
      await place.crash();
    }
    const last = await open({ clock });
    same(last.readAll(), expected, 'records');
    last.partition.close();
    soundness(host, last.store);
    await place.close();
  }),

  onPartition(
    'a batch that was torn by a crash is cut off, and what stands before it stays',
    async ({ open, place }) => {
      const first = await open({ config: ONE_SEGMENT });
      const expected = fill(first, 6);
      await place.crash();
      const store = await place.open();
      const whole = contentOf(store, FIRST_LOG);
      const start = there(batchEnds(whole).at(-2), 'end of the batch before the last');
      const kept = expected.length - lastBatchRecords(whole, start);
      await place.close();
      for (let size = whole.length - 1; size >= start; size -= 7) {
        const torn = await place.open();
        withFile(torn, FIRST_LOG, (file) => {
          file.write(whole, 0);
          file.truncate(size);
        });
        await place.close();
        const again = await open({ config: ONE_SEGMENT });
        same(again.readAll(), expected.slice(0, kept), `records of a file cut at ${size} of ${whole.length}`);
        same(again.append(['next']), kept, 'offset of the next record');
        again.partition.close();
        await place.close();
      }
    },
  ),

  onPartition('damage is found and never served: the log was closed in order', async (scene) => {
    await damage(scene, true);
  }),

  onPartition('damage is found and never served: the log had crashed', async (scene) => {
    await damage(scene, false);
  }),
];

function lastBatchRecords(log: Uint8Array, start: number): number {
  return new DataView(log.buffer, log.byteOffset).getInt32(start + 23) + 1;
}

/** One flipped byte at a time, at seeded places: each costs its own batch alone. */
async function damage({ open, place }: Scene, inOrder: boolean): Promise<void> {
  const config = ONE_SEGMENT;
  const first = await open({ config });
  const expected = fill(first, 8);
  if (inOrder) first.partition.close();
  await (inOrder ? place.close() : place.crash());
  const store = await place.open();
  const files = snapshotOf(store);
  const whole = contentOf(store, FIRST_LOG);
  await place.close();
  const ends = batchEnds(whole);
  const random = new Seeded(11);
  let refusals = 0;
  for (let round = 0; round < 24; round++) {
    const position = random.below(whole.length);
    const batch = ends.findIndex((end) => position < end);
    const start = ends[batch - 1] ?? 0;
    const within = position - start;
    if (EPOCH_POSITIONS.includes(within)) continue;
    const hurt = await place.open();
    restore(hurt, files);
    flip(hurt, FIRST_LOG, position, 1 << random.below(8));
    await place.close();
    const options = inOrder ? clean(expected.length, { config }) : { config };
    const partition = await open(options);
    const { records, refused } = partition.readAround();
    const where = `byte ${within} of batch ${batch}`;
    const untouched = expected.filter(({ offset }) => offsetBatch(whole, ends, offset) !== batch);
    same(records, untouched, `records that are served with damage at ${where}`);
    const isTail = batch === ends.length - 1 && !inOrder;
    check(refused > 0 || isTail, `damage at ${where} is told to the reader`);
    refusals += refused;
    await place.crash();
  }
  check(refusals > 0, 'some damage was told');
}

function offsetBatch(log: Uint8Array, ends: readonly number[], offset: number): number {
  const view = new DataView(log.buffer, log.byteOffset);
  return ends.findIndex((_end, index) => {
    const start = ends[index - 1] ?? 0;
    return offset <= Number(view.getBigInt64(start)) + view.getInt32(start + 23);
  });
}

const FORGETTING: readonly ConformanceCase[] = [
  onPartition('retention by size drops whole segments from the beginning', async ({ open, place }) => {
    const partition = await open({ config: { retentionBytes: 5000 } });
    const expected = fill(partition, 80);
    const before = partition.log.describe();
    partition.partition.maintain(partition.clock.nowMs);
    const { logStartOffset, sizeBytes } = partition.state;
    check(logStartOffset > 0, 'the log start has moved');
    check(sizeBytes >= 5000 && sizeBytes < 5000 + 2000, `${sizeBytes} bytes are left`);
    check(
      before.some(({ baseOffset }) => baseOffset === logStartOffset),
      'it begins with a segment',
    );
    same(partition.readAll(), expected.slice(logStartOffset), 'records');
    same(partition.read(logStartOffset - 1).outcome, 'offset-out-of-range', 'a read before the log start');
    check(
      partition.store.list(DIRECTORY).some(({ name }) => name.endsWith('.deleted')),
      'files wait for their removal',
    );
    partition.clock.nowMs += 1000;
    const left = () => partition.store.list(DIRECTORY).filter(({ name }) => /^[0-9]{20}.*\.deleted$/.test(name));
    for (let turns = 0; turns < 100 && left().length > 0; turns++) {
      partition.partition.maintain(partition.clock.nowMs);
      // Where they go beside the log's thread, what is asked for later is done later, too.
      await partition.store.aside?.flushDirectory(DIRECTORY);
    }
    same(left(), [], 'files left');
    partition.partition.close();
    await place.close();
    const again = await open(clean(expected.length, { logStartOffset }));
    same(again.readAll(), expected.slice(logStartOffset), 'records after a restart');
    again.partition.close();
    await place.close();
  }),

  onPartition('retention by age drops what is older', async ({ open, place }) => {
    const partition = await open({ config: { retentionMs: 1000 } });
    fill(partition, 30);
    partition.clock.nowMs += 5000;
    const young = partition.append([{ value: 'young' }]);
    partition.partition.maintain(partition.clock.nowMs);
    const { logStartOffset, logEndOffset } = partition.state;
    check(logStartOffset > 0 && logStartOffset <= young, `the log begins at ${logStartOffset}`);
    same(logEndOffset, young + 1, 'log end');
    same(partition.readAll().at(-1)?.value, 'young', 'the last record');
    partition.partition.close();
    await place.close();
  }),

  onPartition('records are deleted before an offset, and stay deleted after a crash', async ({ open, place }) => {
    const partition = await open();
    const expected = fill(partition, 30);
    const { outcome, state } = partition.partition.deleteRecords(41);
    same([outcome, state?.logStartOffset], ['ok', 41], 'deletion');
    same(partition.readAll(), expected.slice(41), 'records');
    await place.crash();
    const again = await open({ logStartOffset: 41 });
    same(again.readAll(), expected.slice(41), 'records after the crash');
    same(again.append(['next']), expected.length, 'offset of the next record');
    again.partition.close();
    await place.close();
  }),

  onPartition('compaction keeps the last record of every key at its offset', async ({ host, open, place }) => {
    const config = { compacts: true, deletes: false };
    const partition = await open({ config });
    const random = new Seeded(3);
    const last = new Map<string, Read>();
    for (let round = 0; round < 120; round++) {
      const record: Written = {
        key: `key ${random.below(12)}`,
        value: random.below(10) === 0 ? null : `value ${round}`,
      };
      partition.clock.nowMs += 10;
      const offset = partition.append([record]);
      const key = record.key ?? '';
      last.set(key, { offset, key, value: record.value, timestamp: partition.clock.nowMs });
    }
    const bytesBefore = partition.state.sizeBytes;
    await partition.compact();
    check(partition.state.sizeBytes < bytesBefore, 'the log has become smaller');
    verify(partition, last);
    // Tombstones go once delete.retention.ms have passed.
    partition.clock.nowMs += 60_000;
    partition.append([{ key: 'late', value: 'late' }]);
    await partition.compact();
    partition.clock.nowMs += 60_000;
    await partition.compact();
    const end = partition.state.logEndOffset;
    partition.partition.close();
    soundness(host, partition.store);
    await place.close();
    const again = await open(clean(end, { config }));
    const left = again.readAll().filter(({ key }) => key !== 'late');
    const active = there(again.log.describe().at(-1), 'active segment').baseOffset;
    const tombstones = left.filter(({ offset, value }) => value === null && offset < active);
    same(tombstones, [], 'tombstones below the active segment');
    same(tableOf(left), tableOf([...last.values()]), 'the table after a restart');
    again.partition.close();
    await place.close();
  }),

  onPartition('a crash in the middle of compaction loses no key', async ({ open, place }) => {
    const config = { compacts: true, deletes: false };
    const clock = new HandClock();
    const first = await open({ config, clock });
    const written: Read[] = [];
    for (let round = 0; round < 90; round++) {
      clock.nowMs += 10;
      const record = { key: `key ${round % 7}`, value: `value ${round}`, timestamp: clock.nowMs };
      written.push({ offset: first.append([record]), ...record });
    }
    const expected = tableOf(written);
    await place.crash();
    for (let stop = 1; stop <= 6; stop++) {
      const partition = await open({ config, clock });
      same(tableOf(partition.readAll()), expected, `the table before round ${stop}`);
      let steps = 0;
      const round = partition.compact(() => {
        steps += 1;
        if (steps === stop) throw new Stop();
      });
      await round.catch((error: unknown) => {
        if (!(error instanceof Stop)) throw error;
      });
      await place.crash();
    }
    const last = await open({ config, clock });
    await last.compact();
    same(tableOf(last.readAll()), expected, 'the table at the end');
    check(last.readAll().length < written.length, 'something was compacted');
    last.partition.close();
    await place.close();
  }),
];

class Stop extends Error {}

function verify(partition: PartitionUnderTest, last: ReadonlyMap<string, Read>): void {
  const records = partition.readAll();
  const newest = new Map(records.map((record) => [record.key ?? '', record]));
  for (const [key, expected] of last) same(newest.get(key), expected, `the last record of ${key}`);
  const active = there(partition.log.describe().at(-1), 'active segment').baseOffset;
  const compacted = records.filter(({ offset }) => offset < active).map(({ key }) => key);
  same(compacted.length, new Set(compacted).size, 'keys below the active segment, each once');
}

function tableOf(records: readonly Read[]): [string, string][] {
  const table = new Map<string, string>();
  for (const { key, value } of records) {
    if (key === null) continue;
    if (value === null) table.delete(key);
    else table.set(key, value);
  }
  return [...table].sort(([a], [b]) => (a < b ? -1 : 1));
}

const PRODUCERS: readonly ConformanceCase[] = [
  onPartition(
    'a batch of an idempotent producer is written once, and answered with its first offset',
    async ({ open, place }) => {
      const partition = await open();
      const producer = { producerId: 7, producerEpoch: 0 };
      for (let batch = 0; batch < 6; batch++) {
        same(partition.append(['a', 'b'], { ...producer, baseSequence: batch * 2 }), batch * 2, 'offset');
      }
      const end = partition.state.logEndOffset;
      for (let batch = 1; batch < 6; batch++) {
        const reply = partition.offer(['a', 'b'], { ...producer, baseSequence: batch * 2 });
        same([reply.outcome, reply.baseOffset], ['ok', batch * 2], `batch ${batch}, sent again`);
      }
      same(partition.offer(['gap'], { ...producer, baseSequence: 14 }).outcome, 'out-of-order-sequence', 'a gap');
      same(partition.offer(['a', 'b'], { ...producer, baseSequence: 0 }).outcome, 'out-of-order-sequence', 'too old');
      same(partition.offer(['new'], { producerId: 7, producerEpoch: 1, baseSequence: 0 }).outcome, 'ok', 'a new epoch');
      same(
        partition.offer(['old'], { ...producer, baseSequence: 12 }).outcome,
        'invalid-producer-epoch',
        'the old epoch',
      );
      same(partition.state.logEndOffset, end + 1, 'log end');
      partition.partition.close();
      await place.close();
    },
  ),

  onPartition(
    'what producers have written is known after a restart, in order and after a crash',
    async ({ open, place }) => {
      const producer = { producerId: 9, producerEpoch: 2 };
      let sequence = 0;
      let options: OpenOptions = {};
      for (const ending of ['close', 'crash', 'close', 'crash'] as const) {
        const partition = await open(options);
        if (sequence > 0) {
          const again = partition.offer(['one'], { ...producer, baseSequence: sequence - 1 });
          same([again.outcome, again.baseOffset], ['ok', sequence - 1], 'the last batch, sent again');
          same(
            partition.offer(['gap'], { ...producer, baseSequence: sequence + 1 }).outcome,
            'out-of-order-sequence',
            'a gap',
          );
        }
        for (let count = 0; count < 25; count++) {
          same(partition.append(['one'], { ...producer, baseSequence: sequence }), sequence, 'offset');
          sequence += 1;
        }
        if (ending === 'close') partition.partition.close();
        await place[ending]();
        options = ending === 'close' ? clean(sequence) : {};
      }
    },
  ),

  onPartition('a damaged batch is refused as it comes in', async ({ host, open, place }) => {
    const donor = await open();
    donor.append(['whole']);
    const batch = donor.read(0).records.slice();
    same(donor.offerBytes(batch).outcome, 'ok', 'the batch as it is');
    const random = new Seeded(13);
    for (let round = 0; round < 40; round++) {
      const hurt = batch.slice();
      const position = 16 + random.below(batch.length - 16);
      hurt[position] = (hurt[position] ?? 0) ^ (1 << random.below(8));
      const { outcome } = donor.offerBytes(hurt);
      check(outcome === 'corrupt-message' || outcome === 'invalid-record', `byte ${position}: ${outcome}`);
    }
    same(donor.state.logEndOffset, 2, 'log end');
    donor.partition.close();
    soundness(host, donor.store);
    await place.close();
  }),
];

export const LOG_CASES: readonly ConformanceCase[] = [...READING, ...RECOVERY, ...FORGETTING, ...PRODUCERS];
