// Compressed batches on their way into a partition: checked as the others are, kept as they come or compressed anew.

import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import * as layout from '../../assembly/shared/batch-layout.ts';
import { type CodecName, codecNumber } from '../../src/core/compression.ts';
import { createNodeCodecs } from '../../src/platform/node/codecs.ts';
import { loadWasmModule } from '../../src/platform/node/wasm-modules.ts';
import type { LogCompression } from '../../src/storage/log-config.ts';
import { Kernels } from '../../src/wasm/kernels.ts';
import { type DecodedBatch, RecordBatchDecoder } from '../../src/wasm/record-batch-decoder.ts';
import { type BatchOptions, type EncodableRecord, RecordBatchEncoder } from '../../src/wasm/record-batch-encoder.ts';
import { goldenBatches } from '../compression/golden-batches.ts';
import { record } from '../wasm/arbitrary-records.ts';
import { memoryPartitions } from './fixture.ts';

const NAMES: readonly CodecName[] = ['gzip', 'snappy', 'lz4', 'zstd'];
const node = createNodeCodecs();
const { codecs } = node;
const kernels = Kernels.create(loadWasmModule('plain'));
const encoder = new RecordBatchEncoder(kernels);
const decoder = new RecordBatchDecoder(kernels);
const START = 1_700_000_000_000;
const KEEPS_TIME = { timestampAfterMaxMs: Number.MAX_SAFE_INTEGER };

beforeAll(() => node.load());

function recordsOf(count: number, value = 'value '.repeat(20)): EncodableRecord[] {
  return Array.from({ length: count }, (_, index) => ({
    key: null,
    value: Buffer.from(`${index} ${value}`),
    headers: [],
    timestamp: START + ((index * 7) % count),
  }));
}

type Damage = (records: Uint8Array) => Uint8Array;

/** A batch under a codec, whose records may be damaged before they are compressed, or afterwards. */
function compressed(
  name: CodecName,
  records: readonly EncodableRecord[],
  options: BatchOptions & { readonly before?: Damage; readonly after?: Damage; readonly recordCount?: number } = {},
): Uint8Array {
  for (const each of records) encoder.append(each);
  const plain = encoder.finishRecords();
  const same: Damage = (bytes) => bytes;
  const bytes = (options.after ?? same)(codecs[name].compress((options.before ?? same)(plain.bytes)));
  const recordCount = options.recordCount ?? plain.recordCount;
  return encoder.assemble({ ...plain, recordCount, bytes, compression: codecNumber(name) }, options);
}

function only(region: Uint8Array): DecodedBatch {
  const [batch, ...more] = decoder.batches(region);
  if (batch === undefined || more.length > 0) throw new Error('one batch was expected');
  return batch;
}

function contentOf(batch: DecodedBatch): Uint8Array {
  const name = NAMES.find((each) => codecNumber(each) === batch.compression);
  return name === undefined ? batch.recordsBytes : codecs[name].decompress(batch.recordsBytes, 1 << 24);
}

function valuesOf(batch: DecodedBatch): unknown[] {
  const plain = batch.compression === 0 ? undefined : contentOf(batch);
  return batch
    .records(plain)
    .map(({ offset, timestamp, key, value, headers }) => ({ offset, timestamp, key, value, headers }));
}

