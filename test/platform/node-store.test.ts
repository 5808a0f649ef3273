import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { LogFault } from '../../src/core/fault.ts';
import { NodeStore } from '../../src/platform/node/node-store.ts';
import { checkLog } from '../../src/storage/log-dump.ts';
import { append, DIRECTORY, kernels, openLog, readAll } from '../storage/fixture.ts';
import { storeSuite } from '../storage/store-suite.ts';

const root = mkdtempSync(join(tmpdir(), 'millrace-node-store-'));
let directories = 0;
afterAll(() => rmSync(root, { recursive: true, force: true }));

function emptyDirectory(): string {
  directories += 1;
  return mkdtempSync(join(root, `${directories}-`));
}

storeSuite('node', () => new NodeStore(emptyDirectory()));
storeSuite('node with one handle', () => new NodeStore(emptyDirectory(), 1));

function descriptors(): number {
  return readdirSync('/proc/self/fd').length;
}

test.runIf(process.platform === 'linux')('3,000 files in use take no more handles than allowed', async () => {
  const store = new NodeStore(emptyDirectory(), 64);
  const before = descriptors();
  const files = Array.from({ length: 3000 }, (_, index) => store.open(`file-${index}`, { create: true }));
  for (const [index, file] of files.entries()) file.write(Uint8Array.of(index & 255, index >> 8), 0);
  expect(store.openHandles).toBe(64);
  expect(descriptors() - before).toBeLessThanOrEqual(64);
  const flushes = files.slice(0, 100).map((file) => file.flush());
  const target = new Uint8Array(2);
  for (const [index, file] of files.entries()) {
    expect(file.read(target, 0)).toBe(2);
    expect((target[0] ?? 0) + ((target[1] ?? 0) << 8)).toBe(index);
  }
  await Promise.all(flushes);
  for (const file of files.slice(-70)) file.size();
  files[0]?.read(target, 0);
  files[1]?.read(target, 0);
  expect(store.openHandles).toBeLessThanOrEqual(101);
  for (const file of files) file.close();
  expect(store.openHandles).toBe(0);
  expect(descriptors()).toBe(before);
});

test('a refused operation names path and cause', () => {
  const store = new NodeStore(emptyDirectory());
  store.createDirectory('directory');
  try {
    store.open('directory', { create: true }).write(Uint8Array.of(1), 0);
    expect.unreachable();
  } catch (error) {
    expect(error).toBeInstanceOf(LogFault);
    expect(error).toMatchObject({ code: 'ERR_STORAGE', message: expect.stringMatching(/^open directory: EISDIR/) });
  }
});

test('a log on real files has the bytes that it should have, and is taken up again', async () => {
  const path = emptyDirectory();
  const store = new NodeStore(path);
  const log = openLog(store, { config: { segmentBytes: 500, indexIntervalBytes: 100 } });
  for (let index = 0; index < 20; index++) append(log, { timestamps: [index, index] });
  await log.flush();
  expect(log.recoveryPoint).toBe(40);
  log.close();
  expect(checkLog(store, DIRECTORY, kernels)).toEqual([]);
  expect(readFileSync(join(path, DIRECTORY, 'leader-epoch-checkpoint'), 'utf8')).toBe('0\n1\n0 0\n');
  expect(readdirSync(join(path, DIRECTORY)).slice(0, 3)).toEqual([
    '00000000000000000000.index',
    '00000000000000000000.log',
    '00000000000000000000.timeindex',
  ]);
  const torn = readFileSync(join(path, DIRECTORY, '00000000000000000000.log')).subarray(0, 60);
  const last = log.describe().at(-1)?.path ?? '';
  writeFileSync(join(path, last), Buffer.concat([readFileSync(join(path, last)), torn]));
  const again = openLog(store, { recoveryPoint: 40, config: { segmentBytes: 500, indexIntervalBytes: 100 } });
  expect(readAll(again).length).toBe(40);
  again.close();
  store.close();
  expect(store.openHandles).toBe(0);
});

test('idle partitions open fast and small', () => {
  const count = 300;
  const store = new NodeStore(emptyDirectory());
  const directories = Array.from({ length: count }, (_, index) => `idle-${index}`);
  for (const directory of directories) {
    const log = openLog(store, { directory });
    append(log);
    log.close();
  }
  const logs: unknown[] = [];
  const heapBefore = process.memoryUsage().heapUsed;
  const startedAt = performance.now();
  for (const directory of directories) {
    logs.push(openLog(store, { directory, recoveryPoint: 1, cleanShutdown: true }));
  }
  const openMicroseconds = ((performance.now() - startedAt) * 1000) / count;
  const heapBytes = (process.memoryUsage().heapUsed - heapBefore) / count;
  console.log(`an idle partition: opened in ${openMicroseconds.toFixed(0)} us, ${heapBytes.toFixed(0)} bytes of heap`);
  expect(logs.length).toBe(count);
  expect(store.openHandles).toBe(0);
});

test('what is refused beside the caller names path and cause, and leaves no handle', async () => {
  const store = new NodeStore(emptyDirectory());
  store.createDirectory('directory');
  const before = process.platform === 'linux' ? descriptors() : 0;
  const { aside } = store;
  for (const [refused, reason] of [
    [aside.flushDirectory('absent'), /^flush directory absent: ENOENT/],
    [aside.empty('directory'), /^empty directory: EISDIR/],
    [aside.remove('directory'), /^remove directory: E(ISDIR|PERM)/],
  ] as const) {
    const error: unknown = await refused.catch((cause: unknown) => cause);
    expect(error).toBeInstanceOf(LogFault);
    expect(error).toMatchObject({ code: 'ERR_STORAGE', message: expect.stringMatching(reason) });
  }
  store.open('directory/file', { create: true }).close();
  await Promise.all([aside.empty('directory/file'), aside.flushDirectory('directory')]);
  if (process.platform === 'linux') expect(descriptors()).toBe(before);
});
