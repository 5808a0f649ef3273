// The end-to-end rows: requests of one record batch through the WebSocket listener, produce (acks=1) and fetch, against
// a bare WebSocket server on the same machine. Client and servers share its cores; runs alternate and medians count.

import { type BenchmarkContext, row, type Suite, wanted } from '../row.ts';
import { createTopic, recordsIn } from './admin.ts';
import { fileWriteRate } from './file-writes.ts';
import { batchOf, checkFetched, checkProduced, fetchFrame, produceFrame } from './frames.ts';
import { type ServerUnderTest, startBrokerUnderTest, startDiscardServer, startReplayServer } from './servers.ts';
import { runWindowLoad, type WindowLoadOptions, type WindowLoadResult } from './window-load.ts';

/** One size of request: how many connections, and how many requests in flight on each. */
interface Shape {
  readonly requestBytes: number;
  readonly connections: number;
  readonly window: number;
}

const SHAPES: readonly Shape[] = [
  { requestBytes: 1024, connections: 8, window: 32 },
  { requestBytes: 16_384, connections: 4, window: 16 },
  { requestBytes: 65_536, connections: 4, window: 8 },
  // message.max.bytes is 1 MiB and a header: whole 100-byte records stay below it.
  { requestBytes: 1_048_576, connections: 2, window: 4 },
];

const TOPIC = 'bench';
const PARTITIONS = 8;
const ROUNDS = 3;
const ROUND_MS = 1500;
const TINY_MS = 50;
/** Batches that a fetch run walks over, per partition. */
const FETCH_BATCHES = 64;

export const endToEndSuite: Suite = {
  name: 'end-to-end',
  async run(context) {
    for (const shape of SHAPES) {
      const size = shape.requestBytes / 1024;
      const names = ['produce', 'produce-durable', 'fetch'].map((kind) => `${kind}/${size}KiB`);
      if (names.some((name) => wanted(context, name))) await runShape(context, shape);
    }
  },
};

async function runShape(context: BenchmarkContext, shape: Shape): Promise<void> {
  const batch = batchOf(shape.requestBytes);
  const broker = await startBrokerUnderTest();
  const discard = await startDiscardServer();
  const replay = await startReplayServer(batch.records.length);
  try {
    await createTopic(broker.url, TOPIC, PARTITIONS);
    const parts = { context, shape, batch, broker };
    await produceRow({ ...parts, baseline: discard }, 1);
    await produceRow({ ...parts, baseline: discard }, -1);
    await fetchRow({ ...parts, baseline: replay });
  } finally {
    await Promise.all([broker.stop(), discard.stop(), replay.stop()]);
  }
}

interface Parts {
  readonly context: BenchmarkContext;
  readonly shape: Shape;
  readonly batch: { readonly records: Uint8Array; readonly recordCount: number };
  readonly broker: ServerUnderTest;
  readonly baseline: ServerUnderTest;
}

async function produceRow({ context, shape, batch, broker, baseline }: Parts, acks: 1 | -1): Promise<void> {
  const name = `${acks === 1 ? 'produce' : 'produce-durable'}/${shape.requestBytes / 1024}KiB`;
  if (!wanted(context, name)) return;
  const { records, recordCount } = batch;
  const frames = Array.from({ length: shape.connections }, (_, connection) => [
    produceFrame({ topic: TOPIC, partition: connection % PARTITIONS, records, acks }),
  ]);
  const load = { frames, window: shape.window };
  const before = await recordsIn(broker.url, TOPIC, PARTITIONS);
  const outcome = await alternate(context, [
    { ...load, url: broker.url, check: checkProduced(TOPIC, records.length) },
    { ...load, url: baseline.url, check: () => records.length },
  ]);
  const stored = (await recordsIn(broker.url, TOPIC, PARTITIONS)) - before;
  if (stored !== outcome.requests * recordCount) {
    throw new Error(`${outcome.requests * recordCount} records were acknowledged, and ${stored} are in the log`);
  }
  report(context, { name, baseline: 'ws that discards', outcome, check: `${recordCount} records a request` });
  if (acks === 1) reportFileRow(context, { name, records, outcome });
}

