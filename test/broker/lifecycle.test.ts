// Starting, crashing, converging and closing.

import { expect, test } from 'vitest';
import { METADATA_FILE } from '../../src/cluster/metadata-file.ts';
import { LogFault } from '../../src/core/fault.ts';
import type { OpenCommand, PartitionExecutor, PartitionHandle, PartitionState } from '../../src/partition/commands.ts';
import { ERROR_CODES } from '../../src/protocol/errors.ts';
import { fetch } from '../../src/protocol/messages/01-fetch.ts';
import { metadata } from '../../src/protocol/messages/03-metadata.ts';
import { deleteTopics } from '../../src/protocol/messages/20-delete-topics.ts';
import { deleteRecords } from '../../src/protocol/messages/21-delete-records.ts';
import type { MemoryStore } from '../../src/storage/memory-store.ts';
import { fetchAll, fetchRequest, partitionsOf } from './fetching.ts';
import { BrokerFixture, settle, UNKNOWN_ID, valuesOf } from './fixture.ts';

/** Notes how partitions are opened. */
function noting(opens: Map<string, Omit<OpenCommand, 'kind'>>): (executor: PartitionExecutor) => PartitionExecutor {
  return (executor) => {
    const original = executor.open.bind(executor);
    executor.open = (command) => {
      opens.set(command.directory, command);
      return original(command);
    };
    return executor;
  };
}

async function restartNoting(fixture: BrokerFixture, clean: boolean) {
  if (clean) await fixture.broker.close();
  const opens = new Map<string, Omit<OpenCommand, 'kind'>>();
  const { store, checkpoints } = fixture;
  return { again: await BrokerFixture.start({ store, checkpoints, wrap: noting(opens) }), opens };
}

test('a restart in order serves the same records under the next leader epoch', async () => {
  const fixture = await BrokerFixture.start();
  const id = await fixture.createTopic('a', 2);
  await fixture.produce('a', fixture.batch('x', 'y'), { index: 1 });
  const { again, opens } = await restartNoting(fixture, true);
  expect(fixture.checkpoints.finished).toBe(true);
  expect(opens.get('a-1')).toMatchObject({ topicId: id, cleanShutdown: true, recoveryPoint: 2, leaderEpoch: 2 });
  expect(valuesOf(await fetchAll(again, 'a', 1))).toEqual(['x', 'y']);
  expect(await again.produce('a', again.batch('z'), { index: 1 })).toMatchObject({ errorCode: 0, baseOffset: 2 });
  const { topics } = await again.request(metadata, 12, { topics: null });
  expect(topics[0]?.partitions.map(({ leaderEpoch }) => leaderEpoch)).toEqual([2, 2]);
});

test('a restart after a crash recovers from what was recorded last', async () => {
  const fixture = await BrokerFixture.start();
  await fixture.createTopic('a');
  await fixture.produce('a', fixture.batch('x'), { acks: -1 });
  fixture.clock.advance(60_000);
  await settle();
  await fixture.produce('a', fixture.batch('y'));
  const { again, opens } = await restartNoting(fixture, false);
  expect(opens.get('a-0')).toMatchObject({ cleanShutdown: false, recoveryPoint: 1, leaderEpoch: 2 });
  expect(valuesOf(await fetchAll(again, 'a'))).toEqual(['x', 'y']);
});

test('retention and checkpoints run at their intervals, and not after the close', async () => {
  let rounds = 0;
  const wrap = (executor: PartitionExecutor): PartitionExecutor => {
    const original = executor.maintain.bind(executor);
    executor.maintain = () => {
      rounds++;
      return original();
    };
    return executor;
  };
  const config = { 'log.retention.check.interval.ms': '1000', 'log.flush.offset.checkpoint.interval.ms': '500' };
  const fixture = await BrokerFixture.start({ wrap, config });
  const writes = fixture.checkpoints.writes;
  for (let round = 0; round < 4; round++) {
    fixture.clock.advance(500);
    await settle();
  }
  expect(rounds).toBe(2);
  expect(fixture.checkpoints.writes - writes).toBe(4);
  await fixture.broker.close();
  expect(fixture.clock.timerCount).toBe(0);
});

test('old segments go by retention, and the mirrored state follows', async () => {
  const configs = { 'retention.ms': '1000', 'segment.bytes': '100' };
  const fixture = await BrokerFixture.start();
  await fixture.createTopic('a', 1, configs);
  for (const value of ['x', 'y', 'z']) await fixture.produce('a', fixture.batch(value));
  fixture.clock.advance(300_000);
  await settle();
  const response = await fixture.request(fetch, 11, fetchRequest([{ topic: 'a' }]));
  expect(partitionsOf(response)[0]?.errorCode).toBe(ERROR_CODES.OFFSET_OUT_OF_RANGE);
});

