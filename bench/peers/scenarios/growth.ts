// How cost grows: with partitions, and with consumers that wait for records.

import { createTopic } from '../kafka-admin.ts';
import { figure, type LoadReport, load } from '../load-programs.ts';
import { checkWritten, type Usage, used, withTopic } from '../loaded.ts';
import { KAFKA_SPEAKERS, type LoadScenario, type Measurement, megabytesPerSecond } from '../scenario.ts';
import { filledTopic } from './consume.ts';

const FEW = 8;
const MANY = 1000;
const IDLE_POLLS = 1000;
const RECORD_BYTES = 1024;
/** For each partition: more than a batch of 16 KiB holds. */
const FIRST_RECORDS = 32;

/** The same requests, of two partitions each, spread over few partitions and over many. */
const partitions: LoadScenario = {
  name: 'growth/partitions',
  peers: KAFKA_SPEAKERS,
  guarantee: 'default',
  async run(broker, { timedMs, rampMs }) {
    const throughput = (count: number): Promise<number> =>
      withTopic(broker, { partitions: count }, async (topic) => {
        const common = {
          ...{ broker: broker.server.address, topic, partitions: count, per_request: 2, record_bytes: RECORD_BYTES },
          acks: 1,
        };
        // The first records of a partition make its files, which is no part of how many there are of them.
        const first = await load('kafka-wire', 'produce', { ...common, records: count * FIRST_RECORDS });
        const report = await load('kafka-wire', 'produce', { ...common, ms: timedMs, ramp_ms: rampMs });
        const records = figure(first, 'totalRecords') + figure(report, 'totalRecords');
        await checkWritten(broker, { topic, partitions: count, records });
        return figure(report, 'bytesPerSecond');
      });
    const few = await throughput(FEW);
    const many = await throughput(MANY);
    return [
      { metric: `${MANY} partitions of ${FEW}`, unit: '%', value: (many / few) * 100, better: 'more' },
      megabytesPerSecond(`${FEW} partitions`, few),
      megabytesPerSecond(`${MANY} partitions`, many),
    ];
  },
};

function microsecondsPerFetch({ cpuSeconds, result }: Usage<LoadReport>): number {
  return (cpuSeconds * 1e6) / figure(result, 'totalRequests');
}

const idlePolls: LoadScenario = {
  name: 'growth/idle-polls',
  peers: KAFKA_SPEAKERS,
  guarantee: 'default',
  async run(broker, scale) {
    const idleTopic = 'idle';
    if (!broker.filled.has(idleTopic)) await createTopic(broker.server.address, idleTopic, { partitions: 1 });
    broker.filled.set(idleTopic, 0);
    const { topic } = await filledTopic(broker, RECORD_BYTES, scale);
    const fetches = async (idle: number): Promise<number> => {
      const options = {
        ...{ broker: broker.server.address, topic, partitions: 1, connections: 1, record_bytes: RECORD_BYTES },
        ...{ partition_max_bytes: 16_384, idle, idle_topic: idleTopic, ms: scale.timedMs, ramp_ms: scale.rampMs },
      };
      return microsecondsPerFetch(await used(broker, () => load('kafka-wire', 'fetch', options)));
    };
    const alone = await fetches(0);
    const among = await fetches(IDLE_POLLS);
    const cost = (metric: string, value: number): Measurement => ({ metric, unit: 'µs', value, better: 'less' });
    return [
      { metric: `CPU of a fetch among ${IDLE_POLLS}`, unit: '%', value: (among / alone) * 100, better: 'less' },
      cost('CPU of a fetch alone', alone),
      cost(`CPU of a fetch, ${IDLE_POLLS} idle`, among),
    ];
  },
};

export const GROWTH_SCENARIOS: readonly LoadScenario[] = [partitions, idlePolls];
