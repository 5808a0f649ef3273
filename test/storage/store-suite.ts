// What every store must do, run on each of them.

import { expect, test } from 'vitest';
import type { Store } from '../../src/core/platform.ts';

const bytes = (...values: number[]) => new Uint8Array(values);

function readWhole(store: Store, path: string): Uint8Array {
  const file = store.open(path, { create: false });
  const content = new Uint8Array(file.size());
  expect(file.read(content, 0)).toBe(content.length);
  file.close();
  return content;
}

/** Registers the conformance tests for stores that `factory` makes, each of them empty. */
export function storeSuite(label: string, factory: () => Store): void {
  test(`${label}: a file is created only where it is asked for`, () => {
    const store = factory();
    expect(() => store.open('absent', { create: false })).toThrow('absent');
    expect(store.exists('absent')).toBe(false);
    store.open('made', { create: true }).close();
    expect(store.exists('made')).toBe(true);
    expect(store.open('made', { create: false }).size()).toBe(0);
    expect(() => store.open('no-such-directory/file', { create: true })).toThrow('no-such-directory');
  });

  test(`${label}: bytes are read where they were written, and fewer only at the end`, () => {
    const file = factory().open('file', { create: true });
    file.write(bytes(1, 2, 3, 4), 0);
    file.write(bytes(9, 9), 2);
    file.write(bytes(7), 6);
    expect(file.size()).toBe(7);
    const target = new Uint8Array(10).fill(255);
    expect(file.read(target, 0)).toBe(7);
    expect([...target]).toEqual([1, 2, 9, 9, 0, 0, 7, 255, 255, 255]);
    expect(file.read(new Uint8Array(4), 5)).toBe(2);
    expect(file.read(new Uint8Array(4), 7)).toBe(0);
    expect(file.read(new Uint8Array(4), 700)).toBe(0);
  });

  test(`${label}: truncation cuts and extends with zeros`, () => {
    const file = factory().open('file', { create: true });
    file.write(bytes(1, 2, 3, 4), 0);
    file.truncate(2);
    file.truncate(4);
    const target = new Uint8Array(4);
    file.read(target, 0);
    expect([...target]).toEqual([1, 2, 0, 0]);
  });

  test(`${label}: shared memory is written and read`, () => {
    const file = factory().open('file', { create: true });
    const shared = new Uint8Array(new SharedArrayBuffer(16));
    shared.set([5, 6, 7], 8);
    file.write(shared.subarray(8, 11), 0);
    file.read(shared.subarray(0, 3), 0);
    expect([...shared.subarray(0, 3)]).toEqual([5, 6, 7]);
  });

  test(`${label}: a large write and read are whole`, () => {
    const file = factory().open('file', { create: true });
    const large = Uint8Array.from({ length: 3_000_000 }, (_, index) => (index * 31) & 255);
    file.write(large, 11);
    const target = new Uint8Array(large.length);
    expect(file.read(target, 11)).toBe(large.length);
    expect(target.every((byte, index) => byte === large[index])).toBe(true);
  });

  test(`${label}: many sources are written one behind the other, empty and shared ones too`, () => {
    const file = factory().open('file', { create: true });
    file.write(bytes(1, 1, 1, 1, 1), 0);
    const shared = new Uint8Array(new SharedArrayBuffer(4)).fill(2);
    file.writeAll([shared.subarray(1), new Uint8Array(0), bytes(3)], 1);
    const target = new Uint8Array(5);
    expect(file.read(target, 0)).toBe(5);
    expect([...target]).toEqual([1, 2, 2, 2, 3]);
    // More than an operating system takes at once.
    const sources = Array.from({ length: 2500 }, (_, index) => new Uint8Array(1 + (index % 3)).fill(index));
    const all = Buffer.concat(sources);
    file.writeAll(sources, 7);
    const found = new Uint8Array(all.length);
    expect(file.read(found, 7)).toBe(all.length);
    expect(file.size()).toBe(7 + all.length);
    expect(all.equals(found)).toBe(true);
    file.writeAll([], 0);
    expect(file.size()).toBe(7 + all.length);
  });

  test(`${label}: directories list their entries in order, and go with their content`, () => {
    const store = factory();
    expect(store.list('absent')).toEqual([]);
    store.createDirectory('dir');
    store.createDirectory('dir');
    for (const name of ['b', 'a', 'c']) store.open(`dir/${name}`, { create: true }).close();
    store.createDirectory('dir/inner');
    expect(store.list('dir')).toEqual([
      { name: 'a', isDirectory: false },
      { name: 'b', isDirectory: false },
      { name: 'c', isDirectory: false },
      { name: 'inner', isDirectory: true },
    ]);
    store.rename('dir', 'moved');
    expect(store.list('').map((entry) => entry.name)).toEqual(['moved']);
    expect(store.exists('moved/a')).toBe(true);
    store.removeDirectory('moved');
    store.removeDirectory('moved');
    expect(store.list('')).toEqual([]);
  });

  test(`${label}: renaming replaces, removing an absent file is no error`, () => {
    const store = factory();
    store.replaceSmall('a', bytes(1));
    store.replaceSmall('b', bytes(2));
    store.rename('a', 'b');
    expect(store.exists('a')).toBe(false);
    expect([...readWhole(store, 'b')]).toEqual([1]);
    store.remove('b');
    store.remove('b');
    expect(store.list('')).toEqual([]);
    expect(() => store.rename('a', 'b')).toThrow('a');
  });

  test(`${label}: small files are replaced as a whole and leave nothing beside them`, () => {
    const store = factory();
    expect(store.readSmall('small')).toBe(undefined);
    store.replaceSmall('small', bytes(1, 2, 3));
    store.replaceSmall('small', bytes(4));
    store.flushDirectory('');
    expect([...(store.readSmall('small') ?? [])]).toEqual([4]);
    expect(store.list('').map((entry) => entry.name)).toEqual(['small']);
  });

  test(`${label}: flushes resolve, several at once and after the file was closed`, async () => {
    const file = factory().open('file', { create: true });
    file.write(bytes(1), 0);
    file.flushSync();
    const flushes = [file.flush(), file.flush()];
    file.close();
    await Promise.all(flushes);
  });

  test(`${label}: what goes on beside the caller comes to the same`, async () => {
    const store = factory();
    const { aside } = store;
    if (aside === undefined) return;
    store.createDirectory('directory');
    const file = store.open('directory/file', { create: true });
    file.write(bytes(1, 2, 3), 0);
    file.close();
    const emptied = aside.empty('directory/file');
    store.rename('directory/file', 'directory/other');
    await emptied;
    expect(readWhole(store, 'directory/other').length).toBe(0);
    await aside.flushDirectory('directory');
    await aside.remove('directory/other');
    expect(store.exists('directory/other')).toBe(false);
    await aside.remove('directory/other');
    await expect(aside.empty('directory/absent')).rejects.toThrow('directory/absent');
  });
}