test('a partition that cannot be opened is offline and the others serve', async () => {
  const first = await BrokerFixture.start();
  await first.createTopic('a', 2);
  await first.produce('a', first.batch('x'), { index: 1 });
  await first.broker.close();
  const wrap = (executor: PartitionExecutor): PartitionExecutor => {
    const original = executor.open.bind(executor);
    executor.open = (command) =>
      command.directory === 'a-0'
        ? Promise.resolve({
            outcome: 'corrupt-log',
            fault: { code: 'ERR_CORRUPT_LOG', message: 'a-0: broken' },
            state: undefined,
          })
        : original(command);
    return executor;
  };
  const fixture = await BrokerFixture.start({ store: first.store, checkpoints: first.checkpoints, wrap });
  const produced = await fixture.produce('a', fixture.batch('y'));
  expect(produced).toMatchObject({ errorCode: ERROR_CODES.KAFKA_STORAGE_ERROR, errorMessage: 'a-0: broken' });
  const both = [0, 1].map((partition) => ({ topic: 'a', partition }));
  const fetched = partitionsOf(await fixture.request(fetch, 11, fetchRequest(both, { maxWaitMs: 5000 })));
  expect(fetched.map(({ errorCode }) => errorCode)).toEqual([ERROR_CODES.KAFKA_STORAGE_ERROR, 0]);
  expect(valuesOf(fetched[1]?.records ?? null)).toEqual(['x']);
  const { topics } = await fixture.request(metadata, 9, { topics: [{ name: 'a' }] });
  expect(topics[0]?.partitions.map(({ errorCode, leaderId }) => [errorCode, leaderId])).toEqual([
    [ERROR_CODES.LEADER_NOT_AVAILABLE, -1],
    [0, 1],
  ]);
  expect(await fixture.broker.close()).toEqual({ clean: false });
  expect(fixture.checkpoints.finished).toBe(false);
  expect(fixture.checkpoints.points.get('a-0')).toEqual({ recoveryPoint: 0, logStartOffset: 0 });
});

test('a partition whose owner gave it up goes offline at the first request that finds out', async () => {
  const lost = new Set<PartitionHandle>();
  const wrap = (executor: PartitionExecutor): PartitionExecutor => {
    const original = executor.append.bind(executor);
    executor.append = (handle, records, durable) =>
      lost.has(handle)
        ? Promise.resolve({
            outcome: 'unknown-partition',
            baseOffset: -1,
            lastOffset: -1,
            logAppendTimeMs: -1,
            state: undefined,
          })
        : original(handle, records, durable);
    return executor;
  };
  const fixture = await BrokerFixture.start({ wrap });
  await fixture.createTopic('a');
  await fixture.produce('a', fixture.batch('x'));
  const waiting = fixture.request(fetch, 11, fetchRequest([{ topic: 'a', fetchOffset: 1 }], { maxWaitMs: 5000 }));
  await settle();
  lost.add(0);
  expect((await fixture.produce('a', fixture.batch('y'))).errorCode).toBe(ERROR_CODES.KAFKA_STORAGE_ERROR);
  expect(partitionsOf(await waiting)[0]?.errorCode).toBe(ERROR_CODES.KAFKA_STORAGE_ERROR);
});

test('a deletion that a crash interrupted is finished at the start', async () => {
  const wrap = (executor: PartitionExecutor): PartitionExecutor => {
    executor.remove = () => new Promise(() => {});
    return executor;
  };
  const fixture = await BrokerFixture.start({ wrap });
  await fixture.createTopic('a', 2);
  await fixture.createTopic('b');
  await fixture.produce('b', fixture.batch('x'));
  void fixture.request(deleteTopics, 5, { topicNames: ['a'], timeoutMs: 1 });
  await settle();
  const directories = () =>
    fixture.store
      .list('')
      .filter(({ isDirectory }) => isDirectory)
      .map(({ name }) => name);
  expect(directories()).toEqual(['a-0', 'a-1', 'b-0']);
  const again = await BrokerFixture.start({ store: fixture.store, checkpoints: fixture.checkpoints });
  expect(directories()).toEqual(['b-0']);
  expect([...again.metadata.deletedTopics()]).toEqual([]);
  expect(valuesOf(await fetchAll(again, 'b'))).toEqual(['x']);
});

