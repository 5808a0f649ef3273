import { mkdtempSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test, vi } from 'vitest';
import { NodeStore } from '../../src/platform/node/node-store.ts';

const root = mkdtempSync(join(tmpdir(), 'millrace-short-writes-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

/** What each vectored write takes at most: the operating system may stop anywhere. */
const taken = vi.hoisted(() => ({ bytes: 1, calls: 0 }));

vi.mock('node:fs', async (original) => ({
  ...(await original<typeof import('node:fs')>()),
  writevSync: (descriptor: number, buffers: readonly Uint8Array[], position: number) => {
    taken.calls += 1;
    return writeSync(descriptor, Buffer.concat(buffers).subarray(0, taken.bytes), 0, undefined, position);
  },
}));

test('a vectored write that stops at any byte is gone on with from there', () => {
  const store = new NodeStore(root);
  const sources = [Buffer.from('one'), Buffer.from(''), Buffer.from('three'), Buffer.from('four')];
  const whole = Buffer.concat(sources);
  for (taken.bytes = 1; taken.bytes <= whole.length; taken.bytes++) {
    const file = store.open(`file-${taken.bytes}`, { create: true });
    file.writeAll(sources, 2);
    const found = new Uint8Array(whole.length);
    expect(file.read(found, 2)).toBe(whole.length);
    expect(Buffer.from(found).toString()).toBe(whole.toString());
    expect(file.size()).toBe(2 + whole.length);
  }
  expect(taken.calls).toBeGreaterThan(whole.length);
  store.close();
});
