// The codecs written by hand beside the tables that they stand for: the same values from the same bytes, the same bytes
// from the same values, and whatever a table refuses is refused in its words. fast-check prints the seed of a failure.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { LogFault } from '../../src/core/fault.ts';
import type { Api } from '../../src/protocol/api.ts';
import { fastProduce } from '../../src/protocol/fast/00-produce.ts';
import { fastFetch } from '../../src/protocol/fast/01-fetch.ts';
import { bodyCodec, type FastCodec } from '../../src/protocol/fast-codec.ts';
import { produce } from '../../src/protocol/messages/00-produce.ts';
import { fetch } from '../../src/protocol/messages/01-fetch.ts';
import { Reader } from '../../src/protocol/reader.ts';
import type { Encodable, Fields } from '../../src/protocol/schema.ts';
import { TextCache } from '../../src/protocol/text-cache.ts';
import { Writer } from '../../src/protocol/writer.ts';
import { SEED } from '../support/seed.ts';
import { arbitraryMessage } from './arbitrary-message.ts';
import { mutated, SeededRandom } from './frame-fuzzer.ts';
import { goldenFrames, hexOf } from './golden-frames.ts';

const RUNS_PER_VERSION = 15;
const MUTATED_RUNS = 1500;

/** What reading a body gives: the value and where it ends, or the words of the fault. */
function outcome(read: (reader: Reader) => unknown, bytes: Uint8Array): unknown {
  const reader = new Reader(bytes);
  try {
    return { value: read(reader), position: reader.position };
  } catch (error) {
    if (error instanceof LogFault) return { code: error.code, message: error.message };
    throw error;
  }
}

function written(write: (writer: Writer) => void): string {
  const writer = new Writer();
  try {
    write(writer);
    return hexOf(writer.finishFlat());
  } catch (error) {
    if (error instanceof LogFault) return `${error.code}: ${error.message}`;
    throw error;
  }
}

/** What the fast codec alone gives; undefined where it declines or finds the body malformed. */
function quickly(read: () => unknown): unknown {
  try {
    return read();
  } catch (error) {
    if (error instanceof LogFault && error.code === 'ERR_MALFORMED_FRAME') return undefined;
    throw error;
  }
}

interface Subject<Request extends Fields, Response extends Fields> {
  readonly fast: FastCodec<Request, Response>;
  /** What every client says, and what it is told when all is well. */
  readonly plain: { readonly request: Encodable<Request>; readonly response: Encodable<Response> };
}

function compare<Request extends Fields, Response extends Fields>(
  api: Api<Request, Response>,
  { fast, plain }: Subject<Request, Response>,
): void {
  const codec = bodyCodec(api, fast);
  const versions = Array.from({ length: api.versions[1] - api.versions[0] + 1 }, (_, index) => api.versions[0] + index);

  test.each(versions)('reads any request of version %i as the table does', (version) => {
    const request = arbitraryMessage(api.request, version) as fc.Arbitrary<Encodable<Request>>;
    fc.assert(
      fc.property(request, (value) => {
        const bytes = api.encodeRequest(value, version);
        expect(outcome((reader) => codec.readRequest(reader, version), bytes)).toEqual(
          outcome((reader) => api.decodeRequest(reader, version), bytes),
        );
      }),
      { numRuns: RUNS_PER_VERSION },
    );
  });

  test.each(versions)('writes any response of version %i as the table does', (version) => {
    const response = arbitraryMessage(api.response, version) as fc.Arbitrary<Encodable<Response>>;
    const partial = fc.tuple(response, fc.boolean()).map(([value, all]) => (all ? value : sparse(value)));
    fc.assert(
      fc.property(partial, (value) => {
        const alone = new Writer();
        if (!fast.writeResponse(alone, value, version)) expect(alone.length).toBe(0);
        const ours = written((writer) => codec.writeResponse(writer, value, version));
        expect(ours).toBe(written((writer) => api.writeResponse(writer, value, version)));
      }),
      { numRuns: RUNS_PER_VERSION },
    );
  });

  test(`reads mutated requests as the table does, the refused ones too (MILLRACE_SEED=${SEED})`, () => {
    const random = new SeededRandom(SEED);
    const frames = goldenFrames(api).filter(({ kind }) => kind === 'request');
    let accepted = 0;
    let taken = 0;
    for (let run = 0; run < MUTATED_RUNS; run++) {
      const { bytes: whole, version } = random.pick(frames);
      const bytes = random.next(8) === 0 ? whole : mutated(whole, random);
      const table = outcome((reader) => api.decodeRequest(reader, version), bytes);
      const place = `seed ${SEED}, run ${run}: v${version} ${hexOf(bytes)}`;
      const both = outcome((reader) => codec.readRequest(reader, version), bytes);
      expect(both, place).toEqual(table);
      if (quickly(() => fast.readRequest(new Reader(bytes), version)) !== undefined) taken++;
      if (isValue(table)) accepted++;
    }
    expect(taken).toBeGreaterThan(MUTATED_RUNS / 20);
    expect(accepted).toBeLessThan(MUTATED_RUNS);
  });

  test.each(versions)('leaves the plain messages of version %i to nobody', (version) => {
    const reader = new Reader(api.encodeRequest(plain.request, version));
    expect(fast.readRequest(reader, version)).toBeDefined();
    expect(reader.remaining).toBe(0);
    expect(fast.writeResponse(new Writer(), plain.response, version)).toBe(true);
  });

  test('refuses versions that the table does not describe', () => {
    for (const version of [api.versions[0] - 1, api.versions[1] + 1]) {
      expect(outcome((reader) => codec.readRequest(reader, version), new Uint8Array(64))).toMatchObject({
        code: 'ERR_UNSUPPORTED',
      });
    }
  });
}

