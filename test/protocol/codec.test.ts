// The primitives, the paths of faults, and the bounds on what a hostile frame can cost.

import { describe, expect, test } from 'vitest';
import { AssertionError } from '../../src/core/assert.ts';
import { LogFault } from '../../src/core/fault.ts';
import { FRAME_ELEMENTS_MAX } from '../../src/core/limits.ts';
import { api, type RequestInput, type RequestOf, type ResponseInput } from '../../src/protocol/api.ts';
import {
  decodeResponseFrame,
  encodeRequestFrame,
  encodeResponseFrame,
  readRequestHeader,
} from '../../src/protocol/headers.ts';
import { produce } from '../../src/protocol/messages/00-produce.ts';
import { fetch } from '../../src/protocol/messages/01-fetch.ts';
import { metadata } from '../../src/protocol/messages/03-metadata.ts';
import { describeGroups } from '../../src/protocol/messages/15-describe-groups.ts';
import { apiVersions } from '../../src/protocol/messages/18-api-versions.ts';
import { findApi } from '../../src/protocol/messages/registry.ts';
import { Reader } from '../../src/protocol/reader.ts';
import { array, boolean, int32, string, struct } from '../../src/protocol/schema.ts';
import { isUuid, parseUuid, uuidFromBytes, uuidToBytes, ZERO_UUID } from '../../src/protocol/uuid.ts';
import { flatten, Writer } from '../../src/protocol/writer.ts';
import { bytesOf, hexOf } from './golden-frames.ts';

function written(write: (writer: Writer) => void): string {
  const writer = new Writer();
  write(writer);
  return hexOf(writer.finishFlat());
}

function reader(hex: string): Reader {
  return new Reader(bytesOf(hex));
}

