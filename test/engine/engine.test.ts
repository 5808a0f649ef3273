// The bare log as its users have it: records by offset and time, retention, compaction, and a store opened again.

import { afterEach, expect, test } from 'vitest';
import {
  type LogRecordInput,
  MemoryStore,
  type OpenLogOptions,
  openLog,
  type PartitionLog,
} from '../../src/engine/index.ts';
import { openLog as openNodeLog } from '../../src/platform/node/engine.ts';
import { loadWasmModule } from '../../src/platform/node/wasm-modules.ts';
import { ManualClock } from '../broker/manual-clock.ts';
import { zstdWasm } from '../client/fixture.ts';
import { temporaryDirectory } from '../support/broker-process.ts';

const wasm = loadWasmModule('plain');
const logs: PartitionLog[] = [];

afterEach(() => {
  for (const log of logs.splice(0)) log.close();
});

async function open(options: Partial<OpenLogOptions> = {}): Promise<PartitionLog> {
  const log = await openLog({ wasm, ...options });
  logs.push(log);
  return log;
}

function texts(log: PartitionLog, from?: number, to?: number): string[] {
  return Array.from(log.read({ from, to }), (record) => `${record.offset} ${record.text()}`);
}

test('records are read from any offset, with keys, headers and times', async () => {
  const log = await open();
  const records: LogRecordInput[] = [
    { key: 'a', value: 'one', headers: { source: 'till', empty: null }, timestamp: 1000 },
    { value: 'two', timestamp: 3000 },
  ];
  expect(log.append(records)).toEqual({ baseOffset: 0, lastOffset: 1 });
  expect(log.append([{ key: 'c', value: null, timestamp: 2000 }])).toEqual({ baseOffset: 2, lastOffset: 2 });
  const [first, , tombstone] = [...log.read()];
  expect([first?.keyText(), first?.text(), first?.timestamp]).toEqual(['a', 'one', 1000]);
  expect(first?.headers.map(({ key, value }) => [key, value && new TextDecoder().decode(value)])).toEqual([
    ['source', 'till'],
    ['empty', null],
  ]);
  expect([tombstone?.value, tombstone?.text()]).toEqual([null, '']);
  expect(texts(log, 1)).toEqual(['1 two', '2 ']);
  expect(texts(log, 0, 1)).toEqual(['0 one']);
  expect(texts(log, 3)).toEqual([]);
  expect(log.offsetAt(1500)).toEqual({ offset: 1, timestamp: 3000 });
  expect(log.offsetAt(4000)).toBeUndefined();
});

test('a log larger than one read is read whole', async () => {
  const log = await open({ segmentBytes: 1024 * 1024 });
  const value = 'x'.repeat(1000);
  for (let batch = 0; batch < 40; batch++) log.append(Array.from({ length: 100 }, () => ({ value })));
  expect(log.segments().length).toBeGreaterThan(3);
  let next = 0;
  for (const record of log.read()) expect(record.offset).toBe(next++);
  expect(next).toBe(4000);
});

test.each([undefined, 'gzip', 'lz4'] as const)(
  'batches of another log go in as they are, compressed with %s',
  async (compression) => {
    const [from, to] = [await open(), await open()];
    from.append([{ value: 'a' }, { value: 'b' }], { compression });
    to.append([{ value: 'first' }]);
    expect(to.appendBatch(from.readBatches({ from: 0 }))).toEqual({ baseOffset: 1, lastOffset: 2 });
    expect(texts(to)).toEqual(['0 first', '1 a', '2 b']);
    expect(to.readBatches({ from: 3 })).toHaveLength(0);
  },
);

test('a codec that is not there, a corrupt batch and what is too large are refused; the log goes on', async () => {
  const log = await open({ maxMessageBytes: 200 });
  expect(() => log.append([{ value: 'x' }], { compression: 'zstd' })).toThrow(
    expect.objectContaining({ code: 'ERR_UNSUPPORTED' }),
  );
  expect(() => log.append([{ value: 'x'.repeat(300) }])).toThrow(expect.objectContaining({ code: 'ERR_USAGE' }));
  const other = await open();
  other.append([{ value: 'y' }]);
  const batch = other.readBatches({ from: 0 }).slice();
  batch[batch.length - 1] = 0xff;
  expect(() => log.appendBatch(batch)).toThrow(expect.objectContaining({ code: 'ERR_USAGE' }));
  expect(() => log.append([])).toThrow('at least one record');
  log.append([{ value: 'fine' }]);
  expect(texts(log)).toEqual(['0 fine']);
});

