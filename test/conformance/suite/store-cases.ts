// What every store must do: the promises of `Store` in src/core/platform.ts.

import type { Store } from '../../../src/core/platform.ts';
import { fails, same } from './check.ts';
import type { ConformanceCase, ConformanceHost } from './host.ts';
import { contentOf, withFile, withPlace } from './partition-under-test.ts';
import { Seeded } from './random.ts';

function bytes(...values: number[]): Uint8Array {
  return Uint8Array.from(values);
}

function onStore(name: string, action: (store: Store) => void | Promise<void>): ConformanceCase {
  const run = (host: ConformanceHost): Promise<void> =>
    withPlace(host, 'store', async (place) => {
      await action(await place.open());
      await place.close();
    });
  return { name: `a store: ${name}`, needs: 'store', run };
}

const namesIn = (store: Store, directory: string): string[] => store.list(directory).map(({ name }) => name);

export const STORE_CASES: readonly ConformanceCase[] = [
  onStore('a file is created only where it is asked for', (store) => {
    fails(() => store.open('absent', { create: false }), 'absent');
    same(store.exists('absent'), false, 'an absent file');
    store.open('made', { create: true }).close();
    same(store.exists('made'), true, 'a file that was made');
    same(contentOf(store, 'made').length, 0, 'bytes of a new file');
    fails(() => store.open('no-such-directory/file', { create: true }), 'no-such-directory');
  }),

  onStore('bytes are read where they were written, and fewer only at the end', (store) => {
    const file = store.open('file', { create: true });
    file.write(bytes(1, 2, 3, 4), 0);
    file.write(bytes(9, 9), 2);
    file.write(bytes(7), 6);
    same(file.size(), 7, 'size');
    const target = new Uint8Array(10).fill(255);
    same(file.read(target, 0), 7, 'bytes read');
    same(target, bytes(1, 2, 9, 9, 0, 0, 7, 255, 255, 255), 'content');
    same(file.read(new Uint8Array(4), 5), 2, 'bytes read near the end');
    same(file.read(new Uint8Array(4), 7), 0, 'bytes read at the end');
    same(file.read(new Uint8Array(4), 700), 0, 'bytes read behind the end');
    file.close();
  }),

  onStore('truncation cuts, and extends with zeros', (store) => {
    const file = store.open('file', { create: true });
    file.write(bytes(1, 2, 3, 4), 0);
    file.truncate(2);
    file.truncate(4);
    file.close();
    same(contentOf(store, 'file'), bytes(1, 2, 0, 0), 'content');
  }),

  onStore('a large write and read are whole', (store) => {
    const large = new Seeded(7).bytes(3_000_000);
    const file = store.open('file', { create: true });
    file.write(large, 11);
    const target = new Uint8Array(large.length);
    same(file.read(target, 11), large.length, 'bytes read');
    same(
      target.findIndex((byte, index) => byte !== large[index]),
      -1,
      'first byte that differs',
    );
    file.close();
  }),

  onStore('directories list their entries in order, and go with their content', (store) => {
    same(store.list('absent'), [], 'entries of an absent directory');
    store.createDirectory('dir');
    store.createDirectory('dir');
    for (const name of ['b', 'a', 'c']) store.open(`dir/${name}`, { create: true }).close();
    store.createDirectory('dir/inner');
    const entries = ['a', 'b', 'c', 'inner'].map((name) => ({ name, isDirectory: name === 'inner' }));
    same(store.list('dir'), entries, 'entries');
    store.rename('dir', 'moved');
    same(namesIn(store, ''), ['moved'], 'entries after the rename');
    same(store.exists('moved/a'), true, 'a file in the renamed directory');
    store.removeDirectory('moved');
    store.removeDirectory('moved');
    same(store.list(''), [], 'entries after the removal');
  }),

  onStore('a file keeps its content through the rename of its directory', (store) => {
    store.createDirectory('dir');
    const file = store.open('dir/file', { create: true });
    file.write(bytes(1, 2, 3), 0);
    file.close();
    store.rename('dir', 'other');
    same(contentOf(store, 'other/file'), bytes(1, 2, 3), 'content');
  }),

  onStore('renaming replaces; removing an absent file is no error', (store) => {
    store.replaceSmall('a', bytes(1));
    store.replaceSmall('b', bytes(2));
    store.rename('a', 'b');
    same(store.exists('a'), false, 'the old name');
    same(contentOf(store, 'b'), bytes(1), 'content');
    store.remove('b');
    store.remove('b');
    same(store.list(''), [], 'entries');
    fails(() => store.rename('a', 'b'), 'a');
  }),

  onStore('small files are replaced as a whole and leave nothing beside them', (store) => {
    same(store.readSmall('small'), undefined, 'an absent small file');
    store.replaceSmall('small', bytes(1, 2, 3));
    store.replaceSmall('small', bytes(4));
    store.flushDirectory('');
    same(store.readSmall('small'), bytes(4), 'content');
    same(namesIn(store, ''), ['small'], 'entries');
  }),

  onStore('flushes resolve, several at once and after the file was closed', async (store) => {
    const file = store.open('file', { create: true });
    file.write(bytes(1), 0);
    file.flushSync();
    const flushes = [file.flush(), file.flush()];
    file.close();
    await Promise.all(flushes);
  }),

  onStore('hundreds of files can be held at a time', (store) => {
    const files = Array.from({ length: 600 }, (_, index) => store.open(`file-${index}`, { create: true }));
    files.forEach((file, index) => {
      file.write(bytes(index & 255, index >> 8), 0);
    });
    files.forEach((file, index) => {
      const target = new Uint8Array(2);
      file.read(target, 0);
      same(target, bytes(index & 255, index >> 8), `content of file ${index}`);
      file.close();
    });
  }),

  {
    name: 'a store: what was written is there after an end in order and after a crash',
    needs: 'store',
    run: (host) =>
      withPlace(host, 'lasting', async (place) => {
        const first = await place.open();
        first.createDirectory('dir');
        const file = first.open('dir/file', { create: true });
        file.write(bytes(1, 2), 0);
        file.close();
        await place.close();
        const second = await place.open();
        const again = second.open('dir/file', { create: false });
        again.write(bytes(3), 2);
        second.replaceSmall('small', bytes(9));
        await place.crash();
        const third = await place.open();
        same(contentOf(third, 'dir/file'), bytes(1, 2, 3), 'content');
        same(third.readSmall('small'), bytes(9), 'the small file');
        await place.close();
      }),
  },

  {
    name: 'a store: two files of one name after a rename are two files',
    needs: 'store',
    run: (host) =>
      withPlace(host, 'renamed', async (place) => {
        const store = await place.open();
        const old = store.open('file', { create: true });
        old.write(bytes(1), 0);
        old.close();
        store.rename('file', 'file.deleted');
        const fresh = store.open('file', { create: true });
        fresh.write(bytes(2, 2), 0);
        fresh.close();
        same(
          withFile(store, 'file.deleted', (file) => file.size()),
          1,
          'bytes of the old file',
        );
        same(contentOf(store, 'file'), bytes(2, 2), 'content of the new one');
        await place.close();
      }),
  },
];
