// Consume as fast as the broker gives it: responses of up to 1 MiB for each partition (the Java client's default), from
// four connections, without decoding records. What has just been written comes from the page cache; a cold log does not.

import { join } from 'node:path';
import type { PooledBroker } from '../broker-pool.ts';
import { createTopic } from '../kafka-admin.ts';
import { figure, load } from '../load-programs.ts';
import { checkWritten, throughputMeasurements, usageMeasurements, used, withTopic } from '../loaded.ts';
import { KAFKA_SPEAKERS, type LoadScenario, megabytesPerSecond, type Scale } from '../scenario.ts';

export const PARTITIONS = 8;
/** More than this of a log in the page cache is not cold. */
const RESIDENT_PART_MAX = 0.02;

/** A topic of the scale's size, filled once for each broker; the number of its records. */
export async function filledTopic(
  broker: PooledBroker,
  recordBytes: number,
  scale: Scale,
): Promise<{ readonly topic: string; readonly records: number }> {
  const topic = `filled-${recordBytes}`;
  const records = broker.filled.get(topic) ?? (await fill(broker, topic, { recordBytes, scale }));
  broker.filled.set(topic, records);
  return { topic, records };
}

async function fill(
  broker: PooledBroker,
  topic: string,
  { recordBytes, scale }: { readonly recordBytes: number; readonly scale: Scale },
): Promise<number> {
  const { address } = broker.server;
  await createTopic(address, topic, { partitions: PARTITIONS });
  const report = await load('kafka-wire', 'produce', {
    ...{ broker: address, topic, partitions: PARTITIONS, per_request: 2, record_bytes: recordBytes },
    ...{ acks: 1, records: Math.ceil(scale.logBytes / recordBytes) },
  });
  const records = figure(report, 'totalRecords');
  await checkWritten(broker, { topic, partitions: PARTITIONS, records });
  return records;
}

function cached(recordBytes: number): LoadScenario {
  return {
    name: `consume/cached/${recordBytes}B`,
    peers: KAFKA_SPEAKERS,
    guarantee: 'default',
    async run(broker, scale) {
      const { topic } = await filledTopic(broker, recordBytes, scale);
      const usage = await used(broker, () =>
        load('kafka-wire', 'fetch', {
          ...{ broker: broker.server.address, topic, partitions: PARTITIONS, record_bytes: recordBytes, mode: 'wrap' },
          ...{ ms: scale.timedMs, ramp_ms: scale.rampMs },
        }),
      );
      return throughputMeasurements(usage);
    },
  };
}

function cold(recordBytes: number): LoadScenario {
  return {
    name: `consume/cold/${recordBytes}B`,
    peers: KAFKA_SPEAKERS,
    guarantee: 'default',
    async run(broker, scale) {
      const { topic, records } = await filledTopic(broker, recordBytes, scale);
      for (let partition = 0; partition < PARTITIONS; partition++) {
        await evict(join(broker.directory, 'data', `${topic}-${partition}`));
      }
      const usage = await used(broker, () =>
        load('kafka-wire', 'fetch', {
          ...{ broker: broker.server.address, topic, partitions: PARTITIONS, record_bytes: recordBytes, mode: 'once' },
        }),
      );
      const read = figure(usage.result, 'totalRecords');
      if (read !== records) throw new Error(`${read} records were read of ${records}`);
      return throughputMeasurements(usage);
    },
  };
}

/** Puts a log out of the page cache; throws where the machine does not let it. */
async function evict(directory: string): Promise<void> {
  const report = await load('kafka-wire', 'evict', { directory });
  const part = figure(report, 'residentBytes') / Math.max(1, figure(report, 'bytes'));
  if (part > RESIDENT_PART_MAX) throw new Error(`${Math.round(part * 100)} % of ${directory} stay in the page cache`);
}

/** A consumer at the tail of what is produced at full speed. */
function together(recordBytes: number): LoadScenario {
  return {
    name: `produce-and-consume/${recordBytes}B`,
    peers: KAFKA_SPEAKERS,
    guarantee: 'default',
    run(broker, scale) {
      return withTopic(broker, { partitions: PARTITIONS }, async (topic) => {
        const common = { broker: broker.server.address, topic, partitions: PARTITIONS, record_bytes: recordBytes };
        const times = { ms: scale.timedMs, ramp_ms: scale.rampMs };
        const usage = await used(broker, () =>
          Promise.all([
            load('kafka-wire', 'produce', { ...common, ...times, per_request: 2, acks: 1 }),
            load('kafka-wire', 'fetch', { ...common, ...times, mode: 'tail' }),
          ]),
        );
        const [produced, consumed] = usage.result;
        const records = figure(produced, 'totalRecords');
        await checkWritten(broker, { topic, partitions: PARTITIONS, records });
        return [
          megabytesPerSecond('produced', figure(produced, 'bytesPerSecond')),
          megabytesPerSecond('consumed', figure(consumed, 'bytesPerSecond')),
          ...usageMeasurements(usage, figure(produced, 'totalBytes') + figure(consumed, 'totalBytes')),
        ];
      });
    },
  };
}

export const CONSUME_SCENARIOS: readonly LoadScenario[] = [cached, cold, together].flatMap((make) => [
  make(100),
  make(1024),
]);
