// Whole clients, their own work included: librdkafka and Kafka's Java tools against Kafka and Millrace, and every product
// with its own client: Millrace's over WebSocket, Java's for Kafka, the Go client of NATS, pipelined commands for Redis.

import type { PooledBroker } from '../broker-pool.ts';
import { topicExtent } from '../kafka-admin.ts';
import { figure, kafkaTool, type LoadReport, load, millraceBench } from '../load-programs.ts';
import { type Usage, usageMeasurements, used, withTopic } from '../loaded.ts';
import { ALL_PEERS, KAFKA_SPEAKERS, type LoadScenario, type Measurement, type Scale } from '../scenario.ts';
import { filledTopic, PARTITIONS } from './consume.ts';
import { withOtherTopic } from './other-topic.ts';
import { rollBytes, rollingConfig } from './produce.ts';

const SIZES = [100, 1024] as const;
/** Records that a stream of Redis keeps: all of it is in memory. */
const REDIS_LENGTH_MAX = 1_000_000;
/** Records of NATS and Redis that are read. */
const OTHER_RECORDS_MAX = 1_000_000;
const OTHER_WINDOW = 1024;
/** Part of the records before which Java's producer does not count. */
const JAVA_WARM_UP_PART = 0.25;

interface Client {
  produce(
    broker: PooledBroker,
    job: { readonly topic: string; readonly recordBytes: number; readonly scale: Scale },
  ): Promise<LoadReport>;
  consume(
    broker: PooledBroker,
    job: { readonly topic: string; readonly records: number; readonly recordBytes: number; readonly scale: Scale },
  ): Promise<LoadReport>;
}

const librdkafka: Client = {
  produce: ({ server }, { topic, recordBytes, scale }) =>
    load('rdkafka-load', 'produce', {
      ...{
        broker: server.address,
        topic,
        record_bytes: recordBytes,
        acks: 1,
        ms: scale.timedMs,
        ramp_ms: scale.rampMs,
      },
    }),
  consume: ({ server }, { topic, records, recordBytes, scale }) =>
    load('rdkafka-load', 'consume', {
      ...{
        broker: server.address,
        topic,
        partitions: PARTITIONS,
        records,
        record_bytes: recordBytes,
        ms: scale.timedMs,
      },
    }),
};

const java: Client = {
  async produce({ server }, { topic, recordBytes, scale }) {
    const records = clientRecords(recordBytes, scale);
    const warmUp = Math.round(records * JAVA_WARM_UP_PART);
    const text = await kafkaTool('org.apache.kafka.tools.ProducerPerformance', [
      ...['--bootstrap-server', server.address, '--topic', topic, '--throughput', '-1', '--command-property', 'acks=1'],
      ...[
        '--num-records',
        String(records + warmUp),
        '--warmup-records',
        String(warmUp),
        '--record-size',
        String(recordBytes),
      ],
    ]);
    return totals(lastNumber(text, /([\d.]+) records\/sec/g), recordBytes, records + warmUp);
  },
  async consume({ server }, { topic, records: there, recordBytes, scale }) {
    const records = consumedRecords(there, recordBytes, scale);
    const text = await kafkaTool('org.apache.kafka.tools.ConsumerPerformance', [
      ...['--bootstrap-server', server.address, '--topic', topic, '--num-records', String(records), '--hide-header'],
    ]);
    // The last column: records a second, without the time that joining the group takes.
    return totals(lastNumber(text, /, ([\d.]+)\s*$/gm), recordBytes, records);
  },
};

const webSocket: Client = {
  async produce({ server }, { topic, recordBytes, scale }) {
    const report = await millraceBench('produce', [
      ...[topic, '--server', server.url ?? '', '--acks', '1', '--record-size', String(recordBytes)],
      ...['--seconds', String(scale.timedMs / 1000), '--warm-up', String(scale.rampMs / 1000)],
    ]);
    const { written } = await topicExtent(server.address, topic, PARTITIONS);
    return totals(figure(report, 'recordsPerSecond'), recordBytes, written);
  },
  async consume({ server }, { topic, records: there, recordBytes, scale }) {
    const records = consumedRecords(there, recordBytes, scale);
    const report = await millraceBench('consume', [topic, '--server', server.url ?? '', '--records', String(records)]);
    // The last batch is read to its end.
    const read = figure(report, 'records');
    if (read < records || read > there) throw new Error(`${read} records came where ${records} were asked for`);
    return totals(figure(report, 'recordsPerSecond'), recordBytes, read);
  },
};

/** As many as take a few seconds: larger ones are fewer, but more bytes. */
function clientRecords(recordBytes: number, { clientBytes }: Scale): number {
  return Math.round((clientBytes * (recordBytes < 1000 ? 1 : 2)) / recordBytes);
}

/** Reading is faster than writing. */
function consumedRecords(there: number, recordBytes: number, scale: Scale): number {
  return Math.min(there, 2 * clientRecords(recordBytes, scale));
}

