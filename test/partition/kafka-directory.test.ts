import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { MemoryStore } from '../../src/storage/memory-store.ts';
import { decodeSnapshot } from '../../src/storage/producer-snapshot.ts';
import { HandClock, kernels } from '../storage/fixture.ts';
import { abortedOf, DIRECTORY, LogPartition } from './log-partition.ts';

type Files = Readonly<Record<string, string>>;

/** A partition's directory as Kafka 3.9 left it: files in hex, by name. */
const golden = JSON.parse(readFileSync(new URL('golden/kafka-transactions.json', import.meta.url), 'utf8')) as {
  readonly both: Files;
  readonly closed: Files;
  readonly killed: Files;
};
const END = 42;
const KAFKA_SAYS = [
  '0/0 at 10, coordinator -1, open -1',
  '1/0 at 9, coordinator 0, open -1',
  '2/0 at 10, coordinator 0, open 40',
];
const ABORTED = ['1 at 0', '1 at 16', '1 at 32', '2 at 10', '2 at 34'];

function storeOf(how: 'closed' | 'killed', keeps: (name: string) => boolean = () => true): MemoryStore {
  const store = new MemoryStore({ simulatesCrashes: true });
  for (const [name, content] of Object.entries({ ...golden.both, ...golden[how] })) {
    if (keeps(name)) store.put(`${DIRECTORY}/${name}`, new Uint8Array(Buffer.from(content, 'hex')));
  }
  // The fixture's topic id.
  store.put(
    `${DIRECTORY}/partition.metadata`,
    new TextEncoder().encode('version: 0\ntopic_id: AAECAwQFBgcICQoLDA0ODw'),
  );
  return store;
}

function open(store: MemoryStore, recoveryPoint: number): LogPartition {
  const clock = new HandClock();
  clock.nowMs = 1_795_417_710_000;
  return new LogPartition(store, { clock, recoveryPoint, clean: recoveryPoint > 0, config: { segmentBytes: 1100 } });
}

function abortedIn(partition: LogPartition): string[] {
  const found = new Set<string>();
  for (let offset = 0; offset < partition.stable; offset++) {
    for (const each of abortedOf(partition.read(offset)) ?? []) found.add(each);
  }
  return [...found].sort();
}

test.each(['closed', 'killed'] as const)(
  'producers and transactions of a directory that Kafka has %s are taken up',
  (how) => {
    const partition = open(storeOf(how), how === 'closed' ? END : 0);
    expect(partition.producers()).toEqual(KAFKA_SAYS);
    expect([partition.stable, partition.end]).toEqual([40, END]);
    expect(abortedIn(partition)).toEqual(ABORTED);
    expect(partition.append({ id: 2, sequence: 10, transactional: true })).toMatchObject({
      outcome: 'ok',
      baseOffset: 40,
    });
    expect(partition.append({ id: 2, sequence: 11, transactional: true })).toMatchObject({
      outcome: 'ok',
      baseOffset: END,
    });
    expect(partition.mark({ id: 2, commit: false }).outcome).toBe('ok');
    expect(partition.stable).toBe(END + 2);
    expect(abortedOf(partition.read(40))).toEqual(['2 at 40']);
  },
);

test("what is rebuilt from Kafka's batches alone is what Kafka wrote itself, byte by byte", () => {
  const store = storeOf('killed', (name) => !/txnindex|snapshot/.test(name));
  const partition = open(store, 0);
  expect(partition.producers()).toEqual(KAFKA_SAYS);
  expect(abortedIn(partition)).toEqual(ABORTED);
  const indexes = Object.entries(golden.both).filter(([name]) => name.endsWith('.txnindex'));
  expect(indexes.length).toBe(3);
  for (const [name, content] of indexes) {
    expect(Buffer.from(store.readSmall(`${DIRECTORY}/${name}`) ?? []).toString('hex'), name).toBe(content);
  }
  partition.partition.close();
  const name = `${String(END).padStart(20, '0')}.snapshot`;
  const theirs = decodeSnapshot(kernels, new Uint8Array(Buffer.from(golden.closed[name] ?? '', 'hex')));
  const ours = decodeSnapshot(kernels, store.readSmall(`${DIRECTORY}/${name}`) ?? new Uint8Array(0));
  // Beyond Kafka's format ours knows when each producer was seen, and its earlier batches.
  expect(ours?.map((each) => ({ ...each, lastSeenMs: -1, batches: each.batches.slice(-1) }))).toEqual(theirs);
  expect(ours?.map((each) => each.batches.length)).toEqual([5, 5, 5]);
});
