// The OPFS store over files in memory: what every store does, and what only a crash shows. In a browser it is run by
// chromium.test.ts.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Store } from '../../../src/core/platform.ts';
import { OpfsStore } from '../../../src/platform/browser/opfs-store.ts';
import { MemoryStore } from '../../../src/storage/memory-store.ts';
import { storeSuite } from '../../storage/store-suite.ts';
import { SeededRandom } from '../../support/seeded-random.ts';
import { silentLogger } from '../../support/silent-logger.ts';
import { plainKernels } from '../../wasm/builds.ts';
import { FakeOpfs } from './fake-opfs.ts';

const kernels = plainKernels();
const checksum = (bytes: Uint8Array): number => kernels.crc32cOf(bytes);
const INLINE_MAX = 16 * 1024;

function open(directory: FakeOpfs, slotsMax = 64): Promise<OpfsStore> {
  return OpfsStore.open({ directory, checksum, logger: silentLogger, slotsMax });
}

const prepared = await Promise.all(Array.from({ length: 24 }, () => open(new FakeOpfs())));
storeSuite('OPFS', () => {
  const store = prepared.pop();
  if (store === undefined) throw new Error('the suite has more tests than stores were opened');
  return store;
});

/** Every path with its bytes; directories with none. */
function contentOf(store: Store, directory = ''): Record<string, string> {
  const content: Record<string, string> = {};
  for (const { name, isDirectory } of store.list(directory)) {
    const path = directory === '' ? name : `${directory}/${name}`;
    if (isDirectory) Object.assign(content, { [path]: 'directory' }, contentOf(store, path));
    else content[path] = Buffer.from(store.readSmall(path) ?? []).toString('base64');
  }
  return content;
}

type Step = (store: Store) => void;

const NAMES = ['a', 'b', 'd/a', 'd/b', 'd/e/a'];
const DIRECTORIES = ['d', 'd/e', 'f'];
const nameOf = fc.constantFrom(...NAMES);

/** Operations that throw do so on either store and change nothing. */
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.constantFrom(...DIRECTORIES).map((path) => (store: Store) => {
    // The model makes one directory at a time.
    if (store instanceof MemoryStore && path.includes('/')) store.createDirectory('d');
    store.createDirectory(path);
  }),
  fc.constantFrom(...DIRECTORIES).map((path) => (store: Store) => store.removeDirectory(path)),
  nameOf.map((path) => (store: Store) => store.remove(path)),
  fc.tuple(nameOf, nameOf).map(([from, to]) => (store: Store) => {
    // The model does not ask whether there is a directory to move into.
    const parent = to.slice(0, Math.max(0, to.lastIndexOf('/')));
    if (parent === '' || store.exists(parent)) store.rename(from, to);
  }),
  fc.tuple(nameOf, fc.integer({ min: 0, max: 40_000 })).map(([path, size]) => (store: Store) => {
    const file = store.open(path, { create: true });
    file.truncate(size);
    file.close();
  }),
  fc
    .tuple(nameOf, fc.integer({ min: 0, max: 20_000 }), fc.integer({ min: 1, max: 20_000 }), fc.nat(255))
    .map(([path, position, length, fill]) => (store: Store) => {
      const file = store.open(path, { create: true });
      file.write(new Uint8Array(length).fill(fill), Math.min(position, file.size()));
      file.close();
    }),
  fc.tuple(nameOf, fc.integer({ min: 0, max: 70_000 }), fc.nat(255)).map(
    ([path, length, fill]) =>
      (store: Store) =>
        store.replaceSmall(path, new Uint8Array(length).fill(fill)),
  ),
);

function attempted(store: Store, change: Step): boolean {
  try {
    change(store);
    return true;
  } catch (error) {
    expect(error).toMatchObject({ code: 'ERR_STORAGE' });
    return false;
  }
}

test('it does what a store in memory does, and a killed tab loses nothing of it', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), fc.integer({ min: 3, max: 64 }), async (steps, slotsMax) => {
      const directory = new FakeOpfs();
      const store = await open(directory, slotsMax);
      const model = new MemoryStore();
      for (const change of steps) {
        expect(attempted(store, change)).toBe(attempted(model, change));
        await store.whenReady();
      }
      expect(contentOf(store)).toEqual(contentOf(model));
      const reopened = await open(directory.afterKill(), slotsMax);
      expect(contentOf(reopened)).toEqual(contentOf(model));
    }),
    { numRuns: 150 },
  );
});