function faultOf(run: () => unknown): LogFault {
  try {
    run();
  } catch (error) {
    if (error instanceof LogFault) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

describe('primitives', () => {
  test.each([
    [0, '0000000000000000'],
    [-1, 'ffffffffffffffff'],
    [Number.MAX_SAFE_INTEGER, '001fffffffffffff'],
    [Number.MIN_SAFE_INTEGER, 'ffe0000000000001'],
    [4_294_967_296, '0000000100000000'],
    [-4_294_967_297, 'fffffffeffffffff'],
  ])('writes and reads the 64-bit integer %i', (value, hex) => {
    expect(written((writer) => writer.int64(value))).toBe(hex);
    expect(reader(hex).int64()).toBe(value);
    expect(reader(hex).int64Clamped()).toBe(value);
  });

  test.each(['0020000000000000', 'ffe0000000000000', '7fffffffffffffff', '8000000000000000', 'ffdfffffffffffff'])(
    'calls the 64-bit integer %s beyond 2^53 malformed, or clamps it where that is asked for',
    (hex) => {
      expect(faultOf(() => reader(hex).int64()).code).toBe('ERR_MALFORMED_FRAME');
      const nearest = hex.startsWith('0') || hex.startsWith('7') ? Number.MAX_SAFE_INTEGER : Number.MIN_SAFE_INTEGER;
      expect(reader(hex).int64Clamped()).toBe(nearest);
    },
  );

  test.each([
    [0, '00'],
    [127, '7f'],
    [128, '8001'],
    [300, 'ac02'],
    [4_294_967_295, 'ffffffff0f'],
  ])('writes and reads the unsigned varint %i', (value, hex) => {
    expect(written((writer) => writer.uvarint(value))).toBe(hex);
    expect(reader(hex).uvarint()).toBe(value);
  });

  test.each([
    [0, '00'],
    [-1, '01'],
    [1, '02'],
    [2_147_483_647, 'feffffff0f'],
    [-2_147_483_648, 'ffffffff0f'],
  ])('writes and reads the zigzag varint %i', (value, hex) => {
    expect(written((writer) => writer.varint(value))).toBe(hex);
    expect(reader(hex).varint()).toBe(value);
  });

  test('calls a varint of more than five bytes malformed', () => {
    expect(faultOf(() => reader('808080808000').uvarint()).message).toBe('a varint is longer than 5 bytes');
  });

  test('refuses numbers that do not fit their field', () => {
    const writer = new Writer();
    const misfits = [
      () => writer.int8(128),
      () => writer.int16(-32769),
      () => writer.uint16(65536),
      () => writer.int32(2_147_483_648),
      () => writer.int32(1.5),
      () => writer.int64(2 ** 53),
      () => writer.int64(Number.NaN),
      () => writer.uvarint(-1),
    ];
    for (const misfit of misfits) expect(misfit).toThrow(AssertionError);
  });

  test.each([
    '',
    'a',
    'orders',
    'x'.repeat(47),
    'x'.repeat(64),
    'x'.repeat(65),
    '日本',
    `${'a'.repeat(60)}é`,
    '\ufeffbom',
  ])('writes and reads the text %j, compact and classic', (text) => {
    for (const compact of [true, false]) {
      const bytes = bytesOf(written((writer) => writer.text(text, compact)));
      const source = new Reader(bytes);
      expect(source.text(compact ? source.compactLength() : source.int16Length())).toBe(text);
      expect(source.remaining).toBe(0);
    }
  });

  test('replaces malformed UTF-8 as Kafka does', () => {
    expect(reader('61ff62').text(3)).toBe('a\ufffdb');
  });
});

describe('uuids', () => {
  test('have the text form of Kafka', () => {
    // org.apache.kafka.common.Uuid of 0x0123456789abcdef, 0xfedcba9876543210.
    const bytes = bytesOf('0123456789abcdeffedcba9876543210');
    expect(uuidFromBytes(bytes)).toBe('ASNFZ4mrze_-3LqYdlQyEA');
    expect(uuidToBytes(uuidFromBytes(bytes))).toEqual(bytes);
    expect(ZERO_UUID).toBe('AAAAAAAAAAAAAAAAAAAAAA');
  });

  test('are parsed only from their canonical text', () => {
    expect(parseUuid('ASNFZ4mrze_-3LqYdlQyEA')).toBe('ASNFZ4mrze_-3LqYdlQyEA');
    expect(['', 'ASNFZ4mrze_-3LqYdlQyE', 'ASNFZ4mrze_-3LqYdlQyEB', 'ASNFZ4mrze/+3LqYdlQyEA'].filter(isUuid)).toEqual(
      [],
    );
  });
});

describe('faults', () => {
  test('name the frame and the path of the field', () => {
    const topic = (name: string) => ({ name, partitionData: [{ index: 0, records: new Uint8Array(9) }] });
    const request = { acks: 1, timeoutMs: 1, topicData: [topic('a'), topic('b'), topic('c')] };
    const bytes = produce.encodeRequest(request, 9);
    const at = bytes.length - 13;
    expect(bytes[at]).toBe(10);
    bytes[at] = 0x7f;
    expect(faultOf(() => produce.decodeRequest(bytes, 9)).message).toBe(
      'Produce v9 request: topicData[2].partitionData[0].records: length 126 exceeds the 12 bytes left',
    );
    expect(faultOf(() => produce.decodeRequest(bytes.subarray(0, 2), 9)).message).toBe(
      'Produce v9 request: acks: 2 bytes needed, 1 left',
    );
  });

  test('name the message and the field that a version cannot carry', () => {
    const fault = faultOf(() => metadata.encodeRequest({ topics: [], allowAutoTopicCreation: false }, 3));
    expect(fault.code).toBe('ERR_UNSUPPORTED');
    expect(fault.message).toBe('Metadata v3 request: allowAutoTopicCreation cannot be said in version 3');
  });

  test('tell of a null where the version does not allow one', () => {
    expect(faultOf(() => metadata.encodeRequest({ topics: null }, 0)).code).toBe('ERR_UNSUPPORTED');
    expect(hexOf(metadata.encodeRequest({ topics: null }, 1))).toBe('ffffffff');
    expect(faultOf(() => metadata.decodeRequest(bytesOf('ffffffff'), 0)).message).toBe(
      'Metadata v0 request: topics: null where null is not allowed',
    );
    expect(metadata.decodeRequest(bytesOf('ffffffff'), 1).topics).toBeNull();
  });

  test('tell of a tagged field whose size is not that of its content', () => {
    const value: ResponseInput<typeof apiVersions> = { errorCode: 0, apiKeys: [], finalizedFeaturesEpoch: 5 };
    const bytes = apiVersions.encodeResponse(value, 3);
    expect(hexOf(bytes)).toBe(`0000010000000001${'0108'}0000000000000005`);
    const longer = bytesOf(`0000010000000001${'0109'}000000000000000500`);
    expect(faultOf(() => apiVersions.decodeResponse(longer, 3)).message).toBe(
      'ApiVersions v3 response: finalizedFeaturesEpoch: 1 bytes are left over',
    );
    const shorter = bytesOf(`0000010000000001${'0107'}0000000000000005`);
    expect(faultOf(() => apiVersions.decodeResponse(shorter, 3)).message).toBe(
      'ApiVersions v3 response: finalizedFeaturesEpoch: 8 bytes needed, 7 left',
    );
  });
});

describe('negotiation', () => {
  test('advertises Produce from version 0, which librdkafka asks for, and does not decode it', () => {
    expect(produce.advertisedFrom).toBe(0);
    expect(produce.supports(2)).toBe(false);
    expect(produce.supports(3)).toBe(true);
    expect(fetch.advertisedFrom).toBe(fetch.versions[0]);
  });

  test('reads the header of an ApiVersions request from the future, and answers it in version 0 (KIP-511)', () => {
    const frame = bytesOf('0012006300000007000474657374000c6b61666b612d666574636800');
    const header = readRequestHeader(new Reader(frame), findApi);
    expect(header).toEqual({ apiKey: 18, apiVersion: 99, correlationId: 7, clientId: 'test' });
    const value = { errorCode: 35, apiKeys: [{ apiKey: 18, minVersion: 0, maxVersion: 4 }], finalizedFeaturesEpoch: 1 };
    const chunks = encodeResponseFrame(apiVersions, value, { version: 0, correlationId: 7 });
    expect(hexOf(flatten(chunks))).toBe(`00000007${'0023'}00000001${'001200000004'}`);
  });

  test('reads the header of an API that it does not know', () => {
    const header = readRequestHeader(new Reader(bytesOf('03e7000000000001ffff')), findApi);
    expect(header).toEqual({ apiKey: 999, apiVersion: 0, correlationId: 1, clientId: null });
  });
});

describe('hostile frames', () => {
  test('cannot ask for an array that is longer than what they hold', () => {
    const classic = bytesOf('7fffffff00000000');
    expect(faultOf(() => metadata.decodeRequest(classic, 0)).message).toBe(
      'Metadata v0 request: topics: length 2147483647 exceeds the 4 bytes left',
    );
    const compact = bytesOf('ffffffff0f00000000');
    expect(faultOf(() => metadata.decodeRequest(compact, 9)).message).toBe(
      'Metadata v9 request: topics: length 4294967294 exceeds the 4 bytes left',
    );
  });

  test('cannot ask for more elements than a frame may have, however small they are', () => {
    const count = FRAME_ELEMENTS_MAX + 1;
    const writer = new Writer();
    writer.int32(count);
    writer.raw(new Uint8Array(count * 2));
    expect(faultOf(() => describeGroups.decodeRequest(writer.finishFlat(), 0)).message).toBe(
      `DescribeGroups v0 request: groups: a frame holds at most ${FRAME_ELEMENTS_MAX} array elements`,
    );
  });

  test('cannot spread elements over nested arrays to get past that bound', () => {
    const outer = 1100;
    const inner = 1000;
    const writer = new Writer();
    writer.int32(-1);
    writer.int32(0);
    writer.int32(0);
    writer.int32(0);
    writer.int8(0);
    writer.int32(outer);
    for (let topic = 0; topic < outer; topic++) {
      writer.int16(0);
      writer.int32(inner);
      writer.raw(new Uint8Array(inner * 16));
    }
    expect(faultOf(() => fetch.decodeRequest(writer.finishFlat(), 4)).message).toMatch(
      /^Fetch v4 request: topics\[\d+\]\.partitions: a frame holds at most 1000000 array elements$/,
    );
  });

  test('leave what follows the message to the caller', () => {
    const source = new Reader(bytesOf('ffffffff0102'));
    metadata.decodeRequest(source, 1);
    expect(source.remaining).toBe(2);
  });
});

describe('records', () => {
  const frameOf = (records: Uint8Array | null) =>
    flatten(
      encodeRequestFrame(
        produce,
        { acks: -1, timeoutMs: 100, topicData: [{ name: 'orders', partitionData: [{ index: 4, records }] }] },
        { version: 9, correlationId: 1, clientId: 'test' },
      ),
    );

  function recordsOf(frame: Uint8Array): Uint8Array | null | undefined {
    const source = new Reader(frame);
    const header = readRequestHeader(source, findApi);
    return produce.decodeRequest(source, header.apiVersion).topicData[0]?.partitionData[0]?.records;
  }

  test('decode as a view that tells where in the frame they lie', () => {
    const content = Uint8Array.from({ length: 10_000 }, (_, index) => index);
    const frame = frameOf(content);
    const records = recordsOf(frame);
    expect(records?.buffer).toBe(frame.buffer);
    expect(records).toEqual(content);
    expect(frame.subarray(records?.byteOffset, (records?.byteOffset ?? 0) + content.length)).toEqual(content);
  });

  test('are null or empty, and these are distinct', () => {
    expect(recordsOf(frameOf(null))).toBeNull();
    expect(recordsOf(frameOf(new Uint8Array(0)))).toEqual(new Uint8Array(0));
  });

  test('are embedded in a response without a copy, from one byte array or several', () => {
    const parts = [new Uint8Array(5000).fill(1), new Uint8Array(10).fill(2), new Uint8Array(6000).fill(3)];
    const partition = { partitionIndex: 0, errorCode: 0, highWatermark: 9, abortedTransactions: null };
    const value = { responses: [{ topic: 'orders', partitions: [{ ...partition, records: parts }] }] };
    const chunks = encodeResponseFrame(fetch, value, { version: 11, correlationId: 6 });
    expect(chunks.some((chunk) => chunk.buffer === parts[0]?.buffer)).toBe(true);
    expect(chunks.some((chunk) => chunk.buffer === parts[2]?.buffer)).toBe(true);
    const decoded = decodeResponseFrame(fetch, 11, flatten(chunks));
    expect(decoded.correlationId).toBe(6);
    expect(decoded.body.responses[0]?.partitions[0]?.records).toEqual(flatten(parts));
  });
});

describe('the writer', () => {
  test('keeps earlier messages whole while it goes on to later ones', () => {
    const writer = new Writer(16);
    const messages = Array.from({ length: 200 }, (_, index) => {
      writer.text('message'.repeat(index % 30), true);
      writer.int32(index);
      return writer.finishFlat();
    });
    messages.forEach((message, index) => {
      const source = new Reader(message);
      expect(source.text(source.compactLength())).toBe('message'.repeat(index % 30));
      expect(source.int32()).toBe(index);
      expect(source.remaining).toBe(0);
    });
  });

  test('forgets a message that failed half-way', () => {
    const writer = new Writer();
    const options = { version: 3, correlationId: 1, writer };
    const broken = { topics: [], brokers: [{ nodeId: 2 ** 40, host: 'h', port: 1 }] };
    expect(() => encodeResponseFrame(metadata, broken, options)).toThrow(AssertionError);
    const good = encodeResponseFrame(metadata, { topics: [], brokers: [] }, options);
    expect(hexOf(flatten(good))).toBe(`00000001${'00000000'}${'00000000'}ffff${'ffffffff'}${'00000000'}`);
  });
});

describe('the tables', () => {
  const example = api({
    key: 99,
    name: 'Example',
    versions: [1, 4],
    flexibleFrom: 3,
    request: {
      names: array(string(), { nullableFrom: 2 }),
      timeoutMs: int32({ default: 1000 }),
      leader: struct({ id: int32({ default: -1 }), seen: boolean({ default: false }) }, { from: 3, tag: 0 }),
    },
    response: { cursor: struct({ at: int32() }, { from: 2, nullableFrom: 3, default: null }) },
  });

  test('take short literals, and give every field back', () => {
    const input: RequestInput<typeof example> = { names: ['a'] };
    const output: RequestOf<typeof example> = example.decodeRequest(example.encodeRequest(input, 4), 4);
    expect(output).toEqual({ names: ['a'], timeoutMs: 1000, leader: { id: -1, seen: false } });
    expect(example.decodeRequest(example.encodeRequest({ ...input, leader: { seen: true } }, 4), 4).leader).toEqual({
      id: -1,
      seen: true,
    });
  });

  test('keep a tagged struct off the wire where all in it is default', () => {
    const plain = example.encodeRequest({ names: null }, 3);
    expect(hexOf(example.encodeRequest({ names: null, leader: {} }, 3))).toBe(hexOf(plain));
    expect(hexOf(plain)).toBe('00000003e800');
  });

  test('write a null struct as a byte', () => {
    expect(hexOf(example.encodeResponse({ cursor: null }, 3))).toBe('ff00');
    expect(hexOf(example.encodeResponse({ cursor: { at: 1 } }, 3))).toBe('01000000010000');
    expect(example.decodeResponse(bytesOf('ff00'), 3)).toEqual({ cursor: null });
    expect(faultOf(() => example.encodeResponse({ cursor: null }, 2)).code).toBe('ERR_UNSUPPORTED');
  });

  test('let what decodes be encoded again', () => {
    const decoded = example.decodeRequest(example.encodeRequest({ names: [] }, 4), 4);
    expect(example.encodeRequest(decoded, 4)).toEqual(example.encodeRequest({ names: [] }, 4));
  });
});
