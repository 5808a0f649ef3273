import { expect, test } from 'vitest';
import { MemoryStore } from '../../src/storage/memory-store.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import { storeSuite } from './store-suite.ts';

storeSuite('memory', () => new MemoryStore());
storeSuite('memory with work aside', () => new MemoryStore({ hasAside: true }));
storeSuite('memory with crashes', () => new MemoryStore({ simulatesCrashes: true }));

test('a power loss keeps what was flushed and any part of the rest, a kill keeps everything', () => {
  const outcomes = new Set<string>();
  for (let seed = 0; seed < 64; seed++) {
    const store = new MemoryStore({ simulatesCrashes: true });
    const file = store.open('file', { create: true });
    store.flushDirectory('');
    file.write(Uint8Array.of(1, 1), 0);
    file.flushSync();
    file.write(new Uint8Array(8192).fill(2), 2);
    const random = new SeededRandom(seed);
    const after = store.afterPowerLoss(() => random.uint32());
    const content = after.readSmall('file') ?? new Uint8Array(0);
    expect([...content.subarray(0, 2)]).toEqual([1, 1]);
    outcomes.add(`${content.length}:${content[3]}:${content[5000]}`);
  }
  expect(outcomes.size).toBeGreaterThan(4);
  const store = new MemoryStore({ simulatesCrashes: true });
  store.open('file', { create: true }).write(Uint8Array.of(7), 0);
  expect([...(store.afterKill().readSmall('file') ?? [])]).toEqual([7]);
});

test('a name that was not flushed may be lost, one that was is there', () => {
  for (const bit of [0, 1]) {
    const store = new MemoryStore({ simulatesCrashes: true });
    store.open('kept', { create: true }).flushSync();
    store.flushDirectory('');
    store.open('doubtful', { create: true }).flushSync();
    const after = store.afterPowerLoss(() => bit);
    expect(after.paths()).toEqual(bit === 0 ? ['doubtful', 'kept'] : ['kept']);
  }
});
