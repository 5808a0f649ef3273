// A member of a group in a process of its own, to be killed: kafkajs-member.js BROKER GROUP TOPIC. It prints a line for
// each assignment that it gets.

import { Kafka, logLevel } from 'kafkajs';

const [broker = '', groupId = '', topic = ''] = process.argv.slice(2);
const kafka = new Kafka({
  clientId: 'member',
  brokers: [broker],
  connectionTimeout: 30_000,
  logLevel: logLevel.NOTHING,
});
const times = { sessionTimeout: 2000, heartbeatInterval: 200, rebalanceTimeout: 5000, maxWaitTimeInMs: 100 };
const consumer = kafka.consumer({ groupId, ...times });
consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
  process.stdout.write(`${JSON.stringify(payload.memberAssignment[topic] ?? [])}\n`);
});
await consumer.connect();
await consumer.subscribe({ topic, fromBeginning: true });
await consumer.run({ eachMessage: async () => undefined });
