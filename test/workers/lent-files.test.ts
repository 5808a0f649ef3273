// Records that stay in the files of a real owner's partitions, as the dispatching side gets them.

import { readdirSync, readSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import type { FetchedReads, ReadReply } from '../../src/partition/commands.ts';
import { SlotExecutor } from '../../src/partition/slot-executor.ts';
import { startPiscinaThread } from '../../src/platform/node/piscina-thread.ts';
import { loadWasmModule } from '../../src/platform/node/wasm-modules.ts';
import type { LogConfig } from '../../src/storage/log-config.ts';
import { batch, openCommand } from '../partition/fixture.ts';
import { temporaryDirectory } from '../support/broker-process.ts';
import { silentLogger } from '../support/silent-logger.ts';

const SEGMENT_BYTES = 2_000_000;
const BATCH_VALUE = 'v'.repeat(20_000);

const cleanUps: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

interface Owner {
  readonly executor: SlotExecutor;
  readonly directory: string;
}

async function owner(config: Partial<LogConfig> = {}): Promise<Owner> {
  const directory = temporaryDirectory('lent-files');
  cleanUps.push(() => directory.remove());
  const executor = new SlotExecutor({
    slots: 1,
    logger: silentLogger,
    startThread: (_slot, listener) =>
      startPiscinaThread({ module: loadWasmModule('shared'), listener, storeRoot: directory.path }),
  });
  cleanUps.push(() => executor.close());
  const command = openCommand(0, { segmentBytes: SEGMENT_BYTES, ...config });
  expect((await executor.open(command)).outcome).toBe('ok');
  return { executor, directory: join(directory.path, command.directory) };
}

async function fill({ executor }: Owner, count: number, from = 0): Promise<void> {
  for (let index = from; index < from + count; index++)
    await executor.append(0, batch([`${index} ${BATCH_VALUE}`]), false);
}

function fetch({ executor }: Owner, offset: number, files: boolean): Promise<FetchedReads> {
  const read = {
    handle: 0,
    offset,
    maxBytes: 900_000,
    end: 'log-end',
    currentLeaderEpoch: -1,
    lastFetchedEpoch: -1,
  } as const;
  return executor.fetch({ maxBytes: 1 << 20, minOneBatch: true, lends: true, files, reads: [read] });
}

function only({ reads }: FetchedReads): ReadReply {
  const [read] = reads;
  if (read === undefined) throw new Error('a read has a reply');
  return read;
}

/** What the file holds now where the range lies. */
function bytesOf({ file }: ReadReply): Buffer | undefined {
  if (file === undefined) return undefined;
  const bytes = Buffer.alloc(file.length);
  expect(readSync(file.descriptor, bytes, 0, bytes.length, file.position)).toBe(bytes.length);
  return bytes;
}

/** A probe that was interrupted makes a read of what is cached, too: the next one is asked for. */
async function lent(owner: Owner, offset: number): Promise<FetchedReads> {
  for (;;) {
    const fetched = await fetch(owner, offset, true);
    if (only(fetched).file !== undefined) return fetched;
    fetched.release();
  }
}

test('what is cached stays in its file, with the bytes that a read would give', async () => {
  const partition = await owner();
  await fill(partition, 150);
  for (const offset of [0, 7, 23, 41]) {
    const fetched = await lent(partition, offset);
    const read = await fetch(partition, offset, false);
    const { records } = only(read);
    expect(records.length).toBeGreaterThan(500_000);
    const bytes = bytesOf(only(fetched));
    expect(bytes?.equals(records.subarray(0, bytes.length))).toBe(true);
    expect(only(fetched).records).toHaveLength(0);
    fetched.release();
    read.release();
  }
});

test('a file that leaves the log while it is lent is removed, and becomes no other until it comes back', async () => {
  const partition = await owner({ retentionBytes: SEGMENT_BYTES, fileDeleteDelayMs: 0 });
  await fill(partition, 150);
  const fetched = await lent(partition, 0);
  const before = bytesOf(only(fetched));
  const spares = () => readdirSync(partition.directory).filter((name) => name.includes('spare'));
  let next = 150;
  const seen = new Set<string>();
  // Until other files of the log were given to new segments.
  while (seen.size < 3) {
    await partition.executor.maintain();
    for (const name of spares()) seen.add(name);
    await fill(partition, 100, next);
    next += 100;
  }
  expect(partition.executor.state(0)?.logStartOffset).toBeGreaterThan(20);
  expect(bytesOf(only(fetched))?.equals(before ?? Buffer.alloc(0))).toBe(true);
  fetched.release();
});

test('where another file has the name by now, or none, the bytes are read', async () => {
  for (const replace of [true, false]) {
    const partition = await owner();
    await fill(partition, 150);
    (await lent(partition, 0)).release();
    const [first] = readdirSync(partition.directory).filter((name) => name.endsWith('.log'));
    const path = join(partition.directory, first ?? '');
    renameSync(path, `${path}.elsewhere`);
    if (replace) writeFileSync(path, Buffer.alloc(SEGMENT_BYTES));
    const fetched = await fetch(partition, 0, true);
    expect(only(fetched).outcome).toBe('ok');
    expect(only(fetched).file).toBe(undefined);
    expect(only(fetched).records.length).toBeGreaterThan(500_000);
    fetched.release();
    renameSync(`${path}.elsewhere`, path);
  }
});

test('no more is lent at a time than the bound, and all of it again once it came back', async () => {
  const partition = await owner();
  await fill(partition, 60);
  const all: FetchedReads[] = [];
  let files = 0;
  for (let count = 0; count < 600; count++) {
    const fetched = await fetch(partition, 0, true);
    all.push(fetched);
    if (only(fetched).file !== undefined) files++;
  }
  expect(files).toBeGreaterThan(0);
  expect(files).toBeLessThanOrEqual(512);
  for (const fetched of all) fetched.release();
  (await lent(partition, 0)).release();
});
