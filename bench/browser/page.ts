// What the browser's rows measure, in a page: records into the log and out of it, beside the same in IndexedDB by `idb`.
// Both keep them on the device; each side reads back what it wrote and gives a hash of it.

import { type IDBPDatabase, openDB } from 'idb';
import { openBroker } from '../../src/platform/browser/index.ts';

export interface PageSettings {
  readonly records: number;
  readonly recordBytes: number;
  /** Records that are written together. */
  readonly batch: number;
  /** Whether each write is on stable storage before it is answered. */
  readonly durable: boolean;
}

/** Rates in records a second. */
export interface PageResult {
  readonly append: number;
  readonly read: number;
  readonly hash: number;
}

const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;
const TOPIC = 'bench';
const TABLE = 'records';
/** Records that IndexedDB gives at a time. */
const READ_BATCH = 1000;

class Fnv {
  value = FNV_OFFSET;

  add(bytes: Uint8Array): void {
    for (const byte of bytes) this.value = Math.imul(this.value ^ byte, FNV_PRIME) >>> 0;
  }
}

/** Each record differs from the others; they are the same for both sides. */
function inputs({ records, recordBytes }: PageSettings): Uint8Array<ArrayBuffer>[] {
  return Array.from({ length: records }, (_, record) => {
    const bytes = new Uint8Array(recordBytes);
    for (let at = 0; at < recordBytes; at++) bytes[at] = (record * 31 + at * 7) & 255;
    return bytes;
  });
}

function* batches<T>(items: readonly T[], size: number): Generator<T[]> {
  for (let at = 0; at < items.length; at += size) yield items.slice(at, at + size);
}

async function rate(records: number, run: () => Promise<void>): Promise<number> {
  const startedAt = performance.now();
  await run();
  return (records / (performance.now() - startedAt)) * 1000;
}

async function measureLog(settings: PageSettings): Promise<PageResult> {
  const values = inputs(settings);
  const broker = await openBroker({ name: `bench-${crypto.randomUUID()}` });
  const client = broker.client();
  await client.admin().createTopics({ topics: [{ topic: TOPIC, numPartitions: 1 }] });
  const producer = client.producer({ acks: settings.durable ? 'all' : 1, lingerMs: 0 });
  await producer.send({ topic: TOPIC, messages: [{ value: 'the way is open' }] });
  const append = await rate(values.length, async () => {
    for (const batch of batches(values, settings.batch)) {
      await producer.send({ topic: TOPIC, messages: batch.map((value) => ({ value })) });
    }
  });
  const consumer = client.consumer();
  await consumer.assign([{ topic: TOPIC, from: 1 }]);
  const read: Uint8Array[] = [];
  const readRate = await rate(values.length, async () => {
    for await (const { records } of consumer.batches({ untilEnd: true })) {
      for (const record of records) if (record.value !== null) read.push(record.value);
    }
  });
  await consumer.close();
  await broker.close();
  return { append, read: readRate, hash: hashOf(read) };
}

async function measureIndexedDb(settings: PageSettings): Promise<PageResult> {
  const values = inputs(settings);
  const database = await openDB(`bench-${crypto.randomUUID()}`, 1, {
    upgrade: (fresh) => void fresh.createObjectStore(TABLE, { autoIncrement: true }),
  });
  const durability = settings.durable ? 'strict' : 'relaxed';
  const append = await rate(values.length, async () => {
    for (const batch of batches(values, settings.batch)) {
      const transaction = database.transaction(TABLE, 'readwrite', { durability });
      for (const value of batch) transaction.store.add(value);
      await transaction.done;
    }
  });
  const read: Uint8Array[] = [];
  const readRate = await rate(values.length, () => readAll(database, read));
  database.close();
  return { append, read: readRate, hash: hashOf(read) };
}

async function readAll(database: IDBPDatabase, into: Uint8Array[]): Promise<void> {
  for (let next = 1; ; ) {
    const found: Uint8Array[] = await database.getAll(TABLE, IDBKeyRange.lowerBound(next), READ_BATCH);
    into.push(...found);
    next += found.length;
    if (found.length < READ_BATCH) return;
  }
}

function hashOf(read: readonly Uint8Array[]): number {
  const hash = new Fnv();
  for (const bytes of read) hash.add(bytes);
  return hash.value;
}

Object.assign(globalThis, { measureLog, measureIndexedDb });
