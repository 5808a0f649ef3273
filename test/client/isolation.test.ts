// What consumers see of transactions, which a real broker keeps and producers in frames begin and end.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Client, ConsumerOptions, Isolation, StartPosition } from '../../src/client/index.ts';
import { BrokerFixture } from '../broker/fixture.ts';
import { TestProducer } from '../broker/transactions/transaction-fixture.ts';
import { all, clientOf, take } from './fixture.ts';

interface Scene {
  readonly fixture: BrokerFixture;
  readonly client: Client;
  producer(name: string): Promise<TestProducer>;
  /** The values from a position to the end. */
  read(isolation: Isolation, from?: StartPosition, options?: ConsumerOptions): Promise<string[]>;
}

/** Runs `work` with a broker that has the topic `t` of one partition. */
async function scene(work: (scene: Scene) => Promise<void>): Promise<void> {
  const fixture = await BrokerFixture.start();
  await fixture.createTopic('t');
  const client = clientOf(fixture.broker);
  const producer = async (name: string): Promise<TestProducer> => {
    const made = new TestProducer(fixture, name);
    expect(await made.init()).toBe('NONE');
    return made;
  };
  const read: Scene['read'] = async (isolation, from = 'beginning', options = {}) => {
    const consumer = client.consumer({ maxWaitMs: 1, isolation, ...options });
    await consumer.assign([{ topic: 't', from }]);
    const records = await all(consumer.records({ untilEnd: true }));
    await consumer.close();
    return records.map((record) => record.text());
  };
  try {
    await work({ fixture, client, producer, read });
  } finally {
    client.close();
  }
}

async function end(producer: TestProducer, committed: boolean): Promise<void> {
  expect(await producer.end(committed)).toBe('NONE');
  await producer.completed();
}

test('of an aborted transaction nothing is read, of a committed one all, and the default reads everything', () =>
  scene(async ({ fixture, producer, read }) => {
    const [one, two] = [await producer('one'), await producer('two')];
    await one.send('t', 0, 'aborted 1');
    await two.send('t', 0, 'committed 1');
    await fixture.produce('t', fixture.batch('plain'));
    await one.send('t', 0, 'aborted 2');
    await end(one, false);
    await two.send('t', 0, 'committed 2');
    await end(two, true);
    expect(await read('read_committed')).toEqual(['committed 1', 'plain', 'committed 2']);
    const everything = ['aborted 1', 'committed 1', 'plain', 'aborted 2', 'committed 2'];
    expect(await read('read_uncommitted')).toEqual(everything);
  }));

test('two aborted transactions of one producer, and a committed one between them, come in one fetch', () =>
  scene(async ({ producer, read }) => {
    const one = await producer('one');
    for (const [value, committed] of [
      ['a', false],
      ['b', true],
      ['c', false],
      ['d', false],
      ['e', true],
    ] as const) {
      await one.send('t', 0, value);
      await end(one, committed);
    }
    expect(await read('read_committed')).toEqual(['b', 'e']);
  }));

test('what is behind an open transaction waits for it, and is read when it ends', () =>
  scene(async ({ fixture, client, producer, read }) => {
    const one = await producer('one');
    await fixture.produce('t', fixture.batch('before'));
    await one.send('t', 0, 'inside');
    await fixture.produce('t', fixture.batch('behind'));
    expect(await read('read_committed')).toEqual(['before']);
    expect(await read('read_uncommitted')).toEqual(['before', 'inside', 'behind']);
    expect(await read('read_committed', 'end')).toEqual([]);

    const consumer = client.consumer({ isolation: 'read_committed' });
    await consumer.assign([{ topic: 't', from: 'end' }]);
    const waiting = take(consumer, 2);
    await end(one, true);
    expect((await waiting).map((record) => record.text())).toEqual(['inside', 'behind']);
    await consumer.close();
  }));

test('batches tell the end of what can be read, and positions pass over what is not', () =>
  scene(async ({ fixture, client, producer }) => {
    const one = await producer('one');
    await fixture.produce('t', fixture.batch('first'));
    await one.send('t', 0, 'aborted');
    await end(one, false);
    await fixture.produce('t', fixture.batch('last'));
    const open = await producer('open');
    await open.send('t', 0, 'unseen');
    const consumer = client.consumer({ isolation: 'read_committed' });
    await consumer.assign([{ topic: 't', from: 'beginning' }]);
    const batches = await all(consumer.batches({ untilEnd: true }));
    expect(batches.map(({ records, highWatermark }) => [records[0]?.offset, highWatermark])).toEqual([
      [0, 4],
      [3, 4],
    ]);
    expect(consumer.position({ topic: 't', partition: 0 })).toBe(4);
    await consumer.close();
  }));

/** One step: somebody writes so many records, or ends the transaction under way. */
type Step = { readonly who: number; readonly what: number | 'commit' | 'abort' };

const PLAIN = 3;
const steps = fc.array(
  fc.record({
    who: fc.integer({ min: 0, max: PLAIN }),
    what: fc.oneof(fc.integer({ min: 1, max: 4 }), fc.constantFrom('commit' as const, 'abort' as const)),
  }),
  { minLength: 1, maxLength: 40 },
);

test('any transactions of several producers are read as they ended, from anywhere, however small the responses', async () => {
  const property = fc.asyncProperty(steps, fc.nat(30), async (given: readonly Step[], from) => {
    await scene(async ({ fixture, producer, read }) => {
      const producers = [await producer('a'), await producer('b'), await producer('c')];
      /** The values by offset, with what has become of them; a marker has none. */
      const log: { value: string | undefined; seen: boolean }[] = [];
      const open = producers.map((): number[] => []);
      const finish = async (who: number, committed: boolean): Promise<void> => {
        const offsets = open[who];
        const writer = producers[who];
        if (offsets === undefined || writer === undefined || offsets.length === 0) return;
        await end(writer, committed);
        for (const offset of offsets.splice(0)) if (log[offset]) log[offset].seen = committed;
        log.push({ value: undefined, seen: false });
      };
      for (const { who, what } of given) {
        if (typeof what === 'string') {
          await finish(who, what === 'commit');
          continue;
        }
        const values = Array.from({ length: what }, (_, index) => `${log.length + index}`);
        const writer = producers[who];
        if (writer === undefined) await fixture.produce('t', fixture.batch(...values));
        else expect(await writer.send('t', 0, ...values)).toBe('NONE');
        for (const value of values) {
          open[who]?.push(log.length);
          log.push({ value, seen: writer === undefined });
        }
      }
      for (const who of open.keys()) await finish(who, who === 1);
      const start = Math.min(from, log.length);
      const expected = log.slice(start).flatMap(({ value, seen }) => (seen && value !== undefined ? [value] : []));
      const small = { partitionBytes: 150, maxBytes: 150 };
      expect(await read('read_committed', start)).toEqual(expected);
      expect(await read('read_committed', start, small)).toEqual(expected);
    });
  });
  await fc.assert(property, { numRuns: 40 });
});
