// Zstandard in a real worker thread, which loads it when it meets it, and a thread that was begun before anybody had a use for it.

import { afterEach, expect, test } from 'vitest';
import { present } from '../../src/core/assert.ts';
import { SlotExecutor } from '../../src/partition/slot-executor.ts';
import { beginThread, startPiscinaThread } from '../../src/platform/node/piscina-thread.ts';
import { loadWasmModule } from '../../src/platform/node/wasm-modules.ts';
import type { LogConfig } from '../../src/storage/log-config.ts';
import { goldenBatches } from '../compression/golden-batches.ts';
import { batch, openCommand, readOne } from '../partition/fixture.ts';
import { temporaryDirectory } from '../support/broker-process.ts';
import { silentLogger } from '../support/silent-logger.ts';

const cleanUps: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

const CODEC_BYTE = 22;
const ZSTD = 4;

async function onePartition(config: Partial<LogConfig> = {}): Promise<SlotExecutor> {
  const directory = temporaryDirectory('zstd-workers');
  cleanUps.push(() => directory.remove());
  const begun = beginThread({ module: loadWasmModule('shared') });
  const { module } = begun;
  const executor = new SlotExecutor({
    slots: 1,
    logger: silentLogger,
    startThread: (_slot, listener) => startPiscinaThread({ module, listener, storeRoot: directory.path, begun }),
  });
  cleanUps.push(() => executor.close());
  expect((await executor.open(openCommand(0, config))).outcome).toBe('ok');
  return executor;
}

test('a batch under zstd is checked by a thread that has not met the codec before', async () => {
  const executor = await onePartition();
  const golden = present(
    goldenBatches().find(({ codec }) => codec === 'zstd'),
    'a golden batch under zstd',
  );
  expect((await executor.append(0, batch(['plain']), false)).outcome).toBe('ok');
  const damaged = new Uint8Array(golden.batch);
  damaged[damaged.length - 1] = 0xff - present(damaged.at(-1), 'last byte');
  expect((await executor.append(0, damaged, false)).outcome).toBe('corrupt-message');
  expect(await executor.append(0, golden.batch, true)).toMatchObject({ outcome: 'ok', baseOffset: 1 });
});

test('a topic whose records are to be kept under zstd gets them compressed by a thread that has not met it before', async () => {
  const executor = await onePartition({ compression: { type: 'zstd', level: 3 } });
  const appended = await executor.append(0, batch(['plain '.repeat(100)]), false);
  expect(appended).toMatchObject({ outcome: 'ok', baseOffset: 0 });
  expect((await readOne(executor, 0, 0)).records[CODEC_BYTE]).toBe(ZSTD);
});
