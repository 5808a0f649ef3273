// Requests of one record of 100 bytes, one in flight on each connection: what a broker costs that cannot batch.

import { figure, type LoadOptions, type LoadReport, load } from '../load-programs.ts';
import { checkWritten, type Usage, usagePerMillion, used, withTopic } from '../loaded.ts';
import type { Guarantee } from '../peer.ts';
import { ALL_PEERS, KAFKA_SPEAKERS, type LoadScenario, type Measurement } from '../scenario.ts';
import { withOtherTopic } from './other-topic.ts';

const PARTITIONS = 8;
const RECORD_BYTES = 100;
/** With which the others are measured, too. */
const CONNECTIONS_OF_ALL = 64;

function measurements(usage: Usage<LoadReport>): Measurement[] {
  const { result } = usage;
  return [
    { metric: 'requests', unit: 'requests/s', value: figure(result, 'requestsPerSecond'), better: 'more' },
    { metric: 'p50', unit: 'ms', value: figure(result, 'p50Us') / 1000, better: 'less' },
    { metric: 'p99', unit: 'ms', value: figure(result, 'p99Us') / 1000, better: 'less' },
    ...usagePerMillion(usage, figure(result, 'totalRecords')),
  ];
}

function scenario(connections: number, guarantee: Guarantee, acks: number): LoadScenario {
  return {
    name: `one-record-requests/${connections}-connections/${acks === 1 ? 'acks=1' : 'acks=all-durable'}`,
    peers: connections === CONNECTIONS_OF_ALL ? ALL_PEERS : KAFKA_SPEAKERS,
    guarantee,
    run(broker, { timedMs, rampMs }) {
      const common: LoadOptions = {
        ...{ broker: broker.server.address, connections, window: 1, record_bytes: RECORD_BYTES },
        ...{ ms: timedMs, ramp_ms: rampMs },
      };
      if (!broker.peer.speaksKafka) {
        return withOtherTopic(broker, async ({ program, topic }) =>
          measurements(await used(broker, () => load(program, 'produce', { ...common, topic }))),
        );
      }
      return withTopic(broker, { partitions: PARTITIONS }, async (topic) => {
        const options = { ...common, topic, partitions: PARTITIONS, records_per_batch: 1, acks };
        const usage = await used(broker, () => load('kafka-wire', 'produce', options));
        await checkWritten(broker, { topic, partitions: PARTITIONS, records: figure(usage.result, 'totalRecords') });
        return measurements(usage);
      });
    },
  };
}

export const REQUEST_SCENARIOS: readonly LoadScenario[] = [
  ...[1, 64, 1000].map((connections) => scenario(connections, 'default', 1)),
  ...[1, 64].map((connections) => scenario(connections, 'durable', -1)),
];