function isValue(result: unknown): boolean {
  return typeof result === 'object' && result !== null && 'value' in result;
}

/** The message without what a broker seldom says: tagged fields and empty lists. */
function sparse<T>(value: T): T {
  const omitted = new Set([
    'nodeEndpoints',
    'currentLeader',
    'recordErrors',
    'divergingEpoch',
    'snapshotId',
    'preferredReadReplica',
  ]);
  const plain = (each: unknown): unknown => {
    if (Array.isArray(each)) return each.map(plain);
    if (typeof each !== 'object' || each === null || each instanceof Uint8Array) return each;
    return Object.fromEntries(
      Object.entries(each)
        .filter(([name]) => !omitted.has(name))
        .map(([name, content]) => [name, plain(content)]),
    );
  };
  return plain(value) as T;
}

const records = new Uint8Array(70).fill(7);

describe('Produce', () => {
  const partition = { index: 3, errorCode: 0, baseOffset: 5, logAppendTimeMs: -1, logStartOffset: 2 };
  compare(produce, {
    fast: fastProduce,
    plain: {
      request: { acks: -1, timeoutMs: 30_000, topicData: [{ name: 'orders', partitionData: [{ index: 3, records }] }] },
      response: { responses: [{ name: 'orders', partitionResponses: [partition] }] },
    },
  });
});

describe('Fetch', () => {
  const partition = { partition: 3, fetchOffset: 7, partitionMaxBytes: 1 << 20, lastFetchedEpoch: -1 };
  const answer = { partitionIndex: 3, errorCode: 0, highWatermark: 9, abortedTransactions: null, records };
  compare(fetch, {
    fast: fastFetch,
    plain: {
      request: {
        maxWaitMs: 500,
        minBytes: 1,
        topics: [{ topic: 'orders', partitions: [partition] }],
        forgottenTopicsData: [],
      },
      response: { responses: [{ topic: 'orders', partitions: [answer] }] },
    },
  });
});

describe('a cache of texts', () => {
  const text = fc.oneof(fc.string({ maxLength: 12 }), fc.string({ unit: 'binary', maxLength: 200 }));

  test('gives what decoding gives, whatever it has seen', () => {
    const texts = new TextCache();
    fc.assert(
      fc.property(fc.array(text, { minLength: 1, maxLength: 40 }), (values) => {
        for (const value of [...values, ...values]) {
          const bytes = new TextEncoder().encode(`-${value}-`);
          const reader = new Reader(bytes, 1);
          reader.texts = texts;
          expect(reader.text(bytes.length - 2)).toBe(new Reader(bytes, 1).text(bytes.length - 2));
        }
      }),
    );
  });

  test('does not follow bytes that change after it has seen them', () => {
    const texts = new TextCache();
    const bytes = new TextEncoder().encode('orders');
    const read = (): string => {
      const reader = new Reader(bytes);
      reader.texts = texts;
      return reader.text(bytes.length);
    };
    expect(read()).toBe('orders');
    bytes[1] = 0x61;
    expect(read()).toBe('oaders');
    bytes[1] = 0x72;
    expect(read()).toBe('orders');
  });
});