test('after a loss of power what was flushed is there, and files are those of one moment at or after the flush', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 25 }),
      fc.array(step, { maxLength: 10 }),
      fc.integer(),
      async (before, after, seed) => {
        const random = new SeededRandom(seed);
        const directory = new FakeOpfs();
        const store = await open(directory);
        for (const change of before) attempted(store, change);
        for (const [path, kind] of Object.entries(contentOf(store))) {
          if (kind !== 'directory') store.open(path, { create: false }).flushSync();
        }
        store.flushDirectory('');
        const names = [Object.keys(contentOf(store)).join()];
        const flushed = contentOf(store);
        for (const change of after) {
          attempted(store, change);
          names.push(Object.keys(contentOf(store)).join());
        }
        const survivor = await open(directory.afterPowerLoss(() => random.uint32()));
        const found = contentOf(survivor);
        // A removal between two names of one step (replace by rename) may be met, so every moment of the journal counts.
        if (after.length === 0) expect(found).toEqual(flushed);
        else if (!Object.keys(found).some((path) => path.endsWith('.tmp')))
          expect(names).toContain(Object.keys(found).join());
      },
    ),
    { numRuns: 150 },
  );
});

const NEW_NAMES = ['x', 'y', 'z'];

/** Takes flushed files away, or writes files that are new. */
const replacement: fc.Arbitrary<Step> = fc.oneof(
  nameOf.map((path) => (store: Store) => store.remove(path)),
  fc
    .tuple(fc.constantFrom(...NEW_NAMES), fc.integer({ min: 1, max: 40_000 }), fc.integer({ min: 1, max: 255 }))
    .map(([path, length, fill]) => (store: Store) => {
      const file = store.open(path, { create: true });
      file.write(new Uint8Array(length).fill(fill), 0);
      file.close();
    }),
);

test('after a loss of power a flushed file is as it was or gone as it was removed, whoever has its place now', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(replacement, { minLength: 1, maxLength: 30 }), fc.integer(), async (after, seed) => {
      const random = new SeededRandom(seed);
      const directory = new FakeOpfs();
      // Few places, so that they are used again at once.
      const store = await open(directory, NAMES.length);
      store.createDirectory('d/e');
      for (const [index, path] of NAMES.entries()) {
        const file = store.open(path, { create: true });
        file.write(new Uint8Array(INLINE_MAX + 1).fill(index), 0);
        file.flushSync();
      }
      const flushed = contentOf(store);
      for (const change of after) attempted(store, change);
      const kept = contentOf(store);
      const found = contentOf(
        await open(
          directory.afterPowerLoss(() => random.uint32()),
          NAMES.length,
        ),
      );
      for (const path of NAMES) {
        if (found[path] === undefined) expect(kept[path], `${path} was removed`).toBe(undefined);
        else expect(found[path] === flushed[path], `${path} is as it was flushed`).toBe(true);
      }
    }),
    { numRuns: 150 },
  );
});

test('what was flushed of a file survives its move out of the journal, when another file is flushed and the power goes', async () => {
  for (let seed = 0; seed < 20; seed++) {
    const random = new SeededRandom(seed);
    const directory = new FakeOpfs();
    const store = await open(directory);
    const file = store.open('file', { create: true });
    file.write(new Uint8Array(INLINE_MAX).fill(7), 0);
    file.flushSync();
    file.write(new Uint8Array(100).fill(8), INLINE_MAX);
    store.open('other', { create: true }).flushSync();
    const found = (await open(directory.afterPowerLoss(() => random.uint32()))).readSmall('file');
    expect(found?.subarray(0, INLINE_MAX).every((byte) => byte === 7)).toBe(true);
  }
});

test('an operation that the place refuses changes nothing but what it was writing, and the store goes on', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 1, maxLength: 20 }),
      fc.nat(40),
      fc.nat(40),
      async (steps, operations, tornBytes) => {
        const directory = new FakeOpfs();
        const store = await open(directory);
        directory.operationsLeft = operations;
        directory.tornBytes = tornBytes;
        for (const change of steps) attempted(store, change);
        directory.operationsLeft = undefined;
        const goesOn = attempted(store, (each) => each.replaceSmall('witness', new Uint8Array([1, 2, 3])));
        const seen = contentOf(store);
        const found = contentOf(await open(directory.afterKill()));
        // Where not even the cut of a torn entry succeeded, the store says so at every further change.
        if (goesOn) expect(found).toEqual(seen);
        else expect(() => store.replaceSmall('another', new Uint8Array(1))).toThrow('cannot be');
      },
    ),
    { numRuns: 150 },
  );
});

