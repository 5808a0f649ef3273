// The threads of a broker process: how many own partitions, and that what is written over several of them is whole.

import { afterEach, expect, test } from 'vitest';
import { connect } from '../../src/platform/node/index.ts';
import { take } from '../client/fixture.ts';
import { BrokerProcess, temporaryDirectory } from '../support/broker-process.ts';

const PARTITIONS = 40;
const MESSAGES = 400;

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function slots(broker: BrokerProcess): Promise<string[]> {
  const answer = await fetch(`http://${broker.address}/metrics`);
  return [...(await answer.text()).matchAll(/^millrace_worker_queue_length\{slot="(\d+)"\}/gm)].map(
    ([, slot]) => slot ?? '',
  );
}

test('a second thread runs once there are partitions for it, and records go through both and a kill', async () => {
  const directory = temporaryDirectory('partition-threads');
  closers.push(() => directory.remove());
  const options = { dataDirectory: directory.path, arguments: ['--workers', '2'] };
  const first = await BrokerProcess.start(options);
  closers.push(() => first.stop('SIGKILL'));
  const client = await connect(`kafka://${first.kafka}`);
  expect(await slots(first)).toEqual(['0']);
  await client.admin().createTopics({ topics: [{ topic: 'few', numPartitions: 16 }] });
  expect(await slots(first)).toEqual(['0']);
  await client.admin().createTopics({ topics: [{ topic: 'many', numPartitions: PARTITIONS }] });
  expect(await slots(first)).toEqual(['0', '1']);
  const messages = Array.from({ length: MESSAGES }, (_, index) => ({
    partition: index % PARTITIONS,
    value: `${index}`,
  }));
  const producer = client.producer();
  await Promise.all(messages.map((message) => producer.send({ topic: 'many', messages: [message] })));
  await client.close();
  await first.stop('SIGKILL');

  const second = await BrokerProcess.start(options);
  closers.push(() => second.stop('SIGKILL'));
  expect(await slots(second)).toEqual(['0', '1']);
  const again = await connect(`kafka://${second.kafka}`);
  closers.push(() => again.close());
  const consumer = again.consumer();
  await consumer.assign([{ topic: 'many', from: 'beginning' }]);
  const records = await take(consumer, MESSAGES);
  await consumer.close();
  const found = new Map<number, string[]>();
  for (const record of records) found.set(record.partition, [...(found.get(record.partition) ?? []), record.text()]);
  for (let partition = 0; partition < PARTITIONS; partition++) {
    const expected = messages.filter((message) => message.partition === partition).map(({ value }) => value);
    expect(found.get(partition)).toEqual(expected);
  }
});