describe.each(NAMES)('batches under %s', (name) => {
  test('pass as they come', async () => {
    const { append, read } = await memoryPartitions({ codecs });
    const batch = compressed(name, recordsOf(50));
    expect(await append(0, batch)).toMatchObject({ outcome: 'ok', baseOffset: 0, lastOffset: 49 });
    const { records } = await read(0, 0);
    // The broker stamps base offset and leader epoch, which come before the magic.
    expect(Buffer.compare(records.subarray(layout.BATCH_MAGIC), batch.subarray(layout.BATCH_MAGIC))).toBe(0);
  });

  test('are refused where a record leads astray, with a count that is not theirs, or with bytes behind', async () => {
    const { append, executor } = await memoryPartitions({ codecs });
    const records = recordsOf(5);
    const cases: [Uint8Array, RegExp][] = [
      [compressed(name, records, { recordCount: 6 }), /record/],
      [compressed(name, records, { recordCount: 4 }), /left over|offset delta/],
      [compressed(name, records, { before: (bytes) => bytes.subarray(0, -1) }), /bounds/],
      [compressed(name, records, { before: (bytes) => Buffer.concat([bytes, bytes]) }), /left over/],
      [
        compressed(name, records, { before: (bytes) => Buffer.concat([Buffer.from([255, 255, 255, 15]), bytes]) }),
        /bounds/,
      ],
      [compressed(name, records, { recordCount: 1_000_000_000 }), /count/],
    ];
    for (const [batch, reason] of cases) {
      const reply = await append(0, batch);
      expect(reply.outcome).toBe('invalid-record');
      expect(reply.fault?.message).toMatch(reason);
    }
    expect(executor.state(0)?.logEndOffset).toBe(0);
  });

  test('are refused, not fatal, with any byte of the compressed records damaged or missing', async () => {
    const { append, executor } = await memoryPartitions({ codecs });
    const records = recordsOf(3, 'abc');
    const { length } = compressed(name, records);
    let stored = 0;
    for (let at = 0; at < length - layout.BATCH_HEADER_BYTES; at++) {
      for (const after of [
        (bytes: Uint8Array) => bytes.map((byte, index) => (index === at ? byte ^ 0x55 : byte)),
        (bytes: Uint8Array) => bytes.subarray(0, at),
      ]) {
        const { outcome } = await append(0, compressed(name, records, { after }));
        // Damage may lie where nothing is checked (gzip's time, say) or make another value; never another outcome.
        expect(['ok', 'invalid-record']).toContain(outcome);
        if (outcome === 'ok') stored += 3;
      }
    }
    expect(executor.state(0)?.logEndOffset).toBe(stored);
    expect((await append(0, compressed(name, records))).baseOffset).toBe(stored);
  });

  test('are bounded in what they become', async () => {
    const { append } = await memoryPartitions({ codecs, config: { maxMessageBytes: 1 << 30 } });
    const bomb = codecs[name].compress(new Uint8Array(300 * 1024 * 1024));
    const reply = await append(0, compressed(name, recordsOf(1), { after: () => bomb }));
    expect(reply.outcome).toBe('invalid-record');
  });

  test('keep the times that their records have, whatever their header says', async () => {
    const { append, read } = await memoryPartitions({ codecs, config: KEEPS_TIME });
    for (const each of recordsOf(10)) encoder.append(each);
    const plain = encoder.finishRecords();
    const bytes = codecs[name].compress(plain.bytes);
    const wrong = encoder.assemble({
      ...plain,
      bytes,
      maxTimestamp: START + 1_000_000,
      compression: codecNumber(name),
    });
    expect((await append(0, wrong)).outcome).toBe('ok');
    expect(only((await read(0, 0)).records).maxTimestamp).toBe(START + 9);
  });

  test('with times too far ahead are refused, though the header hides them', async () => {
    const { append } = await memoryPartitions({ codecs });
    encoder.append({ key: null, value: null, headers: [], timestamp: Date.now() + 7_200_000 });
    const plain = encoder.finishRecords();
    const hidden = { ...plain, maxTimestamp: START, bytes: codecs[name].compress(plain.bytes) };
    const reply = await append(0, encoder.assemble({ ...hidden, compression: codecNumber(name) }));
    expect(reply.outcome).toBe('invalid-timestamp');
  });

  test('answer lookups by time with the record itself', async () => {
    const { append, executor } = await memoryPartitions({ codecs, config: KEEPS_TIME });
    await append(0, compressed(name, recordsOf(10)));
    await append(
      0,
      compressed(
        name,
        recordsOf(10).map((each) => ({ ...each, timestamp: each.timestamp + 1000 })),
      ),
    );
    const look = async (timestamp: number) => {
      const { offset, timestamp: at } = await executor.listOffset({
        handle: 0,
        timestamp,
        end: 'high-watermark',
        currentLeaderEpoch: -1,
      });
      return [offset, at - START];
    };
    // Times are 0 7 4 1 8 5 2 9 6 3 in each batch.
    expect(await look(START + 8)).toEqual([4, 8]);
    expect(await look(START + 9)).toEqual([7, 9]);
    expect(await look(START + 10)).toEqual([10, 1000]);
    expect(await look(START + 1009)).toEqual([17, 1009]);
    expect(await look(START + 1010)).toEqual([-1, -1 - START]);
    expect(await look(-3)).toEqual([17, 1009]);
  });
});

