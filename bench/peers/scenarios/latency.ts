// How long a record takes from the moment at which it was due to the moment at which a consumer's application has it, at
// a fixed rate (corrected for coordinated omission). Kafka and Millrace by librdkafka, the others by their own loads.

import { figure, latencyLoad } from '../load-programs.ts';
import { usagePerMillion, used, withTopic } from '../loaded.ts';
import type { Guarantee } from '../peer.ts';
import { ALL_PEERS, KAFKA_SPEAKERS, type LoadScenario, type Measurement } from '../scenario.ts';
import { withOtherTopic } from './other-topic.ts';

const RECORD_BYTES = 100;
/** A rate is reached from this part of it on. */
const RATE_REACHED = 0.98;
/** At which the others are measured, too. */
const RATE_OF_ALL = 1000;

function scenario(rate: number, guarantee: Guarantee, acks: number): LoadScenario {
  return {
    name: `latency/${rate}-per-second/${acks === 1 ? 'acks=1' : 'acks=all-durable'}`,
    peers: rate === RATE_OF_ALL ? ALL_PEERS : KAFKA_SPEAKERS,
    guarantee,
    async run(broker, { latencyMs, rampMs, quick }) {
      const common = {
        ...{ broker: broker.server.address, rate, record_bytes: RECORD_BYTES },
        ...{ ms: latencyMs, ramp_ms: rampMs },
      };
      const measured = async (program: string, topic: string): Promise<Measurement[]> => {
        const kafka = broker.peer.speaksKafka ? { acks: String(acks), partitions: 1 } : {};
        const usage = await used(broker, () => latencyLoad(program, { ...common, ...kafka, topic }));
        const { report, percentiles } = usage.result;
        if (!quick && (report.recordsPerSecond ?? 0) < rate * RATE_REACHED)
          throw new Error(`the rate was not reached: ${report.recordsPerSecond}`);
        return [
          { metric: 'p50', unit: 'ms', value: percentiles.p50, better: 'less' },
          { metric: 'p99', unit: 'ms', value: percentiles.p99, better: 'less' },
          { metric: 'p99.9', unit: 'ms', value: percentiles.p999, better: 'less' },
          ...usagePerMillion(usage, figure(report, 'totalRecords')),
        ];
      };
      if (broker.peer.speaksKafka) {
        return withTopic(broker, { partitions: 1 }, (topic) => measured('rdkafka-load', topic));
      }
      return withOtherTopic(broker, ({ program, topic }) => measured(program, topic));
    },
  };
}

export const LATENCY_SCENARIOS: readonly LoadScenario[] = [
  scenario(1000, 'default', 1),
  scenario(50_000, 'default', 1),
  scenario(1000, 'durable', -1),
  scenario(50_000, 'durable', -1),
];