test('the recorded points of a deleted topic are gone before one of its name can be made', async () => {
  const fixture = await BrokerFixture.start();
  await fixture.createTopic('a');
  await fixture.produce('a', fixture.batch('x', 'y', 'z'), { acks: -1 });
  fixture.clock.advance(60_000);
  await settle();
  expect(fixture.checkpoints.points.get('a-0')?.recoveryPoint).toBe(3);
  await fixture.request(deleteTopics, 5, { topicNames: ['a'], timeoutMs: 1 });
  expect(fixture.checkpoints.points.has('a-0')).toBe(false);
  await fixture.createTopic('a');
  await fixture.produce('a', fixture.batch('w'));
  const { again, opens } = await restartNoting(fixture, false);
  expect(opens.get('a-0')?.recoveryPoint).toBe(0);
  expect(valuesOf(await fetchAll(again, 'a'))).toEqual(['w']);
});

test('directories that no metadata knows are adopted with the id that they carry, and no data is removed', async () => {
  const fixture = await BrokerFixture.start();
  const id = await fixture.createTopic('orders', 3);
  await fixture.produce('orders', fixture.batch('x'), { index: 2 });
  await fixture.broker.close();
  fixture.store.remove(METADATA_FILE);
  fixture.store.removeDirectory('orders-1');
  fixture.store.createDirectory('nameless-0');
  fixture.store.createDirectory('__consumer_offsets-0');
  const again = await BrokerFixture.start({ store: fixture.store, checkpoints: fixture.checkpoints });
  const { topics } = await again.request(metadata, 12, { topics: null });
  expect(topics.map(({ name, topicId, partitions }) => [name, topicId, partitions.length])).toEqual([
    ['orders', id, 3],
  ]);
  expect(valuesOf(await fetchAll(again, 'orders', 2))).toEqual(['x']);
  expect((await again.produce('orders', again.batch('y'), { index: 1 })).errorCode).toBe(0);
  expect(again.store.exists('nameless-0')).toBe(true);
  expect(again.store.exists('__consumer_offsets-0')).toBe(true);
});

test('a directory of another topic of the same name is not served', async () => {
  const fixture = await BrokerFixture.start();
  await fixture.createTopic('a');
  await fixture.broker.close();
  const file = 'a-0/partition.metadata';
  const text = new TextDecoder()
    .decode(fixture.store.readSmall(file))
    .replace(/topic_id: \S+/, `topic_id: ${UNKNOWN_ID}`);
  fixture.store.replaceSmall(file, new TextEncoder().encode(text));
  const again = await BrokerFixture.start({ store: fixture.store, checkpoints: fixture.checkpoints });
  expect((await again.produce('a', again.batch('x'))).errorCode).toBe(ERROR_CODES.KAFKA_STORAGE_ERROR);
});

function operationsOf({ operations }: MemoryStore): number {
  return [...operations.values()].reduce((sum, count) => sum + count, 0);
}

/** An executor without logs, for measuring the broker alone. */
function emptyExecutor(): (executor: PartitionExecutor) => PartitionExecutor {
  const state: PartitionState = {
    logStartOffset: 0,
    lastStableOffset: 0,
    highWatermark: 0,
    logEndOffset: 0,
    recoveryPoint: 0,
    sizeBytes: 0,
    revision: 0,
  };
  let opening = 0;
  return (executor) => {
    executor.open = async () => {
      opening++;
      expect(opening).toBeLessThanOrEqual(512);
      await Promise.resolve();
      opening--;
      return { outcome: 'ok', state };
    };
    return executor;
  };
}

test('ten thousand partitions are opened a bounded number at a time, and cost nothing but the opening of their logs', async () => {
  const first = await BrokerFixture.start({ wrap: emptyExecutor() });
  await first.createTopic('many', 10_000);
  const { store, checkpoints } = first;
  const before = operationsOf(store);
  const fixture = await BrokerFixture.start({ store, checkpoints, wrap: emptyExecutor() });
  expect(fixture.broker.partitionCount).toBe(10_000);
  // The logs are not there: nothing is done in the store for each of them.
  expect(operationsOf(store) - before).toBeLessThan(20);
});

test('a disk that refuses checkpoints fails what depends on them, and the close says so', async () => {
  const fixture = await BrokerFixture.start();
  await fixture.createTopic('a');
  await fixture.produce('a', fixture.batch('x'));
  fixture.checkpoints.write = () => {
    throw new LogFault('ERR_STORAGE', 'no space');
  };
  const { topics } = await fixture.request(deleteRecords, 2, {
    topics: [{ name: 'a', partitions: [{ partitionIndex: 0, offset: 1 }] }],
    timeoutMs: 1,
  });
  expect(topics[0]?.partitions[0]?.errorCode).toBe(ERROR_CODES.KAFKA_STORAGE_ERROR);
  expect(await fixture.broker.close()).toEqual({ clean: false });
  expect(fixture.checkpoints.finished).toBe(false);
});
