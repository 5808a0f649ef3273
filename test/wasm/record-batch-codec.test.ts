// Encoder and decoder for clients: against the oracle, against what other clients write, and against hostile bytes.
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as layout from '../../assembly/shared/batch-layout.ts';
import { STATUS_OK } from '../../assembly/shared/status.ts';
import { LogFault } from '../../src/core/fault.ts';
import { CrcTable, encodeBatch, renewCrc, stampBatch } from '../../src/wasm/oracle.ts';
import { type DecodedRecord, RecordBatchDecoder } from '../../src/wasm/record-batch-decoder.ts';
import { RecordBatchEncoder } from '../../src/wasm/record-batch-encoder.ts';
import { type PlainRecord, records, sampleRecords } from './arbitrary-records.ts';
import { BUILDS, place, utf8 } from './builds.ts';

const crc = new CrcTable();
const SAMPLE = encodeBatch(crc, sampleRecords());

interface GoldenBatch {
  readonly name: string;
  readonly producer: string;
  readonly batch: string;
  readonly records: readonly {
    timestamp: number;
    key: string | null;
    value: string | null;
    headers: readonly { key: string; value: string }[];
  }[];
}
const golden: GoldenBatch[] = JSON.parse(readFileSync(new URL('golden/batches.json', import.meta.url), 'utf8'));

function fromHex(text: string | null): Uint8Array | null {
  return text === null ? null : new Uint8Array(Buffer.from(text, 'hex'));
}

/** The record as plain data, bytes copied. */
function plain(record: DecodedRecord): PlainRecord & { offset: number } {
  const { offset, timestamp, key, value, headers } = record;
  const copy = (bytes: Uint8Array | null): Uint8Array | null => bytes && Uint8Array.from(bytes);
  const copied = headers.map((header) => ({ key: header.key, value: copy(header.value) }));
  return { offset, timestamp, key: copy(key), value: copy(value), headers: copied };
}

function concatenate(parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

function faultCode(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof LogFault) return error.code;
    throw error;
  }
  return 'none';
}

describe.each(BUILDS)('the record batch encoder on the %s', (_, make) => {
  const kernels = make();
  const encoder = new RecordBatchEncoder(kernels);

  it('writes what the oracle writes, and knows its size beforehand', () => {
    fc.assert(
      fc.property(records, (list) => {
        for (const record of list) {
          const before = encoder.byteCount;
          const size = encoder.sizeOf(record);
          encoder.append(record);
          expect(encoder.byteCount).toBe(before + size);
        }
        expect(encoder.recordCount).toBe(list.length);
        const size = encoder.byteCount;
        const batch = encoder.finish();
        expect(batch.length).toBe(size);
        expect(batch).toEqual(encodeBatch(crc, list));
        expect(encoder.recordCount).toBe(0);
      }),
    );
  });

  it.each(golden)('writes the bytes of $producer: $name', ({ batch, records: list }) => {
    const given = list.map(({ timestamp, key, value, headers }) => ({
      timestamp,
      key: fromHex(key),
      value: fromHex(value),
      headers: headers.map((header) => ({ key: header.key, value: fromHex(header.value) })),
    }));
    // Those clients send 0 where nothing is meant: leader epoch, producer epoch and base sequence.
    const encoded = encoder.encode(given, { producerEpoch: 0, baseSequence: 0 });
    expect(Buffer.from(stampBatch(encoded, 0, 0)).toString('hex')).toBe(batch);
  });

  it('writes producer fields and attributes', () => {
    const batch = encoder.encode(sampleRecords(), {
      isTransactional: true,
      isControl: true,
      producerId: 2 ** 52,
      producerEpoch: 9,
      baseSequence: 1234,
    });
    const attributes = layout.ATTRIBUTE_TRANSACTIONAL | layout.ATTRIBUTE_CONTROL;
    const fields = { attributes, producerId: 2 ** 52, producerEpoch: 9, baseSequence: 1234 };
    expect(batch).toEqual(encodeBatch(crc, sampleRecords(), fields));
  });

  it('writes lengths at every border of their varints', () => {
    for (const length of [0, 1, 23, 24, 25, 48, 57, 58, 63, 64, 65, 511, 512, 513, 8191, 8192, 1_048_575, 1_048_576]) {
      const bytes = new Uint8Array(length).fill(length);
      const list = [
        { timestamp: 1, key: bytes, value: bytes, headers: [{ key: 'k'.repeat(length % 9000), value: bytes }] },
      ];
      const batch = encoder.encode(list);
      expect(kernels.validateBatch(place(kernels, batch), batch.length)).toBe(STATUS_OK);
      if (length < 10_000) expect(batch).toEqual(encodeBatch(crc, list));
    }
  });

  it('counts header keys as TextEncoder writes them, unpaired surrogates included', () => {
    const headers = ['', 'a', 'é', '€', '😀', '\ud800', 'x\udc00y', '\ud83d\ud83d'].map((key) => ({
      key,
      value: null,
    }));
    const list = [{ timestamp: 1, key: null, value: null, headers }];
    expect(encoder.encode(list)).toEqual(encodeBatch(crc, list));
  });

  it('writes timestamps at every border of their varlongs', () => {
    const borders = [6, 13, 20, 27, 31, 32, 34, 41, 48, 51].flatMap((bits) => [
      2 ** bits - 1,
      2 ** bits,
      2 ** bits + 1,
    ]);
    const list = [0, ...borders, ...borders.map((border) => -border)].map((timestamp) => ({
      timestamp,
      key: null,
      value: null,
      headers: [],
    }));
    expect(encoder.encode(list)).toEqual(encodeBatch(crc, list));
  });

  it('gives the records part to a compressor and puts a header in front of its result', () => {
    for (const record of sampleRecords()) encoder.append(record);
    const encoded = encoder.finishRecords();
    expect(encoded.bytes).toEqual(SAMPLE.subarray(layout.BATCH_HEADER_BYTES));
    expect(encoder.assemble({ ...encoded, compression: 0 })).toEqual(SAMPLE);
    const compressed = encoder.assemble({ ...encoded, bytes: utf8('compressed'), compression: 4 });
    expect(kernels.validateBatch(place(kernels, compressed), compressed.length)).toBe(STATUS_OK);
    expect([kernels.summary.compression, kernels.summary.recordCount]).toEqual([4, encoded.recordCount]);
    expect(kernels.summary.maxTimestamp).toBe(encoded.maxTimestamp);
  });

  it('returns buffers of its own, which later batches leave alone', () => {
    const first = encoder.encode(sampleRecords(3));
    const copy = Uint8Array.from(first);
    encoder.encode(sampleRecords(70));
    expect(first).toEqual(copy);
    expect(first.buffer).toBeInstanceOf(ArrayBuffer);
    expect(first.buffer.byteLength).toBe(first.length);
  });
});