test('a journal cut off at any byte opens with a beginning of what was done', async () => {
  const directory = new FakeOpfs();
  const store = await open(directory);
  const moments = [contentOf(store)];
  for (const [index, path] of ['a', 'b', 'a', 'c'].entries()) {
    store.replaceSmall(path, new Uint8Array([index]));
    moments.push(contentOf(store));
  }
  store.rename('c', 'b');
  moments.push(contentOf(store));
  const { journal, size } = await journalOf(directory.afterKill());
  for (let end = size; end >= 16; end--) {
    const cut = directory.afterKill();
    const handle = await cut.open(journal);
    handle.truncate(end);
    handle.close();
    expect(moments).toContainEqual(contentOf(await open(cut)));
  }
});

async function journalOf(directory: FakeOpfs): Promise<{ journal: string; size: number }> {
  for (const journal of ['journal-0', 'journal-1']) {
    const handle = await directory.open(journal);
    const size = handle.getSize();
    handle.close();
    if (size > 0) return { journal, size };
  }
  throw new Error('there is no journal');
}

test('files grow while no slot is free, and move when one is', async () => {
  const directory = new FakeOpfs();
  const store = await open(directory);
  await store.whenReady();
  directory.holdOpens();
  const paths = Array.from({ length: 40 }, (_, index) => `file-${index}`);
  for (const [index, path] of paths.entries()) {
    store.open(path, { create: true }).write(new Uint8Array(INLINE_MAX + 1).fill(index), 0);
  }
  const handlesBefore = store.openHandles;
  directory.releaseOpens();
  await store.whenReady();
  for (const [index, path] of paths.entries()) {
    store.open(path, { create: true }).write(new Uint8Array(INLINE_MAX).fill(index), INLINE_MAX + 1);
    await store.whenReady();
  }
  expect(store.openHandles).toBeGreaterThan(handlesBefore + 30);
  const reopened = await open(directory.afterKill());
  for (const [index, path] of paths.entries()) {
    expect(Buffer.alloc(INLINE_MAX * 2 + 1, index).equals(reopened.readSmall(path) ?? new Uint8Array(0))).toBe(true);
  }
});

test('what cannot be kept is refused, and the memory for it is bounded', async () => {
  const store = await open(new FakeOpfs(), 0);
  const file = store.open('file', { create: true });
  let written = 0;
  const chunk = new Uint8Array(4 * 1024 * 1024);
  expect(() => {
    for (;;) {
      file.write(chunk, written);
      written += chunk.length;
    }
  }).toThrow('no file is free');
  expect(written).toBe(64 * 1024 * 1024);
  store.remove('file');
  store.open('other', { create: true }).write(chunk, 0);
});

test('the journal is written anew when it is mostly history, and everything stays', async () => {
  const directory = new FakeOpfs();
  const store = await open(directory);
  store.createDirectory('d');
  store.replaceSmall('d/kept', new Uint8Array([7]));
  for (let round = 0; round < 400; round++) store.replaceSmall('often', new Uint8Array(40_000).fill(round));
  const { size } = await journalOf(directory.afterKill());
  expect(size).toBeLessThan(6 * 1024 * 1024);
  const reopened = await open(directory.afterKill());
  expect(contentOf(reopened)).toEqual(contentOf(store));
});

test('a second store in the same place is kept out', async () => {
  const directory = new FakeOpfs();
  const store = await open(directory);
  await expect(open(directory)).rejects.toMatchObject({ code: 'ERR_DATA_DIRECTORY_LOCKED' });
  store.replaceSmall('a', new Uint8Array([1]));
  store.close();
  expect(Object.keys(contentOf(await open(directory)))).toEqual(['a']);
});

test('a file that was removed is not read or written any more', async () => {
  const store = await open(new FakeOpfs());
  const file = store.open('file', { create: true });
  file.write(new Uint8Array(INLINE_MAX * 2), 0);
  store.remove('file');
  store.open('next', { create: true }).write(new Uint8Array(INLINE_MAX * 2).fill(9), 0);
  expect(() => file.write(new Uint8Array(1), 0)).toThrow('removed');
  await file.flush();
  expect(store.readSmall('next')?.every((byte) => byte === 9)).toBe(true);
});