/** What the file system takes when one thread does nothing but write the same batches: no log can be faster. */
function reportFileRow(
  context: BenchmarkContext,
  { name, records, outcome }: { name: string; records: Uint8Array; outcome: Outcome },
): void {
  const rounds = Array.from({ length: context.tiny ? 1 : ROUNDS }, () =>
    fileWriteRate(records, context.tiny ? TINY_MS : ROUND_MS),
  );
  context.report(
    row({
      name: `${name}/bytes-to-file`,
      unit: 'MB/s',
      value: outcome.bytesPerSecond[0] / 1e6,
      baseline: 'file writes alone',
      baselineValue: middle(rounds) / 1e6,
    }),
  );
}

async function fetchRow({ context, shape, batch, broker, baseline }: Parts): Promise<void> {
  const name = `fetch/${shape.requestBytes / 1024}KiB`;
  if (!wanted(context, name)) return;
  const { records, recordCount } = batch;
  await fill(broker, shape, records);
  const frames = Array.from({ length: shape.connections }, (_, connection) =>
    Array.from({ length: FETCH_BATCHES }, (_unused, index) =>
      fetchFrame({
        topic: TOPIC,
        partition: connection % PARTITIONS,
        offset: index * recordCount,
        maxBytes: records.length,
      }),
    ),
  );
  const load = { frames, window: shape.window, check: checkFetched(records.length) };
  const outcome = await alternate(context, [
    { ...load, url: broker.url },
    { ...load, url: baseline.url },
  ]);
  report(context, { name, baseline: 'ws that replays', outcome, check: `${recordCount} records a request` });
}

/** Makes sure that each partition that is fetched from holds what is fetched. */
async function fill(broker: ServerUnderTest, shape: Shape, records: Uint8Array): Promise<void> {
  const frames = Array.from({ length: shape.connections }, (_, connection) => [
    produceFrame({ topic: TOPIC, partition: connection % PARTITIONS, records, acks: 1 }),
  ]);
  const requests = FETCH_BATCHES * shape.connections;
  await runWindowLoad({ url: broker.url, frames, window: 1, requests, check: checkProduced(TOPIC, records.length) });
}

interface Outcome {
  /** Medians of the rounds. */
  readonly requestsPerSecond: readonly [number, number];
  readonly bytesPerSecond: readonly [number, number];
  /** Requests that the first load had answered in all rounds. */
  readonly requests: number;
}

type Load = Omit<WindowLoadOptions, 'durationMs' | 'requests'>;

async function alternate(context: BenchmarkContext, [first, second]: readonly [Load, Load]): Promise<Outcome> {
  const durationMs = context.tiny ? TINY_MS : ROUND_MS;
  const ours: WindowLoadResult[] = [];
  const theirs: WindowLoadResult[] = [];
  // The first round warms up, and counts only in what the log must hold.
  for (let round = 0; round <= (context.tiny ? 1 : ROUNDS); round++) {
    ours.push(await runWindowLoad({ ...first, durationMs }));
    theirs.push(await runWindowLoad({ ...second, durationMs }));
  }
  const rate = (results: readonly WindowLoadResult[], of: (result: WindowLoadResult) => number): number =>
    middle(results.slice(1).map((result) => of(result) / result.seconds));
  return {
    requestsPerSecond: [rate(ours, (result) => result.requests), rate(theirs, (result) => result.requests)],
    bytesPerSecond: [rate(ours, (result) => result.bytes), rate(theirs, (result) => result.bytes)],
    requests: ours.reduce((sum, result) => sum + result.requests, 0),
  };
}

function middle(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? 0;
}

/** Two rows: requests and megabytes. */
function report(
  context: BenchmarkContext,
  { name, baseline, outcome, check }: { name: string; baseline: string; outcome: Outcome; check: string },
): void {
  const [requests, baselineRequests] = outcome.requestsPerSecond;
  const [bytes, baselineBytes] = outcome.bytesPerSecond;
  context.report(
    row({
      name: `${name}/requests`,
      unit: 'requests/s',
      value: requests,
      baseline,
      baselineValue: baselineRequests,
      check,
    }),
  );
  context.report(
    row({
      name: `${name}/bytes`,
      unit: 'MB/s',
      value: bytes / 1e6,
      baseline,
      baselineValue: baselineBytes / 1e6,
      check,
    }),
  );
}