describe('compression.type', () => {
  const targets: readonly LogCompression[] = [
    { type: 'uncompressed', level: undefined },
    { type: 'gzip', level: 9 },
    { type: 'snappy', level: undefined },
    { type: 'lz4', level: undefined },
    { type: 'zstd', level: -5 },
  ];
  const order: readonly string[] = NAMES;
  const numberOf = ({ type }: LogCompression): number => order.indexOf(type) + 1;

  test.each(targets)(
    '$type compresses every batch anew that is not so already, and changes nothing else',
    async (compression) => {
      const { append, read } = await memoryPartitions({ codecs, config: { compression, ...KEEPS_TIME } });
      await fc.assert(
        fc.asyncProperty(
          fc.array(record, { minLength: 1, maxLength: 20 }),
          fc.constantFrom(undefined, ...NAMES),
          async (list, from) => {
            const records = list.map((each) => ({ ...each, timestamp: Math.max(0, each.timestamp % 2 ** 40) }));
            const options = { producerId: -1, producerEpoch: -1, baseSequence: -1 };
            const batch = from === undefined ? encoder.encode(records, options) : compressed(from, records, options);
            const { outcome, baseOffset } = await append(0, batch);
            expect(outcome).toBe('ok');
            const stored = only(firstBatch((await read(0, baseOffset)).records));
            expect(stored.compression).toBe(numberOf(compression));
            const sent = only(batch);
            expect(Buffer.compare(contentOf(stored), contentOf(sent))).toBe(0);
            expect(stored.baseOffset).toBe(baseOffset);
            expect([stored.recordCount, stored.baseTimestamp, stored.maxTimestamp]).toEqual([
              sent.recordCount,
              sent.baseTimestamp,
              sent.maxTimestamp,
            ]);
            expect(valuesOf(stored)).toHaveLength(records.length);
          },
        ),
        { numRuns: 40 },
      );
    },
  );

  test('keeps a batch that is under the codec already, byte for byte', async () => {
    const { append, read } = await memoryPartitions({ codecs, config: { compression: { type: 'gzip', level: 1 } } });
    const batch = compressed('gzip', recordsOf(20));
    await append(0, batch);
    const { records } = await read(0, 0);
    expect(Buffer.compare(records.subarray(layout.BATCH_MAGIC), batch.subarray(layout.BATCH_MAGIC))).toBe(0);
  });

  test('keeps what says who sent the batch, so that a repetition is known', async () => {
    const { append, read } = await memoryPartitions({
      codecs,
      config: { compression: { type: 'lz4', level: undefined } },
    });
    const options = { producerId: 77, producerEpoch: 2, baseSequence: 0, isTransactional: true };
    const batch = compressed('zstd', recordsOf(9), options);
    expect(await append(0, batch)).toMatchObject({ outcome: 'ok', baseOffset: 0 });
    expect(await append(0, batch)).toMatchObject({ outcome: 'ok', baseOffset: 0, lastOffset: 8 });
    const stored = only((await read(0, 0)).records);
    expect(stored).toMatchObject({
      producerId: 77,
      producerEpoch: 2,
      baseSequence: 0,
      isTransactional: true,
      compression: 3,
    });
  });

  test('goes together with the time of the append', async () => {
    const config = { compression: { type: 'zstd', level: 3 }, stampsLogAppendTime: true } as const;
    const { append, read } = await memoryPartitions({ codecs, config });
    const reply = await append(0, encoder.encode(recordsOf(5)));
    const stored = only((await read(0, 0)).records);
    expect([stored.compression, stored.hasLogAppendTime, stored.maxTimestamp]).toEqual([
      4,
      true,
      reply.logAppendTimeMs,
    ]);
    expect(valuesOf(stored)).toHaveLength(5);
  });

  test('lets no batch grow above max.message.bytes', async () => {
    const config = { compression: { type: 'uncompressed', level: undefined }, maxMessageBytes: 2000 } as const;
    const { append, executor } = await memoryPartitions({ codecs, config });
    const batch = compressed('gzip', recordsOf(200, 'x'));
    expect(batch.length).toBeLessThan(2000);
    const reply = await append(0, batch);
    expect(reply.outcome).toBe('message-too-large');
    expect(reply.fault?.message).toMatch(/compression\.type.*max\.message\.bytes allows 2000/);
    expect(executor.state(0)?.logEndOffset).toBe(0);
    expect((await append(0, compressed('gzip', recordsOf(10, 'x')))).outcome).toBe('ok');
  });

  test('is refused where there are no codecs, and what comes passes unread there', async () => {
    const without = await memoryPartitions({ config: { compression: { type: 'gzip', level: -1 } } });
    expect((await without.append(0, encoder.encode(recordsOf(1)))).outcome).toBe('unsupported-compression');
    const { append } = await memoryPartitions();
    expect((await append(0, compressed('zstd', recordsOf(1)))).outcome).toBe('ok');
  });
});

test.each(goldenBatches())(
  "takes and recodes what Kafka's Java client sends: $codec $level, $records",
  async ({ batch, codec }) => {
    const { append, read } = await memoryPartitions({ codecs });
    expect((await append(0, batch)).outcome).toBe('ok');
    expect(only((await read(0, 0)).records).compression).toBe(codecNumber(codec));
    const plain = await memoryPartitions({
      codecs,
      config: { compression: { type: 'uncompressed', level: undefined } },
    });
    expect((await plain.append(0, batch)).outcome).toBe('ok');
    expect(Buffer.compare(contentOf(only((await plain.read(0, 0)).records)), contentOf(only(batch)))).toBe(0);
  },
);

function firstBatch(region: Uint8Array): Uint8Array {
  const view = new DataView(region.buffer, region.byteOffset, region.length);
  return region.subarray(0, view.getInt32(layout.BATCH_LENGTH) + layout.BATCH_LENGTH_OVERHEAD);
}