function totals(recordsPerSecond: number, recordBytes: number, totalRecords: number): LoadReport {
  // A tool that is done before its clock has moved has measured nothing.
  if (!(recordsPerSecond > 0)) throw new Error(`${totalRecords} records took no time`);
  const totalBytes = totalRecords * recordBytes;
  return { recordsPerSecond, bytesPerSecond: recordsPerSecond * recordBytes, totalRecords, totalBytes };
}

function lastNumber(text: string, pattern: RegExp): number {
  const found = [...text.matchAll(pattern)].at(-1)?.[1];
  if (found === undefined) throw new Error(`no figure in: ${text.slice(-500)}`);
  return Number(found);
}

function clientMeasurements(usage: Usage<LoadReport>): Measurement[] {
  return [
    { metric: 'records', unit: 'records/s', value: figure(usage.result, 'recordsPerSecond'), better: 'more' },
    ...usageMeasurements(usage, figure(usage.result, 'totalBytes')),
  ];
}

function produced(client: Client, recordBytes: number): (broker: PooledBroker, scale: Scale) => Promise<Measurement[]> {
  return (broker, scale) =>
    withTopic(
      broker,
      { partitions: PARTITIONS, config: rollingConfig(PARTITIONS, rollBytes('default', scale)) },
      async (topic) => {
        const usage = await used(broker, () => client.produce(broker, { topic, recordBytes, scale }));
        const { written } = await topicExtent(broker.server.address, topic, PARTITIONS);
        const expected = figure(usage.result, 'totalRecords');
        if (written !== expected)
          throw new Error(`${written} records were written where ${expected} were acknowledged`);
        return clientMeasurements(usage);
      },
    );
}

function consumed(client: Client, recordBytes: number): (broker: PooledBroker, scale: Scale) => Promise<Measurement[]> {
  return async (broker, scale) => {
    const { topic, records } = await filledTopic(broker, recordBytes, scale);
    const usage = await used(broker, () => client.consume(broker, { topic, records, recordBytes, scale }));
    return clientMeasurements(usage);
  };
}

function scenariosOf(name: string, client: Client, sizes: readonly number[]): LoadScenario[] {
  const common = { peers: KAFKA_SPEAKERS, guarantee: 'default' } as const;
  return sizes.flatMap((size) => [
    { ...common, name: `client/${name}/produce/${size}B`, run: produced(client, size) },
    { ...common, name: `client/${name}/consume/${size}B`, run: consumed(client, size) },
  ]);
}

const OWN_CLIENTS = { millrace: webSocket, kafka: java } as const;

/** Kafka's own client is Java's, which has rows of its own. */
function sameAsJava(kind: string, recordBytes: number): { readonly kafka: string } {
  return { kafka: `client/java/${kind}/${recordBytes}B` };
}

function ownProduce(recordBytes: number): LoadScenario {
  return {
    name: `client/own/produce/${recordBytes}B`,
    peers: recordBytes === 100 ? ALL_PEERS : KAFKA_SPEAKERS,
    guarantee: 'default',
    sameAs: sameAsJava('produce', recordBytes),
    run(broker, scale) {
      const { name } = broker.peer;
      if (name === 'millrace' || name === 'kafka') return produced(OWN_CLIENTS[name], recordBytes)(broker, scale);
      return withOtherTopic(broker, async ({ program, topic }) => {
        const usage = await used(broker, () =>
          load(program, 'produce', {
            ...{ broker: broker.server.address, topic, record_bytes: recordBytes, window: OTHER_WINDOW },
            ...{ length_max: REDIS_LENGTH_MAX, ms: scale.timedMs, ramp_ms: scale.rampMs },
          }),
        );
        return clientMeasurements(usage);
      });
    },
  };
}

function ownConsume(recordBytes: number): LoadScenario {
  return {
    name: `client/own/consume/${recordBytes}B`,
    peers: recordBytes === 100 ? ALL_PEERS : KAFKA_SPEAKERS,
    guarantee: 'default',
    sameAs: sameAsJava('consume', recordBytes),
    run(broker, scale) {
      const { name } = broker.peer;
      if (name === 'millrace' || name === 'kafka') return consumed(OWN_CLIENTS[name], recordBytes)(broker, scale);
      return withOtherTopic(broker, async ({ program, topic }) => {
        const place = { broker: broker.server.address, topic, record_bytes: recordBytes };
        // As many on each of four connections.
        const records = Math.round(Math.min(OTHER_RECORDS_MAX, clientRecords(recordBytes, scale)) / 4) * 4;
        const filled = await load(program, 'produce', { ...place, window: OTHER_WINDOW, records });
        const usage = await used(broker, () =>
          load(program, 'consume', { ...place, records: figure(filled, 'totalRecords'), ms: scale.timedMs }),
        );
        return clientMeasurements(usage);
      });
    },
  };
}

export const CLIENT_SCENARIOS: readonly LoadScenario[] = [
  ...scenariosOf('librdkafka', librdkafka, SIZES),
  ...scenariosOf('java', java, SIZES),
  ...SIZES.flatMap((size) => [ownProduce(size), ownConsume(size)]),
];
