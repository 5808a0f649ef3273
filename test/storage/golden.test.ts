import { expect, test } from 'vitest';
import { checkLog, dumpLogFile } from '../../src/storage/log-dump.ts';
import { MemoryStore } from '../../src/storage/memory-store.ts';
import { append, DIRECTORY, FIRST_LOG, kernels, openLog, readAll, TOPIC_ID } from './fixture.ts';

const hex = (bytes: Uint8Array | undefined) => Buffer.from(bytes ?? []).toString('hex');

/** Three batches over two segments and two epochs, closed in order. */
function goldenStore(): MemoryStore {
  const store = new MemoryStore();
  const log = openLog(store, { config: { segmentBytes: 180, indexIntervalBytes: 60 } });
  append(log, { timestamps: [1000, 1001], leaderEpoch: 4 });
  append(log, { timestamps: [3000], leaderEpoch: 4, value: 'b' });
  append(log, { timestamps: [2000], leaderEpoch: 6, value: 'c' });
  log.close();
  return store;
}

/** The bytes that a partition's directory must keep having: logs written today are read for ever. */
const GOLDEN: Record<string, string> = {
  'orders-0/00000000000000000000.index': '0000000200000059',
  'orders-0/00000000000000000000.log': [
    '00000000000000000000004d00000004024f92fef200000000000100000000000003e800000000000003e9ffffffffff',
    'ffffffffffffffffff000000021a000000010e302076616c7565001a000202010e312076616c75650000000000000000',
    '020000003b0000000402d4722d730000000000000000000000000bb80000000000000bb8ffffffffffffffffffffffff',
    'ffff0000000112000000010632206200',
  ].join(''),
  'orders-0/00000000000000000000.timeindex': '0000000000000bb800000002',
  'orders-0/00000000000000000003.index': '0000000000000000',
  'orders-0/00000000000000000003.log': [
    '00000000000000030000003b00000006028e6db74800000000000000000000000007d000000000000007d0ffffffffff',
    'ffffffffffffffffff0000000112000000010633206300',
  ].join(''),
  'orders-0/00000000000000000003.timeindex': '00000000000007d000000000',
  'orders-0/leader-epoch-checkpoint': '300a320a3420300a3620330a',
  'orders-0/partition.metadata':
    '76657273696f6e3a20300a746f7069635f69643a2041414543417751464267634943516f4c4441304f4477',
};

test('the directory of a small log has the bytes of its format', () => {
  const store = goldenStore();
  const files = Object.fromEntries(store.paths().map((path) => [path, hex(store.readSmall(path))]));
  expect(files).toEqual(GOLDEN);
});

test('a directory with these bytes is read', () => {
  const store = new MemoryStore();
  for (const [path, content] of Object.entries(GOLDEN)) store.put(path, new Uint8Array(Buffer.from(content, 'hex')));
  const log = openLog(store, { recoveryPoint: 4, cleanShutdown: true });
  expect(readAll(log).map((each) => each.value)).toEqual(['0 value', '1 value', '2 b', '3 c']);
  expect(log.epochEnd(4)).toEqual({ leaderEpoch: 4, endOffset: 3 });
  expect(log.offsetForTimestamp(1001, 4)?.offset).toBe(1);
});

test('the text files are those of Kafka', () => {
  const store = goldenStore();
  const text = (name: string) => new TextDecoder().decode(store.readSmall(`${DIRECTORY}/${name}`));
  expect(text('leader-epoch-checkpoint')).toBe('0\n2\n4 0\n6 3\n');
  expect(text('partition.metadata')).toBe(`version: 0\ntopic_id: ${TOPIC_ID}`);
});

test('files that Kafka wrote beside a log are left alone', () => {
  const store = goldenStore();
  const foreign = ['00000000000000000000.txnindex', '00000000000000000003.snapshot', '00000000000000000003.txnindex'];
  for (const name of foreign) store.put(`${DIRECTORY}/${name}`, Uint8Array.of(1, 2, 3));
  const log = openLog(store, { recoveryPoint: 4, cleanShutdown: true });
  append(log, { leaderEpoch: 6 });
  log.close();
  for (const name of foreign) expect(hex(store.readSmall(`${DIRECTORY}/${name}`))).toBe('010203');
});

test('a dump names every batch, and what stands between them', () => {
  const store = goldenStore();
  const batches = [...dumpLogFile(store, FIRST_LOG, kernels)].map((entry) =>
    entry.kind === 'batch' ? [entry.position, entry.header.baseOffset, entry.header.lastOffset] : entry.kind,
  );
  expect(batches).toEqual([
    [0, 0, 1],
    [89, 2, 2],
  ]);
  store.flipBit(FIRST_LOG, 70, 0);
  const entries = [...dumpLogFile(store, FIRST_LOG, kernels)];
  expect(entries.map((entry) => entry.kind)).toEqual(['damage', 'batch']);
  expect(checkLog(store, DIRECTORY, kernels)[0]).toContain(`${FIRST_LOG}: at offset 0, position 0: the CRC`);
});

test('the self check finds an index entry that names no batch', () => {
  const store = goldenStore();
  expect(checkLog(store, DIRECTORY, kernels)).toEqual([]);
  store.flipBit(`${DIRECTORY}/00000000000000000000.index`, 7, 0);
  store.flipBit(`${DIRECTORY}/00000000000000000000.timeindex`, 7, 0);
  expect(checkLog(store, DIRECTORY, kernels).map((line) => line.slice(0, line.indexOf(' names')))).toEqual([
    `${DIRECTORY}/00000000000000000000.index: entry 0`,
    `${DIRECTORY}/00000000000000000000.timeindex: entry 0`,
  ]);
});

test('a log closed and opened many times keeps one entry a batch in its indexes', () => {
  const store = new MemoryStore();
  for (let round = 0; round < 20; round++) {
    const log = openLog(store, { recoveryPoint: round, cleanShutdown: true });
    if (round > 0) expect(log.logEndOffset).toBe(round);
    append(log, { timestamps: [1000 + round] });
    log.close();
    openLog(store, { recoveryPoint: round + 1, cleanShutdown: true }).close();
  }
  expect(checkLog(store, DIRECTORY, kernels)).toEqual([]);
  expect(readAll(openLog(store, { recoveryPoint: 20, cleanShutdown: true })).length).toBe(20);
});
