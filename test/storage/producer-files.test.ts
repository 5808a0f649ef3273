import fc from 'fast-check';
import { expect, test } from 'vitest';
import { MemoryStore } from '../../src/storage/memory-store.ts';
import { decodeSnapshot, encodeSnapshot, type ProducerRecord } from '../../src/storage/producer-snapshot.ts';
import { SnapshotFiles } from '../../src/storage/snapshot-files.ts';
import { type AbortedEntry, TransactionIndex } from '../../src/storage/transaction-index.ts';
import { kernels } from './fixture.ts';

/** Written by Kafka 3.9's ProducerStateManager. */
const KAFKA_SNAPSHOT = `0001 57985fad 00000002
  00000000000003e8 0003 7fffffff 0000000000000063 00000004 0000018bcfe5687b 00000007 000000000000002a
  0010000000000004 0000 ffffffff ffffffffffffffff 00000000 0000018bcfe569c8 ffffffff ffffffffffffffff`;

/** Written by Kafka 3.9's TransactionIndex. */
const KAFKA_INDEX = `0000 00000000000003e8 0000000000000005 000000000000000c 0000000000000003
  0000 0010000000000004 0000000000000003 000000000000000d 000000000000000e`;

const LAST_BATCH = { lastSequence: 0x7fff_ffff, lastOffset: 99, offsetDelta: 4, timestamp: 1_700_000_000_123 };
const RECORDS: ProducerRecord[] = [
  {
    producerId: 1000,
    producerEpoch: 3,
    coordinatorEpoch: 7,
    lastTimestamp: 1_700_000_000_123,
    lastSeenMs: -1,
    transactionStart: 42,
    batches: [LAST_BATCH],
  },
  {
    producerId: 4_503_599_627_370_500,
    producerEpoch: 0,
    coordinatorEpoch: -1,
    lastTimestamp: 1_700_000_000_456,
    lastSeenMs: -1,
    transactionStart: -1,
    batches: [],
  },
];
const ENTRIES: AbortedEntry[] = [
  { producerId: 1000, firstOffset: 5, lastOffset: 12, lastStableOffset: 3 },
  { producerId: 4_503_599_627_370_500, firstOffset: 3, lastOffset: 13, lastStableOffset: 14 },
];

function hex(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text.replaceAll(/\s/g, ''), 'hex'));
}

const INDEX_PATH = 'orders-0/00000000000000000000.txnindex';

function indexOf(bytes: Uint8Array): TransactionIndex {
  const store = new MemoryStore();
  store.put(INDEX_PATH, bytes);
  return new TransactionIndex(store, INDEX_PATH);
}

test("Kafka's snapshot is read, and ours begins with its entries, byte by byte", () => {
  const golden = hex(KAFKA_SNAPSHOT);
  expect(decodeSnapshot(kernels, golden)).toEqual(RECORDS);
  const ours = encodeSnapshot(kernels, RECORDS);
  expect(ours.subarray(6, golden.length)).toEqual(golden.subarray(6));
  expect(ours.subarray(0, 2)).toEqual(golden.subarray(0, 2));
});

test('a snapshot with its extension is this, byte by byte', () => {
  const earlier = { lastSequence: 2_147_483_642, lastOffset: 94, offsetDelta: 1, timestamp: 1_700_000_000_100 };
  const records = RECORDS.slice(0, 1).map((each) => ({
    ...each,
    lastSeenMs: 1_700_000_000_200,
    batches: [earlier, LAST_BATCH],
  }));
  const bytes = encodeSnapshot(kernels, records);
  const golden = hex(`0001 e4f6fc0e 00000001
    00000000000003e8 0003 7fffffff 0000000000000063 00000004 0000018bcfe5687b 00000007 000000000000002a
    4d525053 0000018bcfe568c8 01 7ffffffa 000000000000005e 00000001 0000018bcfe56864`);
  expect(Buffer.from(bytes).toString('hex')).toBe(Buffer.from(golden).toString('hex'));
  expect(decodeSnapshot(kernels, golden)).toEqual(records);
});

