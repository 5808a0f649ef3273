// Produce as fast as the broker takes it: batches of 16 KiB (the Java client's default), built before, from four
// connections with five requests in flight each (its default, too). Segments are rolled and retention is reached.

import { load } from '../load-programs.ts';
import { checkWritten, throughputMeasurements, used, withTopic } from '../loaded.ts';
import type { Guarantee } from '../peer.ts';
import { KAFKA_SPEAKERS, type LoadScenario, type Scale } from '../scenario.ts';

const MIB = 1024 ** 2;
const CONNECTIONS = 4;

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

/** Small enough for several rolls and for retention in a run. Kafka's smallest segment is 1 MiB. */
export function rollingConfig(partitions: number, { quick }: Scale): Readonly<Record<string, string>> {
  const segment = Math.max(MIB, (quick ? 16 : 128) * (MIB / partitions));
  return { 'segment.bytes': String(segment), 'retention.bytes': String(segment * 3) };
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
      return withTopic(broker, { partitions, config: rollingConfig(partitions, scale) }, async (topic) => {
        const usage = await used(broker, () =>
          load('kafka-wire', 'produce', {
            ...{ broker: broker.server.address, topic, partitions, per_request: perRequest, connections: CONNECTIONS },
            ...{ record_bytes: recordBytes, codec, acks, ms: scale.timedMs, ramp_ms: scale.rampMs },
          }),
        );
        await checkWritten(broker, { topic, partitions, records: usage.result.totalRecords ?? 0 });
        return throughputMeasurements(usage);
      });
    },
  };
}

/** What lz4 costs a broker is the same whatever is promised: smaller records with it are measured with acks=1 alone. */
function wanted({ acks }: Acknowledgement, recordBytes: number, codec: string): boolean {
  return codec === 'none' || acks === 1 || recordBytes === 1024;
}

export const PRODUCE_SCENARIOS: readonly LoadScenario[] = ACKNOWLEDGEMENTS.flatMap((acknowledgement) =>
  SHAPES.flatMap((shape) =>
    ['none', 'lz4'].flatMap((codec) =>
      [100, 1024]
        .filter((recordBytes) => wanted(acknowledgement, recordBytes, codec))
        .map((recordBytes) => scenario(acknowledgement, { ...shape, recordBytes, codec })),
    ),
  ),
);
