// The first record of a test: a kafkajs producer connects, and its record to a topic of its own is acknowledged.

import { Kafka, logLevel } from 'kafkajs';

export async function sendFirstRecord(bootstrapServers: string, topic: string): Promise<void> {
  const kafka = new Kafka({
    brokers: [bootstrapServers],
    logLevel: logLevel.NOTHING,
    retry: { initialRetryTime: 50, maxRetryTime: 100, retries: 1000 },
  });
  const admin = kafka.admin();
  await admin.connect();
  await admin.createTopics({ topics: [{ topic, numPartitions: 1 }], waitForLeaders: true });
  await admin.disconnect();
  const producer = kafka.producer();
  await producer.connect();
  await producer.send({ topic, acks: -1, messages: [{ value: 'x' }] });
  await producer.disconnect();
}