describe.each(BUILDS)('the record batch decoder on the %s', (_, make) => {
  const kernels = make();
  const decoder = new RecordBatchDecoder(kernels);
  const decode = (region: Uint8Array): ReturnType<typeof plain>[] =>
    [...decoder.batches(region)].flatMap((batch) => batch.records().map(plain));

  it('gives back what was encoded', () => {
    fc.assert(
      fc.property(records, fc.integer({ min: 0, max: 2 ** 50 }), (list, baseOffset) => {
        const region = stampBatch(encodeBatch(crc, list), baseOffset, 4);
        expect(decode(region)).toEqual(list.map((record, index) => ({ offset: baseOffset + index, ...record })));
      }),
    );
  });

  it('reads header fields', () => {
    const fields = { attributes: 0x30, producerId: 2 ** 41, producerEpoch: 2, baseSequence: 8 };
    const [batch] = [...decoder.batches(stampBatch(encodeBatch(crc, sampleRecords(), fields), 1000, 6))];
    expect(batch).toMatchObject({
      baseOffset: 1000,
      lastOffset: 1069,
      partitionLeaderEpoch: 6,
      attributes: 0x30,
      isControl: true,
      isTransactional: true,
      hasLogAppendTime: false,
      compression: 0,
      producerId: 2 ** 41,
      producerEpoch: 2,
      baseSequence: 8,
      recordCount: 70,
    });
  });

  it('leaves out a partial batch at the end, wherever it is cut', () => {
    const second = stampBatch(encodeBatch(crc, sampleRecords(2)), 70, 0);
    const region = concatenate([SAMPLE, second]);
    for (let cut = SAMPLE.length; cut <= region.length; cut++) {
      const expected = cut === region.length ? 2 : 1;
      if ([...decoder.batches(region.subarray(0, cut))].length !== expected) expect.fail(`cut at ${cut}`);
    }
  });

  it('gives every record the log append time where the batch carries it', () => {
    const batch = encodeBatch(crc, sampleRecords(3), { attributes: layout.ATTRIBUTE_LOG_APPEND_TIME });
    const max = Math.max(...sampleRecords(3).map((record) => record.timestamp));
    expect(decode(batch).map((record) => record.timestamp)).toEqual([max, max, max]);
  });

  it('reads batches with gaps, as compaction leaves them', () => {
    const batch = encodeBatch(crc, sampleRecords(3));
    new DataView(batch.buffer).setInt32(layout.BATCH_LAST_OFFSET_DELTA, 40);
    renewCrc(crc, batch);
    const [decoded] = [...decoder.batches(batch)];
    expect(decoded?.lastOffset).toBe(40);
    expect(decoded?.records().length).toBe(3);
  });

  it('refuses compressed records until they are decompressed', () => {
    const batch = encodeBatch(crc, sampleRecords(), { attributes: 1 });
    const [decoded] = [...decoder.batches(batch)];
    expect(faultCode(() => decoded?.records())).toBe('ERR_UNSUPPORTED');
    expect(decoded?.records(batch.subarray(layout.BATCH_HEADER_BYTES)).map(plain)).toEqual(decode(SAMPLE));
  });

  it('finds any corruption behind the leader epoch, and nothing worse than a fault happens without the CRC', () => {
    for (let position = layout.BATCH_MAGIC; position < SAMPLE.length; position++) {
      const region = SAMPLE.slice();
      region[position] = (region[position] ?? 0) ^ 0x41;
      if (faultCode(() => decode(region)) !== 'ERR_CORRUPT_LOG') expect.fail(`byte ${position}`);
      const unchecked = faultCode(() => {
        for (const batch of decoder.batches(region, { checkCrc: false })) batch.records(batch.recordsBytes).map(plain);
      });
      if (unchecked !== 'none' && unchecked !== 'ERR_CORRUPT_LOG') expect.fail(`byte ${position}: ${unchecked}`);
    }
  });

  it('reads a region that does not begin its buffer', () => {
    const buffer = concatenate([new Uint8Array(13), SAMPLE, new Uint8Array(5)]);
    expect(decode(buffer.subarray(13, 13 + SAMPLE.length))).toEqual(decode(SAMPLE));
  });
});
