// Kafka Streams' word count, exactly once (v2), while the broker is killed.

import { afterAll, beforeAll, expect, it } from 'vitest';
import { BrokerProcess, temporaryDirectory } from '../../support/broker-process.ts';
import { freePort } from '../../support/free-port.ts';
import { QUICK_GROUPS } from '../client-broker.ts';
import { describeClient } from './external-client.ts';
import { JavaProcess, KAFKA_NEEDS } from './java-programs.ts';

const LINES = 6000;
const KILLS_AT = [1000, 2500, 4000];
const TEST_MS_MAX = 600_000;

describeClient('Kafka Streams', KAFKA_NEEDS, () => {
  const directory = temporaryDirectory('kafka-streams');
  const settings = QUICK_GROUPS.flatMap((entry) => ['--set', entry]);
  let broker: BrokerProcess;
  beforeAll(async () => {
    const kafka = `127.0.0.1:${await freePort()}`;
    broker = await BrokerProcess.start({ dataDirectory: directory.path, kafka, arguments: settings });
  });
  afterAll(async () => {
    await broker.stop('SIGTERM');
    directory.remove();
  });

  it(
    'counts words exactly while the broker is killed three times',
    async () => {
      const wordCount = new JavaProcess(['WordCount.java', broker.kafka, String(LINES)]);
      for (const lines of KILLS_AT) {
        // In the middle of things: lines are being written, and counts have been seen since the kill before.
        await wordCount.next((line) => line.startsWith('counted ') && line !== 'counted 0');
        await wordCount.next((line) => line.startsWith('produced ') && Number(line.split(' ')[1]) >= lines);
        const { kafka } = broker;
        await broker.stop('SIGKILL');
        broker = await BrokerProcess.start({ dataDirectory: directory.path, kafka, arguments: settings });
      }
      expect(await wordCount.ended(), wordCount.lines.slice(-20).join('\n')).toBe(0);
      expect(wordCount.lines).toContain('exact');
    },
    TEST_MS_MAX,
  );
});
