import { expect, test } from 'vitest';
import { DataDirectory, type DataDirectoryOptions } from '../../src/storage/data-directory.ts';
import type { ProcessIdentity } from '../../src/storage/directory-lock.ts';
import { MemoryStore } from '../../src/storage/memory-store.ts';

const ME: ProcessIdentity = { pid: 10, startedAt: '111' };

function open(store: MemoryStore, overrides: Partial<DataDirectoryOptions> = {}): DataDirectory {
  const random = { uint32: () => 4, uuid: () => new Uint8Array(16).fill(7) };
  return DataDirectory.open({
    store,
    nodeId: 1,
    random,
    process: ME,
    isRunning: () => false,
    pause: () => undefined,
    ...overrides,
  });
}

const textOf = (store: MemoryStore, path: string) => new TextDecoder().decode(store.readSmall(path));
const put = (store: MemoryStore, path: string, text: string) => store.put(path, new TextEncoder().encode(text));

test('a new directory gets an identity as Kafka 4 writes it, and keeps it', () => {
  const store = new MemoryStore();
  const directory = open(store);
  const id = 'BwcHBwcHBwcHBwcHBwcHBw';
  expect(textOf(store, 'meta.properties')).toBe(`cluster.id=${id}\ndirectory.id=${id}\nnode.id=1\nversion=1\n`);
  expect(directory.identity).toEqual({ clusterId: id, nodeId: 1, directoryId: id });
  expect(directory.cleanShutdown).toBe(false);
  directory.close(false);
  expect(open(store, { random: { uint32: () => 4, uuid: () => new Uint8Array(16) } }).identity.clusterId).toBe(id);
});

test('the comments and order of a file that Kafka wrote are read, another broker or cluster is refused', () => {
  const store = new MemoryStore();
  put(
    store,
    'meta.properties',
    '#\n#Mon Nov 23 05:36:15 UTC 2026\nnode.id=1\nversion=1\ndirectory.id=abc\ncluster.id=xyz\n',
  );
  const directory = open(store);
  expect(directory.identity).toEqual({ clusterId: 'xyz', nodeId: 1, directoryId: 'abc' });
  directory.close(true);
  expect(() => open(store, { nodeId: 2 })).toThrow('belongs to node 1');
  expect(() => open(store, { clusterId: 'other' })).toThrow('belongs to cluster xyz');
  expect(store.exists('.lock')).toBe(false);
  for (const broken of ['', 'node.id=1\nversion=1', 'version=0\nnode.id=1\ncluster.id=a\ndirectory.id=b', 'what']) {
    put(store, 'meta.properties', broken);
    expect(() => open(store)).toThrow('meta.properties');
  }
});

test('a directory in use is refused, one that a dead process left is taken over', () => {
  const store = new MemoryStore();
  open(store);
  const other: ProcessIdentity = { pid: 11, startedAt: '222' };
  const asked: ProcessIdentity[] = [];
  const refused = () =>
    open(store, {
      process: other,
      isRunning: (owner) => {
        asked.push(owner);
        return true;
      },
    });
  expect(refused).toThrow(expect.objectContaining({ code: 'ERR_DATA_DIRECTORY_LOCKED' }));
  expect(asked).toEqual([ME]);
  const taken = open(store, { process: other });
  expect(textOf(store, '.lock')).toBe('11 222\n');
  taken.close(true);
  expect(store.exists('.lock')).toBe(false);
});

/** Calls `act` once, before the operation of this number. */
function interruptedAt(store: MemoryStore, number: number, act: () => void): MemoryStore {
  let count = 0;
  return new Proxy(store, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name, target);
      if (typeof member !== 'function') return member;
      return (...given: unknown[]): unknown => {
        if (++count === number) act();
        return Reflect.apply(member, target, given);
      };
    },
  });
}

test('of two processes one has the directory, wherever the one overtakes the other, with or without what another left', () => {
  const attempt = (store: MemoryStore, process: ProcessIdentity): boolean => {
    try {
      open(store, { process, isRunning: ({ pid }) => pid !== 99 });
      return true;
    } catch (error) {
      expect(error).toMatchObject({ code: 'ERR_DATA_DIRECTORY_LOCKED' });
      return false;
    }
  };
  const [small, large] = [ME, { pid: 11, startedAt: '222' }];
  let overtaken = 0;
  for (const left of [false, true]) {
    for (const [first, second] of [
      [small, large],
      [large, small],
    ] as const) {
      for (let number = 1; ; number++) {
        const store = new MemoryStore();
        if (left) for (const name of ['.lock', '.lock-99-1']) put(store, name, name === '.lock' ? '99 1\n' : '');
        let other: boolean | undefined;
        const one = attempt(
          interruptedAt(store, number, () => {
            other = attempt(store, second);
          }),
          first,
        );
        if (other === undefined) break;
        overtaken += 1;
        expect([one, other].filter(Boolean)).toHaveLength(1);
        expect(store.paths().filter((path) => path.startsWith('.lock-'))).toHaveLength(1);
      }
    }
  }
  expect(overtaken).toBeGreaterThan(20);
});

test('the marker of an orderly close is there for one start alone', () => {
  const store = new MemoryStore({ simulatesCrashes: true });
  open(store).close(true);
  expect(store.exists('.kafka_cleanshutdown')).toBe(true);
  expect(open(store).cleanShutdown).toBe(true);
  expect(open(store.afterPowerLoss(() => 1)).cleanShutdown).toBe(false);
});

test("checkpoints are Kafka's text, keyed by directory, and forget a partition that is removed", () => {
  const store = new MemoryStore();
  const directory = open(store);
  directory.writeRecoveryPoints(
    new Map([
      ['a-b.c_d-12', 5],
      ['orders-0', 7],
    ]),
  );
  directory.writeLogStartOffsets(new Map([['orders-0', 3]]));
  expect(textOf(store, 'recovery-point-offset-checkpoint')).toBe('0\n2\na-b.c_d 12 5\norders 0 7\n');
  expect(textOf(store, 'log-start-offset-checkpoint')).toBe('0\n1\norders 0 3\n');
  directory.close(true);
  const again = open(store);
  expect([...again.recoveryPoints]).toEqual([
    ['a-b.c_d-12', 5],
    ['orders-0', 7],
  ]);
  expect([...again.logStartOffsets]).toEqual([['orders-0', 3]]);
  again.forget('orders-0');
  expect(textOf(store, 'recovery-point-offset-checkpoint')).toBe('0\n1\na-b.c_d 12 5\n');
  expect(textOf(store, 'log-start-offset-checkpoint')).toBe('0\n0\n');
  again.close(false);
  for (const broken of ['', '1\n0\n', '0\n2\norders 0 1\n', '0\n1\norders 0\n', '0\n1\norders 0 1']) {
    put(store, 'recovery-point-offset-checkpoint', broken);
    expect(() => open(store)).toThrow(expect.objectContaining({ code: 'ERR_DATA_DIRECTORY_UNREADABLE' }));
  }
});

test('partition directories are listed, half-removed ones go', () => {
  const store = new MemoryStore();
  for (const name of ['b-1', 'a-0', 'a.b-c-10', 'lost+found', 'x-2.abc-delete']) store.createDirectory(name);
  store.put('x-2.abc-delete/file', new Uint8Array(1));
  const directory = open(store);
  expect(directory.partitions()).toEqual(['a-0', 'a.b-c-10', 'b-1']);
  expect(store.exists('x-2.abc-delete')).toBe(false);
});
