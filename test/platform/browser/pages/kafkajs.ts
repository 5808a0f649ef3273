// kafkajs in a page, as the README bundles it.

import { Buffer } from 'node:buffer';
import { type ISocketFactory, Kafka, logLevel } from 'kafkajs';
import { webSocketFactory } from '../../../../src/net/kafkajs.ts';

/** kafkajs's type asks for all of `net.Socket`, of which it uses what the adapter has. */
function isSocketFactory(factory: unknown): factory is ISocketFactory {
  return typeof factory === 'function';
}

async function run(broker: string): Promise<string[]> {
  const socketFactory: unknown = webSocketFactory({ Buffer });
  if (!isSocketFactory(socketFactory)) throw new Error('the adapter makes no factory');
  const kafka = new Kafka({ brokers: [broker], connectionTimeout: 30_000, socketFactory, logLevel: logLevel.ERROR });
  const producer = kafka.producer();
  await producer.connect();
  await producer.send({ topic: 'from-a-page', messages: [{ key: 'a', value: 'one' }, { value: 'two' }] });
  await producer.disconnect();
  const consumer = kafka.consumer({ groupId: 'pages' });
  await consumer.connect();
  await consumer.subscribe({ topics: ['from-a-page'], fromBeginning: true });
  const values: string[] = [];
  await new Promise<void>((resolve, reject) => {
    consumer
      .run({
        eachMessage: async ({ message }) => {
          values.push(message.value?.toString() ?? '');
          if (values.length === 2) resolve();
        },
      })
      .catch(reject);
  });
  await consumer.disconnect();
  return values;
}

Object.assign(globalThis, { runKafkajs: run });