test('retention by time and by size drops whole segments, when it is asked to', async () => {
  const clock = new ManualClock();
  const log = await open({ clock, segmentBytes: 500, retentionMs: 10_000 });
  for (let index = 0; index < 10; index++) {
    log.append([{ value: `${index} ${'x'.repeat(200)}` }]);
    clock.advance(2000);
  }
  log.maintain();
  expect(log.startOffset).toBeGreaterThan(2);
  expect(log.startOffset).toBeLessThan(7);
  expect([...log.read()][0]?.offset).toBe(log.startOffset);
  log.configure({ retentionMs: -1, retentionBytes: 600 });
  log.maintain();
  expect(log.sizeBytes).toBeLessThan(1200);
  expect(() => [...log.read({ from: 0 })]).toThrow(expect.objectContaining({ code: 'ERR_OFFSET_OUT_OF_RANGE' }));
});

test('compaction keeps the last record of every key at its offset', async () => {
  const log = await open({ cleanupPolicy: 'compact', segmentBytes: 400 });
  for (let round = 0; round < 20; round++) log.append([{ key: `k${round % 3}`, value: `v${round} ${'x'.repeat(50)}` }]);
  const before = log.sizeBytes;
  const { bytesBefore, bytesAfter } = await log.compact();
  expect(bytesAfter).toBeLessThan(bytesBefore);
  expect(log.sizeBytes).toBeLessThan(before);
  const last = new Map([...log.read()].map((record) => [record.keyText(), record.text().split(' ')[0]]));
  expect([...last].sort()).toEqual([
    ['k0', 'v18'],
    ['k1', 'v19'],
    ['k2', 'v17'],
  ]);
  expect([...log.read()].length).toBeLessThan(12);
  expect(log.endOffset).toBe(20);
  expect(() => log.append([{ value: 'no key' }])).toThrow(expect.objectContaining({ code: 'ERR_USAGE' }));
  const untyped = JSON.parse('{"key":"k","value":5}');
  expect(() => log.append([untyped])).toThrow(expect.objectContaining({ code: 'ERR_USAGE' }));
});

test('a store is opened again where it was left, in order or not', async () => {
  const store = new MemoryStore();
  const first = await open({ store });
  first.append([{ value: 'a' }, { value: 'b' }, { value: 'c' }]);
  await first.flush();
  expect(first.flushedOffset).toBe(3);
  first.deleteBefore(1);
  first.close();
  const second = await open({ store });
  expect(texts(second)).toEqual(['1 b', '2 c']);
  second.append([{ value: 'd' }]);
  const killed = store.afterKill();
  logs.pop();
  const third = await open({ store: killed });
  expect(texts(third)).toEqual(['1 b', '2 c', '3 d']);
  third.truncate(3);
  expect(third.append([{ value: 'e' }]).baseOffset).toBe(3);
  expect(texts(third)).toEqual(['1 b', '2 c', '3 e']);
});

test('what another host has stored under a codec that is not here is passed on whole, and told where it is read', async () => {
  const store = new MemoryStore();
  const log = await openNodeLog({ store });
  log.append([{ value: 'packed', timestamp: 1000 }], { compression: 'zstd' });
  log.close();
  const here = await open({ store });
  expect(here.offsetAt(500)).toEqual({ offset: 0, timestamp: 1000 });
  expect(() => [...here.read()]).toThrow(expect.objectContaining({ code: 'ERR_UNSUPPORTED' }));
  const there = await openNodeLog();
  there.appendBatch(here.readBatches({ from: 0 }));
  expect(texts(there)).toEqual(['0 packed']);
  there.close();
});

test('zstd is there for who hands it in', async () => {
  const log = await open({ zstdWasm: zstdWasm() });
  log.append([{ value: 'packed' }], { compression: 'zstd' });
  expect(texts(log)).toEqual(['0 packed']);
});

test('what is closed says so, and settings that cannot be are refused', async () => {
  const log = await open();
  log.close();
  log.close();
  expect(() => log.append([{ value: 'x' }])).toThrow(expect.objectContaining({ code: 'ERR_CLOSED' }));
  await expect(open({ segmentBytes: 1.5 })).rejects.toThrow('segmentBytes takes a whole number from 14 on, not 1.5');
});

test('in Node a directory is a store, taken by one log at a time, with every codec', async () => {
  const directory = temporaryDirectory('engine');
  const log = await openNodeLog({ directory: directory.path });
  for (const compression of ['gzip', 'snappy', 'lz4', 'zstd'] as const)
    log.append([{ value: compression }], { compression });
  await expect(openNodeLog({ directory: directory.path })).rejects.toMatchObject({ code: 'ERR_DATA_DIRECTORY_LOCKED' });
  log.close();
  const again = await openNodeLog({ directory: directory.path });
  expect(texts(again)).toEqual(['0 gzip', '1 snappy', '2 lz4', '3 zstd']);
  again.close();
  directory.remove();
});