test('every flipped bit and every cut of a snapshot is noticed', () => {
  const whole = encodeSnapshot(kernels, RECORDS);
  for (let at = 0; at < whole.length * 8; at++) {
    const flipped = whole.slice();
    flipped[at >> 3] = (flipped[at >> 3] ?? 0) ^ (1 << (at & 7));
    expect(decodeSnapshot(kernels, flipped), `bit ${at}`).toBe(undefined);
  }
  for (let size = 0; size < whole.length; size++) expect(decodeSnapshot(kernels, whole.slice(0, size))).toBe(undefined);
});

test('no bytes make reading a snapshot fail, however large the count they claim', () => {
  const sealed = (rest: Uint8Array): Uint8Array => {
    const bytes = new Uint8Array(6 + rest.length);
    bytes.set(rest, 6);
    bytes[1] = 1;
    new DataView(bytes.buffer).setUint32(2, kernels.crc32cOf(rest));
    return bytes;
  };
  expect(decodeSnapshot(kernels, sealed(hex('7fffffff')))).toBe(undefined);
  expect(decodeSnapshot(kernels, sealed(hex('ffffffff')))).toBe(undefined);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(6), (noise, count) => {
      const rest = new Uint8Array(4 + noise.length);
      rest[3] = count;
      rest.set(noise, 4);
      const records = decodeSnapshot(kernels, sealed(rest));
      if (records !== undefined) expect(records.length).toBe(count);
    }),
  );
});

test('snapshots come back as they were written', () => {
  const integer = (max: number) => fc.integer({ min: -1, max });
  const batch = fc.record({
    lastSequence: integer(0x7fff_ffff),
    lastOffset: fc.maxSafeNat(),
    offsetDelta: fc.nat(0x7fff_ffff),
    timestamp: integer(Number.MAX_SAFE_INTEGER),
  });
  const record = fc.record({
    producerId: fc.maxSafeNat(),
    producerEpoch: fc.nat(32_767),
    coordinatorEpoch: integer(0x7fff_ffff),
    lastSeenMs: integer(Number.MAX_SAFE_INTEGER),
    transactionStart: integer(Number.MAX_SAFE_INTEGER),
    batches: fc.array(batch, { maxLength: 5 }),
  });
  fc.assert(
    fc.property(fc.array(record, { maxLength: 8 }), (records) => {
      const whole = records.map((each) => ({ ...each, lastTimestamp: each.batches.at(-1)?.timestamp ?? 5 }));
      expect(decodeSnapshot(kernels, encodeSnapshot(kernels, whole))).toEqual(whole);
    }),
  );
});

test("Kafka's transaction index is read, and ours is the same, byte by byte", () => {
  const golden = hex(KAFKA_INDEX);
  expect(indexOf(golden).all()).toEqual(ENTRIES);
  const store = new MemoryStore();
  store.createDirectory('orders-0');
  const index = new TransactionIndex(store, INDEX_PATH);
  expect([index.count, store.paths()]).toEqual([0, []]);
  for (const entry of ENTRIES) index.append(entry);
  expect(store.readSmall(INDEX_PATH)).toEqual(golden);
});

