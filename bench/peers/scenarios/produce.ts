// Produce as fast as the broker takes it: batches of 16 KiB (the Java client's default), built before, from four
// connections with five requests in flight each (its default, too). Segments are rolled and retention is reached.

import { figure, load } from '../load-programs.ts';
import { checkWritten, throughputMeasurements, used, withTopic } from '../loaded.ts';
import type { Guarantee } from '../peer.ts';
import { KAFKA_SPEAKERS, type LoadScenario, type Scale } from '../scenario.ts';

const MIB = 1024 ** 2;
const CONNECTIONS = 4;

/** Records that retention has dropped by the end of the load: where there are some, it was reached. */
export const DROPPED = 'dropped by retention';

interface Acknowledgement {
  readonly title: string;
  readonly guarantee: Guarantee;
  readonly acks: number;
}

export const ACKNOWLEDGEMENTS: readonly Acknowledgement[] = [
  { title: 'acks=1', guarantee: 'default', acks: 1 },
  { title: 'acks=all-relaxed', guarantee: 'relaxed', acks: -1 },
  { title: 'acks=all-durable', guarantee: 'durable', acks: -1 },
];

/** Of how many partitions, and how many of them in one request. */
const SHAPES = [
  { partitions: 1, perRequest: 1 },
  { partitions: 64, perRequest: 64 / CONNECTIONS },
] as const;

/** Kafka's smallest. */
const SEGMENT_BYTES_MIN = MIB;

/**
 * Small enough for several rolls and for retention within a run of the slower broker, and the same for both: a partition
 * rolls when it has `bytes / partitions` and keeps a quarter of that beside the segment that it writes.
 */
export function rollingConfig(partitions: number, bytes: number): Readonly<Record<string, string>> {
  const segment = Math.max(SEGMENT_BYTES_MIN, Math.round(bytes / partitions));
  return { 'segment.bytes': String(segment), 'retention.bytes': String(segment / 4) };
}

/** What all partitions together write before they roll. Flushing every request Kafka writes a tenth of what it can. */
export function rollBytes(guarantee: Guarantee, { quick }: Scale): number {
  return (quick ? 4 : guarantee === 'durable' ? 16 : 256) * MIB;
}

function scenario(
  { title, guarantee, acks }: Acknowledgement,
  shape: (typeof SHAPES)[number] & { readonly recordBytes: number; readonly codec: string },
): LoadScenario {
  const { partitions, perRequest, recordBytes, codec } = shape;
  const places = partitions === 1 ? '1-partition' : `${partitions}-partitions`;
  return {
    name: `produce/${title}/${recordBytes}B/${places}/${codec}`,
    peers: KAFKA_SPEAKERS,
    guarantee,
    run(broker, scale) {
      return withTopic(
        broker,
        { partitions, config: rollingConfig(partitions, rollBytes(guarantee, scale)) },
        async (topic) => {
          const usage = await used(broker, () =>
            load('kafka-wire', 'produce', {
              ...{
                broker: broker.server.address,
                topic,
                partitions,
                per_request: perRequest,
                connections: CONNECTIONS,
              },
              ...{ record_bytes: recordBytes, codec, acks, ms: scale.timedMs, ramp_ms: scale.rampMs },
            }),
          );
          const records = figure(usage.result, 'totalRecords');
          const dropped = await checkWritten(broker, { topic, partitions, records });
          return [
            ...throughputMeasurements(usage),
            { metric: DROPPED, unit: '%', value: (dropped / records) * 100, better: 'more' },
          ];
        },
      );
    },
  };
}

export const PRODUCE_SCENARIOS: readonly LoadScenario[] = ACKNOWLEDGEMENTS.flatMap((acknowledgement) =>
  SHAPES.flatMap((shape) =>
    ['none', 'lz4'].flatMap((codec) =>
      [100, 1024].map((recordBytes) => scenario(acknowledgement, { ...shape, recordBytes, codec })),
    ),
  ),
);
