// Checking, stamping and walking record batches: both builds against the oracle and against what clients send.
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import * as layout from '../../assembly/shared/batch-layout.ts';
import * as status from '../../assembly/shared/status.ts';
import type { Kernels } from '../../src/wasm/kernels.ts';
import {
  CrcTable,
  checkStoredBatch,
  decodeRecords,
  encodeBatch,
  type OracleSummary,
  type OracleVerdict,
  renewCrc,
  stampBatch,
  stampLogAppendTime,
  validateBatch,
} from '../../src/wasm/oracle.ts';
import { records, sampleRecords } from './arbitrary-records.ts';
import { BUILDS, place, utf8 } from './builds.ts';

const crc = new CrcTable();

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

function summaryOf(kernels: Kernels): OracleSummary {
  const { summary } = kernels;
  return {
    baseOffset: summary.baseOffset,
    batchBytes: summary.batchBytes,
    partitionLeaderEpoch: summary.partitionLeaderEpoch,
    attributes: summary.attributes,
    lastOffsetDelta: summary.lastOffsetDelta,
    baseTimestamp: summary.baseTimestamp,
    maxTimestamp: summary.maxTimestamp,
    recordsMaxTimestamp: summary.recordsMaxTimestamp,
    offsetDeltaOfMaxTimestamp: summary.offsetDeltaOfMaxTimestamp,
    producerId: summary.producerId,
    producerEpoch: summary.producerEpoch,
    baseSequence: summary.baseSequence,
    recordCount: summary.recordCount,
    hasKeylessRecord: summary.hasKeylessRecord,
  };
}

function verdict(kernels: Kernels, check: 'validateBatch' | 'checkStoredBatch', bytes: Uint8Array): OracleVerdict {
  const code = kernels[check](place(kernels, bytes), bytes.length);
  return code === status.STATUS_OK ? { status: code, summary: summaryOf(kernels) } : { status: code };
}

/** Kernel and oracle say the same of these bytes; returns the status of the producer's rules and leaves its summary. */
function agree(kernels: Kernels, bytes: Uint8Array): number {
  expect(verdict(kernels, 'checkStoredBatch', bytes)).toEqual(checkStoredBatch(crc, bytes));
  const validated = verdict(kernels, 'validateBatch', bytes);
  expect(validated).toEqual(validateBatch(crc, bytes));
  return validated.status;
}

/** A copy with a change made by `edit`, and the CRC that follows from it. */
function edited(batch: Uint8Array, edit: (view: DataView) => void): Uint8Array {
  const copy = batch.slice();
  edit(new DataView(copy.buffer));
  renewCrc(crc, copy);
  return copy;
}

/** A batch whose records part is exactly these bytes. */
function batchOf(recordBytes: readonly number[], count: number): Uint8Array {
  const batch = new Uint8Array(layout.BATCH_HEADER_BYTES + recordBytes.length);
  const empty = encodeBatch(crc, [{ timestamp: 1000, key: null, value: null, headers: [] }]);
  batch.set(empty.subarray(0, layout.BATCH_HEADER_BYTES));
  batch.set(recordBytes, layout.BATCH_HEADER_BYTES);
  return edited(batch, (view) => {
    view.setInt32(layout.BATCH_LENGTH, batch.length - layout.BATCH_LENGTH_OVERHEAD);
    view.setInt32(layout.BATCH_RECORD_COUNT, count);
    view.setInt32(layout.BATCH_LAST_OFFSET_DELTA, count - 1);
  });
}

const SAMPLE = encodeBatch(crc, sampleRecords());