test('the entries that overlap with a range are found, and no others', () => {
  const steps = fc.array(fc.record({ id: fc.nat(4), kind: fc.constantFrom('data', 'commit', 'abort') }), {
    maxLength: 600,
  });
  fc.assert(
    fc.property(steps, fc.nat(700), fc.nat(200), (work, from, length) => {
      const store = new MemoryStore();
      store.createDirectory('orders-0');
      const index = new TransactionIndex(store, INDEX_PATH);
      const open = new Map<number, number>();
      const aborted: AbortedEntry[] = [];
      for (const [offset, { id, kind }] of work.entries()) {
        const firstOffset = open.get(id);
        if (kind === 'data') open.set(id, firstOffset ?? offset);
        else open.delete(id);
        if (kind !== 'abort' || firstOffset === undefined) continue;
        const lastStableOffset = Math.min(offset + 1, ...open.values());
        const entry = { producerId: id, firstOffset, lastOffset: offset, lastStableOffset };
        aborted.push(entry);
        index.append(entry);
      }
      const stable = Math.min(work.length, ...open.values());
      const range = { from: Math.min(from, stable), end: Math.min(from + length, stable) };
      const found: AbortedEntry[] = [];
      index.collect(range, found);
      expect(found.filter((each) => each.firstOffset >= range.end || each.lastOffset < range.from)).toEqual([]);
      expect(found).toEqual(aborted.filter((each) => each.lastOffset >= range.from && each.firstOffset < range.end));
      expect(new TransactionIndex(store, INDEX_PATH).isSound(0, work.length)).toBe(true);
    }),
  );
});

test('a search ends where no later transaction can overlap', () => {
  const index = indexOf(hex(KAFKA_INDEX));
  expect(index.collect({ from: 0, end: 3 }, [])).toBe(true);
  expect(index.collect({ from: 0, end: 14 }, [])).toBe(true);
  expect(index.collect({ from: 0, end: 15 }, [])).toBe(false);
});

test('a cut of the index drops the markers that are cut', () => {
  for (const [offset, left] of [
    [14, 2],
    [13, 1],
    [12, 0],
  ] as const) {
    const index = indexOf(hex(KAFKA_INDEX));
    index.truncateTo(offset);
    expect([index.count, index.all()]).toEqual([left, ENTRIES.slice(0, left)]);
  }
  const torn = indexOf(hex(KAFKA_INDEX).slice(0, 50));
  torn.truncateTo(100);
  expect(torn.isSound(0, 100)).toBe(true);
});

test('an index that cannot be that of its segment is not sound', () => {
  const sound = hex(KAFKA_INDEX);
  expect(indexOf(sound).isSound(12, 14)).toBe(true);
  expect(indexOf(sound).isSound(13, 14)).toBe(false);
  expect(indexOf(sound).isSound(0, 13)).toBe(false);
  expect(indexOf(sound.slice(0, 67)).isSound(0, 14)).toBe(false);
  expect(indexOf(sound.slice(0, 3)).isSound(0, 14)).toBe(false);
  expect(indexOf(new Uint8Array(34)).isSound(0, 14)).toBe(false);
  expect(indexOf(new Uint8Array([...sound.slice(34), ...sound.slice(0, 34)])).isSound(0, 14)).toBe(false);
});

test('snapshot files are listed by offset, whatever else is in the directory', () => {
  const store = new MemoryStore();
  store.createDirectory('orders-0');
  const names = [
    '00000000000000000042.snapshot',
    '00000000000000000007.snapshot',
    '7.snapshot',
    'x.log',
    '00000000000000000042.log',
  ];
  for (const name of names) store.put(`orders-0/${name}`, new Uint8Array([1]));
  const files = new SnapshotFiles({ store }, 'orders-0', names);
  expect(files.offsets).toEqual([7, 42]);
  files.write(20, new Uint8Array([2, 3]), false);
  files.write(42, new Uint8Array([4]), true);
  expect([files.offsets, files.read(20), files.read(42)]).toEqual([
    [7, 20, 42],
    new Uint8Array([2, 3]),
    new Uint8Array([4]),
  ]);
  expect(files.leave(20)).toEqual(['orders-0/00000000000000000007.snapshot']);
  expect(files.offsets).toEqual([20, 42]);
  files.remove((offset) => offset > 20);
  expect(files.offsets).toEqual([20]);
  expect(store.exists('orders-0/00000000000000000042.snapshot')).toBe(false);
});
