// What is measured in each runtime, by the runtime itself: records appended to a broker of its own kind and read back, and
// the same records as what people keep there otherwise. Both are on stable storage before an append counts.

import type { Client } from '../../src/client/client.ts';

/** Records of 100 bytes; `batch` of them are appended at once, with one wait for stable storage. */
export interface WorkSettings {
  readonly side: 'log' | 'rows';
  /** Empty, and its own. */
  readonly directory: string;
  readonly records: number;
  readonly batch: number;
  /** Appends that are begun before the first of them is done. */
  readonly inFlight: number;
}

export interface WorkResult {
  /** Records a second. */
  readonly append: number;
  readonly read: number;
  /** Of all that was read, in order. */
  readonly hash: number;
}

/** What people keep otherwise. */
export interface Rows {
  /** On stable storage when it resolves. */
  append(values: readonly string[]): Promise<void> | void;
  /** Everything, in the order in which it was appended. */
  read(): AsyncIterable<string> | Iterable<string>;
  close(): void;
}

export interface WorkRuntime {
  openBroker(options: { readonly directory: string }): Promise<{ client(): Client; close(): Promise<void> }>;
  openRows(directory: string): Promise<Rows> | Rows;
}

const TOPIC = 'measured';
const FNV_PRIME = 0x01000193;
const FNV_BASIS = 0x811c9dc5;

/** Performs the work that the argument tells of, and prints the result. */
export async function perform(runtime: WorkRuntime, argument: string | undefined): Promise<void> {
  const settings: WorkSettings = JSON.parse(argument ?? '{}');
  const result = await (settings.side === 'log' ? measureLog(runtime, settings) : measureRows(runtime, settings));
  console.log(JSON.stringify(result));
}

async function measureLog(runtime: WorkRuntime, settings: WorkSettings): Promise<WorkResult> {
  const broker = await runtime.openBroker(settings);
  const client = broker.client();
  await client.admin().createTopics({ topics: [{ topic: TOPIC, numPartitions: 1 }] });
  const producer = client.producer();
  const append = await appendSeconds(settings, async (values) => {
    await producer.send({ topic: TOPIC, records: values.map((value) => ({ value })) });
  });
  let hash = FNV_BASIS;
  const read = await secondsOf(async () => {
    const consumer = client.consumer();
    await consumer.assign([{ topic: TOPIC, from: 'beginning' }]);
    for await (const record of consumer.records({ untilEnd: true })) hash = mixed(hash, record.text());
    await consumer.close();
  });
  client.close();
  await broker.close();
  return { append: settings.records / append, read: settings.records / read, hash };
}

async function measureRows(runtime: WorkRuntime, settings: WorkSettings): Promise<WorkResult> {
  const rows = await runtime.openRows(settings.directory);
  const append = await appendSeconds(settings, async (values) => {
    await rows.append(values);
  });
  let hash = FNV_BASIS;
  const read = await secondsOf(async () => {
    for await (const value of rows.read()) hash = mixed(hash, value);
  });
  rows.close();
  return { append: settings.records / append, read: settings.records / read, hash };
}

function batchesOf(records: number, batch: number): string[][] {
  return Array.from({ length: Math.ceil(records / batch) }, (_, index) =>
    Array.from({ length: Math.min(batch, records - index * batch) }, (_value, place) =>
      `record ${index * batch + place} `.padEnd(100, 'x'),
    ),
  );
}

/** The batches in their order, so many at a time. */
async function appendSeconds(
  { records, batch, inFlight }: WorkSettings,
  append: (values: readonly string[]) => Promise<void>,
): Promise<number> {
  const batches = batchesOf(records, batch).values();
  return secondsOf(async () => {
    const lanes = Array.from({ length: inFlight }, async () => {
      for (const values of batches) await append(values);
    });
    await Promise.all(lanes);
  });
}

async function secondsOf(action: () => Promise<void>): Promise<number> {
  const startedAt = performance.now();
  await action();
  return (performance.now() - startedAt) / 1000;
}

/** The number and the length tell records apart; hashing every byte would be a part of what is measured. */
function mixed(hash: number, value: string): number {
  return Math.imul(hash ^ Number.parseInt(value.slice('record '.length), 10) ^ value.length, FNV_PRIME) >>> 0;
}
