import { expect, test } from 'vitest';
import { FakeBroker } from './fake-broker.ts';
import { all, clientOf } from './fixture.ts';

test('what is sent is read back', async () => {
  const client = clientOf(new FakeBroker());
  const producer = client.producer();
  const sent = await producer.send({
    topic: 't',
    messages: [{ key: 'k', value: 'hello', headers: { a: 'b' } }, { value: null }],
  });
  expect(sent.map(({ partition, offset }) => [partition, offset])).toEqual([
    [0, 0],
    [0, 1],
  ]);
  const consumer = client.consumer();
  await consumer.assign([{ topic: 't' }]);
  const records = await all(consumer.records({ untilEnd: true }));
  expect(records.map((record) => record.text())).toEqual(['hello', '']);
  await producer.close();
  await consumer.close();
  client.close();
});