describe.each(BUILDS)('record batches in the %s', (_, make) => {
  const kernels = make();

  it.each(golden)('accepts what $producer sends: $name', ({ batch, records: expected }) => {
    const bytes = new Uint8Array(Buffer.from(batch, 'hex'));
    expect(agree(kernels, bytes)).toBe(status.STATUS_OK);
    expect(kernels.summary.recordCount).toBe(expected.length);
    const decoded = decodeRecords(bytes).map(({ timestamp, key, value, headers }) => ({
      timestamp,
      key: key && Buffer.from(key).toString('hex'),
      value: value && Buffer.from(value).toString('hex'),
      headers: headers.map((header) => ({ key: header.key, value: Buffer.from(header.value ?? []).toString('hex') })),
    }));
    expect(decoded).toEqual(expected);
  });

  it('reports what a batch says of itself', () => {
    const attributes = layout.ATTRIBUTE_TRANSACTIONAL | layout.ATTRIBUTE_CONTROL | layout.ATTRIBUTE_LOG_APPEND_TIME;
    const fields = { attributes, producerId: 2 ** 40, producerEpoch: 3, baseSequence: 77 };
    const list = [
      { timestamp: 50, key: utf8('a'), value: null, headers: [] },
      { timestamp: 90, key: utf8('a'), value: null, headers: [] },
      { timestamp: 90, key: utf8('a'), value: null, headers: [] },
      { timestamp: 10, key: utf8('a'), value: null, headers: [] },
    ];
    expect(agree(kernels, stampBatch(encodeBatch(crc, list, fields), 2 ** 45, 12))).toBe(status.STATUS_OK);
    const { summary } = kernels;
    expect([summary.isControl, summary.isTransactional, summary.hasLogAppendTime]).toEqual([true, true, true]);
    expect([summary.baseOffset, summary.lastOffset, summary.partitionLeaderEpoch]).toEqual([2 ** 45, 2 ** 45 + 3, 12]);
    expect([summary.producerId, summary.producerEpoch, summary.baseSequence]).toEqual([2 ** 40, 3, 77]);
    expect([summary.recordsMaxTimestamp, summary.offsetDeltaOfMaxTimestamp]).toEqual([90, 1]);
    expect(summary.hasKeylessRecord).toBe(false);
    expect(agree(kernels, encodeBatch(crc, sampleRecords()))).toBe(status.STATUS_OK);
    expect(summary.hasKeylessRecord).toBe(true);
    expect([summary.isControl, summary.isTransactional, summary.hasLogAppendTime]).toEqual([false, false, false]);
  });

  it('agrees with the oracle on arbitrary batches', () => {
    fc.assert(
      fc.property(records, fc.boolean(), (list, idempotent) => {
        const fields = idempotent ? { producerId: 9, producerEpoch: 0, baseSequence: 5 } : {};
        return agree(kernels, encodeBatch(crc, list, fields)) === status.STATUS_OK;
      }),
    );
  });

  it('finds a corruption of any byte', () => {
    const pointer = place(kernels, SAMPLE);
    for (let position = 0; position < SAMPLE.length; position++) {
      // Base offset and leader epoch lie outside of the CRC: the broker sets them.
      if (position < layout.BATCH_LENGTH) continue;
      if (position >= layout.BATCH_LEADER_EPOCH && position < layout.BATCH_MAGIC) continue;
      for (const flip of [1, 0x80, 0xff]) {
        kernels.bytes()[pointer + position] = (SAMPLE[position] ?? 0) ^ flip;
        if (kernels.validateBatch(pointer, SAMPLE.length) === status.STATUS_OK)
          expect.fail(`byte ${position} of produce`);
        if (kernels.checkStoredBatch(pointer, SAMPLE.length) === status.STATUS_OK)
          expect.fail(`byte ${position} of log`);
      }
      kernels.bytes()[pointer + position] = SAMPLE[position] ?? 0;
    }
    expect(kernels.validateBatch(pointer, SAMPLE.length)).toBe(status.STATUS_OK);
  });

  it('finds a truncation at any byte', () => {
    const pointer = place(kernels, SAMPLE);
    for (let length = 0; length < SAMPLE.length; length++) {
      if (kernels.validateBatch(pointer, length) !== status.STATUS_TRUNCATED) expect.fail(`${length} bytes`);
      if (kernels.checkStoredBatch(pointer, length) !== status.STATUS_TRUNCATED) expect.fail(`${length} bytes`);
      if (kernels.batchBytes(pointer, length) !== 0) expect.fail(`${length} bytes`);
    }
    expect(kernels.batchBytes(pointer, SAMPLE.length)).toBe(SAMPLE.length);
  });

  it('says the same as the oracle when a byte of a record changes and the CRC is right again', () => {
    const seen = new Set<number>();
    const batch = encodeBatch(crc, sampleRecords(7));
    for (let position = layout.BATCH_LENGTH; position < batch.length; position++) {
      for (const value of [0, 1, 0x7f, 0x80, 0xff, (batch[position] ?? 0) ^ 2]) {
        const changed = edited(batch, (view) => view.setUint8(position, value));
        seen.add(agree(kernels, changed));
      }
    }
    for (const code of [status.STATUS_OK, status.STATUS_RECORD, status.STATUS_COUNT, status.STATUS_FIELD_RANGE]) {
      expect(seen).toContain(code);
    }
  });

  it('says the same as the oracle on arbitrary bytes behind a right header', () => {
    const small = fc.oneof(fc.constantFrom(0, 1, 2, 12, 14, 16, 0x80, 0xff), fc.integer({ min: 0, max: 255 }));
    fc.assert(
      fc.property(fc.array(small, { maxLength: 60 }), fc.integer({ min: 1, max: 4 }), (bytes, count) => {
        agree(kernels, batchOf(bytes, count));
      }),
      { numRuns: 2000 },
    );
  });

  const REFUSED: readonly (readonly [string, number, (view: DataView) => void])[] = [
    ['a length below the header', status.STATUS_LENGTH, (view) => view.setInt32(layout.BATCH_LENGTH, 48)],
    ['a negative length', status.STATUS_LENGTH, (view) => view.setInt32(layout.BATCH_LENGTH, -1)],
    ['the largest length', status.STATUS_LENGTH, (view) => view.setInt32(layout.BATCH_LENGTH, 0x7fffffff)],
    ['magic 1', status.STATUS_MAGIC, (view) => view.setInt8(layout.BATCH_MAGIC, 1)],
    ['compression codec 5', status.STATUS_ATTRIBUTES, (view) => view.setInt16(layout.BATCH_ATTRIBUTES, 5)],
    ['a delete horizon', status.STATUS_ATTRIBUTES, (view) => view.setInt16(layout.BATCH_ATTRIBUTES, 64)],
    ['an unknown attribute', status.STATUS_ATTRIBUTES, (view) => view.setInt16(layout.BATCH_ATTRIBUTES, 0x80)],
    [
      'the sign bit of the attributes',
      status.STATUS_ATTRIBUTES,
      (view) => view.setUint16(layout.BATCH_ATTRIBUTES, 0x8000),
    ],
    ['no records', status.STATUS_COUNT, (view) => view.setInt32(layout.BATCH_RECORD_COUNT, 0)],
    ['fewer than no records', status.STATUS_COUNT, (view) => view.setInt32(layout.BATCH_RECORD_COUNT, -1)],
    [
      'a wrong last offset delta',
      status.STATUS_OFFSET_DELTA,
      (view) => view.setInt32(layout.BATCH_LAST_OFFSET_DELTA, 0),
    ],
    [
      'a negative last offset delta',
      status.STATUS_OFFSET_DELTA,
      (view) => view.setInt32(layout.BATCH_LAST_OFFSET_DELTA, -1),
    ],
    [
      'a base timestamp beyond 2^53',
      status.STATUS_FIELD_RANGE,
      (view) => view.setBigInt64(layout.BATCH_BASE_TIMESTAMP, 2n ** 60n),
    ],
    [
      'a max timestamp below -2^53',
      status.STATUS_FIELD_RANGE,
      (view) => view.setBigInt64(layout.BATCH_MAX_TIMESTAMP, -(2n ** 62n)),
    ],
    [
      'a producer id beyond 2^53',
      status.STATUS_FIELD_RANGE,
      (view) => view.setBigInt64(layout.BATCH_PRODUCER_ID, 2n ** 53n),
    ],
    [
      'a base offset beyond 2^53',
      status.STATUS_FIELD_RANGE,
      (view) => view.setBigInt64(layout.BATCH_BASE_OFFSET, 2n ** 53n),
    ],
    [
      'a last offset beyond 2^53',
      status.STATUS_FIELD_RANGE,
      (view) => view.setBigInt64(layout.BATCH_BASE_OFFSET, 2n ** 53n - 2n),
    ],
  ];
  it.each(REFUSED)('refuses %s with its own status', (_name, expected, edit) => {
    expect(agree(kernels, edited(SAMPLE, edit))).toBe(expected);
  });

  it('refuses more records than the bytes can hold without reading them', () => {
    const batch = edited(SAMPLE, (view) => {
      view.setInt32(layout.BATCH_RECORD_COUNT, 0x7fffffff);
      view.setInt32(layout.BATCH_LAST_OFFSET_DELTA, 0x7ffffffe);
    });
    expect(agree(kernels, batch)).toBe(status.STATUS_COUNT);
  });

  const MALFORMED: readonly (readonly [string, number, number, readonly number[]])[] = [
    ['a sound record', status.STATUS_OK, 1, [12, 0, 0, 0, 1, 1, 0]],
    ['bytes behind the last record', status.STATUS_TRAILING_BYTES, 1, [12, 0, 0, 0, 1, 1, 0, 0]],
    ['bytes inside of a record behind its headers', status.STATUS_RECORD, 1, [14, 0, 0, 0, 1, 1, 0, 0]],
    ['a record longer than the batch', status.STATUS_RECORD, 1, [14, 0, 0, 0, 1, 1, 0]],
    ['a record of negative length', status.STATUS_RECORD, 1, [1, 0, 0, 0, 1, 1, 0]],
    ['a key of length -2', status.STATUS_RECORD, 1, [12, 0, 0, 0, 3, 1, 0]],
    ['a value of length -2', status.STATUS_RECORD, 1, [12, 0, 0, 0, 1, 3, 0]],
    ['a key that leaves the record', status.STATUS_RECORD, 1, [12, 0, 0, 0, 8, 1, 0]],
    ['a negative header count', status.STATUS_RECORD, 1, [12, 0, 0, 0, 1, 1, 1]],
    ['a header without a key', status.STATUS_RECORD, 1, [16, 0, 0, 0, 1, 1, 2, 1, 0]],
    ['a header that leaves the record', status.STATUS_RECORD, 1, [16, 0, 0, 0, 1, 1, 2, 0, 4]],
    ['a header count beyond the record', status.STATUS_RECORD, 1, [16, 0, 0, 0, 1, 1, 126, 0, 0]],
    ['a first offset delta of 1', status.STATUS_RECORD, 1, [12, 0, 0, 2, 1, 1, 0]],
    ['an offset delta that comes twice', status.STATUS_RECORD, 2, [12, 0, 0, 0, 1, 1, 0, 12, 0, 0, 0, 1, 1, 0]],
    ['a varint of 6 bytes', status.STATUS_RECORD, 1, [24, 0, 0, 0, 0x80, 0x80, 0x80, 0x80, 0x80, 0, 1, 0, 0]],
    ['a varint beyond 32 bits', status.STATUS_RECORD, 1, [20, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x1f, 1, 0]],
    ['an over-long but right varint', status.STATUS_OK, 1, [14, 0, 0, 0x80, 0, 1, 1, 0]],
    [
      'a timestamp delta beyond 2^53',
      status.STATUS_FIELD_RANGE,
      1,
      [30, 0, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0, 1, 1, 0],
    ],
    [
      'a timestamp delta of 11 bytes',
      status.STATUS_RECORD,
      1,
      [32, 0, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0, 1, 1, 0],
    ],
  ];
  it.each(MALFORMED)('judges %s rightly', (_name, expected, count, bytes) => {
    expect(agree(kernels, batchOf(bytes, count))).toBe(expected);
  });

  it('takes compressed batches by their headers alone', () => {
    for (let codec = 1; codec <= layout.COMPRESSION_CODEC_LAST; codec++) {
      const batch = edited(batchOf([1, 2, 3], 5), (view) => view.setInt16(layout.BATCH_ATTRIBUTES, codec));
      expect(agree(kernels, batch)).toBe(status.STATUS_OK);
      expect(kernels.summary.compression).toBe(codec);
      expect(kernels.summary.offsetDeltaOfMaxTimestamp).toBe(4);
    }
  });

  it('takes batches with gaps, empty ones and delete horizons from the log, but not from producers', () => {
    const gap = edited(SAMPLE, (view) => view.setInt32(layout.BATCH_LAST_OFFSET_DELTA, 500));
    expect(agree(kernels, gap)).toBe(status.STATUS_OFFSET_DELTA);
    expect(verdict(kernels, 'checkStoredBatch', gap).status).toBe(status.STATUS_OK);
    const empty = edited(batchOf([], 0), (view) => view.setInt32(layout.BATCH_LAST_OFFSET_DELTA, 3));
    expect(agree(kernels, empty)).toBe(status.STATUS_COUNT);
    expect(verdict(kernels, 'checkStoredBatch', empty).status).toBe(status.STATUS_OK);
    const horizon = edited(SAMPLE, (view) => view.setInt16(layout.BATCH_ATTRIBUTES, layout.ATTRIBUTE_DELETE_HORIZON));
    expect(verdict(kernels, 'checkStoredBatch', horizon).status).toBe(status.STATUS_OK);
  });

  it('stamps base offset and leader epoch outside of the CRC', () => {
    const pointer = place(kernels, SAMPLE);
    for (const offset of [0, 1, 2 ** 31, 2 ** 52 + 1]) {
      kernels.stampBatch(pointer, offset, 5);
      const stamped = kernels.bytes().slice(pointer, pointer + SAMPLE.length);
      expect(stamped).toEqual(stampBatch(SAMPLE, offset, 5));
      expect(agree(kernels, stamped)).toBe(status.STATUS_OK);
    }
  });

  it('stamps the log append time with a CRC that follows', () => {
    const pointer = place(kernels, SAMPLE);
    for (const timestamp of [0, 1_800_000_000_123, 2 ** 52]) {
      kernels.stampLogAppendTime(pointer, timestamp);
      const stamped = kernels.bytes().slice(pointer, pointer + SAMPLE.length);
      expect(stamped).toEqual(stampLogAppendTime(crc, SAMPLE, timestamp));
      expect(agree(kernels, stamped)).toBe(status.STATUS_OK);
      expect(kernels.summary.hasLogAppendTime).toBe(true);
      place(kernels, SAMPLE);
    }
  });

  it('walks a region of batches and stops at a partial one', () => {
    const batches = [3, 1, 8].map((count) => encodeBatch(crc, sampleRecords(count)));
    const region = new Uint8Array(batches.reduce((sum, batch) => sum + batch.length, 0));
    const starts: number[] = [];
    let offset = 100;
    let position = 0;
    for (const batch of batches) {
      starts.push(position);
      region.set(stampBatch(batch, offset, 0), position);
      position += batch.length;
      offset += new DataView(batch.buffer).getInt32(layout.BATCH_RECORD_COUNT);
    }
    const pointer = place(kernels, region);
    for (let available = 0; available <= region.length; available++) {
      const whole = [...starts, region.length].filter((start) => start <= available);
      if (kernels.wholeBatchesBytes(pointer, available) !== Math.max(...whole)) expect.fail(`${available} bytes`);
    }
    const found = [99, 100, 102, 103, 104, 111].map((target) => kernels.findBatch(pointer, region.length, target));
    expect(found).toEqual([starts[0], starts[0], starts[0], starts[1], starts[2], starts[2]]);
    expect(kernels.findBatch(pointer, region.length, 112)).toBe(-1);
    expect(kernels.findBatch(pointer, region.length - 1, 104)).toBe(-1);
    const broken = place(
      kernels,
      edited(SAMPLE, (view) => view.setInt32(layout.BATCH_LENGTH, 3)),
    );
    expect(kernels.batchBytes(broken, SAMPLE.length)).toBe(-1);
    expect(kernels.wholeBatchesBytes(broken, SAMPLE.length)).toBe(0);
  });
});
