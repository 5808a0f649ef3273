// Encoding and decoding batches of 100-byte records, in records per second, against kafkajs and @platformatic/kafka.
import { createRequire } from 'node:module';
import { createRecordsBatch, Reader, readRecordsBatch } from '@platformatic/kafka';
import { present } from '../../src/core/assert.ts';
import { BatchMemory } from '../../src/wasm/batch-memory.ts';
import { RecordBatchDecoder } from '../../src/wasm/record-batch-decoder.ts';
import { type EncodableRecord, RecordBatchEncoder } from '../../src/wasm/record-batch-encoder.ts';
import { type Contender, compare } from '../comparison.ts';
import { loadKernels, noise } from '../inputs.ts';
import { type BenchmarkContext, row, type Suite, wanted } from '../row.ts';

const VALUE_BYTES = 100;
const BATCH_RECORDS = [10, 100, 1000];
/** What the client's producer keeps of memory at most, unless it is told otherwise. */
const MEMORY_BYTES_MAX = 32 * 1024 * 1024;
const FIRST_TIMESTAMP = 1_700_000_000_000;

/** kafkajs keeps its codec inside, without types: these are the parts used here (version 2.2.4). */
interface KafkaJsCodec {
  encodeRecord(fields: { offsetDelta: number; timestampDelta: number; key: null; value: Buffer }): unknown;
  encodeBatch(fields: {
    firstTimestamp: number;
    maxTimestamp: number;
    lastOffsetDelta: number;
    records: unknown[];
  }): Promise<{ buffer: Buffer }>;
  Decoder: new (buffer: Buffer) => object;
  decodeBatch(decoder: object): Promise<{ records: { offset: string; value: Buffer }[] }>;
}

function loadKafkaJs(): KafkaJsCodec {
  const require = createRequire(import.meta.url);
  return {
    encodeRecord: require('kafkajs/src/protocol/recordBatch/record/v0/index.js'),
    encodeBatch: require('kafkajs/src/protocol/recordBatch/v0/index.js').RecordBatch,
    Decoder: require('kafkajs/src/protocol/decoder.js'),
    decodeBatch: require('kafkajs/src/protocol/recordBatch/v0/decoder.js'),
  };
}

export const recordBatchesSuite: Suite = {
  name: 'record batches',
  async run(context) {
    for (const count of BATCH_RECORDS) {
      await runDirection(context, 'encode', count);
      await runDirection(context, 'decode', count);
    }
  },
};

async function runDirection(context: BenchmarkContext, direction: 'encode' | 'decode', count: number): Promise<void> {
  const names = { kafkajs: `${direction}/${count}`, platformatic: `${direction}-platformatic/${count}` };
  if (!wanted(context, names.kafkajs) && !wanted(context, names.platformatic)) return;
  const contenders = direction === 'encode' ? encoders(count) : await decoders(count);
  const { nanoseconds, check } = await compare(context, contenders);
  const rate = (name: string): number => 1e9 / present(nanoseconds.get(name), name);
  const value = rate('millrace');
  const shared = { unit: 'records/s', value, check };
  const rows = [
    row({ ...shared, name: names.kafkajs, baseline: 'kafkajs', baselineValue: rate('kafkajs') }),
    row({ ...shared, name: names.platformatic, baseline: '@platformatic/kafka', baselineValue: rate('platformatic') }),
  ];
  for (const each of rows) if (wanted(context, each.name)) context.report(each);
}

function inputs(count: number): EncodableRecord[] {
  return Array.from({ length: count }, (_, index) => ({
    key: null,
    value: noise(VALUE_BYTES, index + 1),
    headers: [],
    timestamp: FIRST_TIMESTAMP + index,
  }));
}

/**
 * All three are given records whose bytes are ready, and give one batch. They differ in fields that mean nothing here.
 * Ours is used as the client's producer uses it: a batch's memory is given back when the batch has been acknowledged,
 * which is here when the next one is wanted.
 */
function encoders(count: number): Contender[] {
  const records = inputs(count);
  const memory = new BatchMemory(MEMORY_BYTES_MAX);
  const encoder = new RecordBatchEncoder(loadKernels(), memory);
  let batch: Uint8Array | undefined;
  const encodeMillrace = (): Uint8Array => {
    if (batch !== undefined) memory.give(batch);
    batch = encoder.encode(records);
    return recordsOf(batch);
  };
  const kafkaJs = loadKafkaJs();
  const values = records.map(({ value, timestamp }) => ({ value: Buffer.from(value ?? []), timestamp }));
  const messages = values.map(({ value, timestamp }) => ({
    topic: 'topic',
    partition: 0,
    value,
    timestamp: BigInt(timestamp),
  }));
  const encodeKafkaJs = async (): Promise<Uint8Array> => {
    const encoded = values.map(({ value, timestamp }, offsetDelta) =>
      kafkaJs.encodeRecord({ offsetDelta, timestampDelta: timestamp - FIRST_TIMESTAMP, key: null, value }),
    );
    const { buffer } = await kafkaJs.encodeBatch({
      firstTimestamp: FIRST_TIMESTAMP,
      maxTimestamp: FIRST_TIMESTAMP + count - 1,
      lastOffsetDelta: count - 1,
      records: encoded,
    });
    return recordsOf(buffer);
  };
  return [
    { name: 'millrace', operations: count, run: encodeMillrace },
    { name: 'kafkajs', operations: count, run: encodeKafkaJs },
    {
      name: 'platformatic',
      operations: count,
      run: () => recordsOf(createRecordsBatch(messages).buffer),
    },
  ];
}

/** What follows the header; the headers differ in epochs and sequence. */
function recordsOf(batch: Uint8Array): Uint8Array {
  return batch.subarray(61);
}

/** Every record's offset is read and its value touched. Millrace checks the CRC as well; the other two do not. */
async function decoders(count: number): Promise<Contender[]> {
  const kernels = loadKernels();
  const batch = new RecordBatchEncoder(kernels).encode(inputs(count));
  const decoder = new RecordBatchDecoder(kernels);
  const buffer = Buffer.from(batch);
  const kafkaJs = loadKafkaJs();
  const decodeMillrace = (): number => {
    let sum = 0;
    for (const decoded of decoder.batches(batch)) {
      for (const { offset, value } of decoded.records()) sum += offset + (value?.[0] ?? 0);
    }
    return sum;
  };
  const decodeKafkaJs = async (): Promise<number> => {
    const fields = new kafkaJs.Decoder(buffer);
    const { records } = await kafkaJs.decodeBatch(fields);
    return records.reduce((sum, { offset, value }) => sum + Number(offset) + (value[0] ?? 0), 0);
  };
  const decodePlatformatic = (): number => {
    const { records, firstOffset } = readRecordsBatch(Reader.from(buffer));
    return records.reduce((sum, each) => sum + Number(firstOffset) + each.offsetDelta + (each.value?.[0] ?? 0), 0);
  };
  return [
    { name: 'millrace', operations: count, run: decodeMillrace },
    { name: 'kafkajs', operations: count, run: decodeKafkaJs },
    { name: 'platformatic', operations: count, run: decodePlatformatic },
  ];
}
