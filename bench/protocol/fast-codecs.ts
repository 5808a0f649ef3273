// The codecs written by hand beside the tables that they stand for, in messages per second: one record, one partition,
// the newest version in which a topic still has a name.
import { present } from '../../src/core/assert.ts';
import type { Api } from '../../src/protocol/api.ts';
import { fastProduce } from '../../src/protocol/fast/00-produce.ts';
import { fastFetch } from '../../src/protocol/fast/01-fetch.ts';
import { bodyCodec, type FastCodec } from '../../src/protocol/fast-codec.ts';
import { produce } from '../../src/protocol/messages/00-produce.ts';
import { fetch } from '../../src/protocol/messages/01-fetch.ts';
import { Reader } from '../../src/protocol/reader.ts';
import type { Encodable, Fields } from '../../src/protocol/schema.ts';
import { flatten, Writer } from '../../src/protocol/writer.ts';
import { type Contender, compare, repetitions } from '../comparison.ts';
import { noise } from '../inputs.ts';
import { type BenchmarkContext, row, type Suite, wanted } from '../row.ts';

const VERSION = 12;
const ESTIMATED_NANOSECONDS = 500;

interface Subject<Request extends Fields, Response extends Fields> {
  readonly api: Api<Request, Response>;
  readonly fast: FastCodec<Request, Response>;
  readonly request: Encodable<Request>;
  readonly response: Encodable<Response>;
}

export const fastCodecsSuite: Suite = {
  name: 'codecs written by hand',
  async run(context) {
    const records = noise(170);
    const acknowledged = { index: 3, errorCode: 0, baseOffset: 5, logAppendTimeMs: -1, logStartOffset: 2 };
    await runApi(context, {
      api: produce,
      fast: fastProduce,
      request: { acks: 1, timeoutMs: 30_000, topicData: [{ name: 'orders', partitionData: [{ index: 3, records }] }] },
      response: { responses: [{ name: 'orders', partitionResponses: [acknowledged] }] },
    });
    const asked = { partition: 3, fetchOffset: 7, partitionMaxBytes: 1 << 20 };
    const read = { partitionIndex: 3, errorCode: 0, highWatermark: 9, abortedTransactions: null, records };
    await runApi(context, {
      api: fetch,
      fast: fastFetch,
      request: {
        maxWaitMs: 500,
        minBytes: 1,
        topics: [{ topic: 'orders', partitions: [asked] }],
        forgottenTopicsData: [],
      },
      response: { responses: [{ topic: 'orders', partitions: [read] }] },
    });
  },
};

async function runApi<Request extends Fields, Response extends Fields>(
  context: BenchmarkContext,
  subject: Subject<Request, Response>,
): Promise<void> {
  const name = `protocol/${subject.api.name.toLowerCase()}`;
  await report(context, `${name}-request`, readers(context, subject));
  await report(context, `${name}-response`, writers(context, subject));
}

async function report(context: BenchmarkContext, name: string, contenders: readonly Contender[]): Promise<void> {
  if (!wanted(context, name)) return;
  const { nanoseconds, check } = await compare(context, contenders);
  const rate = (contender: string): number => 1e9 / present(nanoseconds.get(contender), contender);
  const baseline = 'table';
  context.report(
    row({ name, unit: 'messages/s', value: rate('by hand'), baseline, baselineValue: rate(baseline), check }),
  );
}

function readers<Request extends Fields, Response extends Fields>(
  context: BenchmarkContext,
  { api, fast, request }: Subject<Request, Response>,
): Contender[] {
  const bytes = api.encodeRequest(request, VERSION);
  const operations = repetitions(context, ESTIMATED_NANOSECONDS);
  return [['by hand', bodyCodec(api, fast)] as const, ['table', bodyCodec(api, undefined)] as const].map(
    ([name, codec]) => ({
      name,
      operations,
      run() {
        let last: unknown;
        for (let left = operations; left > 0; left--) last = codec.readRequest(new Reader(bytes), VERSION);
        return JSON.stringify(last);
      },
    }),
  );
}

function writers<Request extends Fields, Response extends Fields>(
  context: BenchmarkContext,
  { api, fast, response }: Subject<Request, Response>,
): Contender[] {
  const operations = repetitions(context, ESTIMATED_NANOSECONDS);
  return [['by hand', bodyCodec(api, fast)] as const, ['table', bodyCodec(api, undefined)] as const].map(
    ([name, codec]) => {
      const writer = new Writer();
      return {
        name,
        operations,
        run() {
          let last: Uint8Array[] = [];
          for (let left = operations; left > 0; left--) {
            codec.writeResponse(writer, response, VERSION);
            last = writer.finish();
          }
          return flatten(last);
        },
      };
    },
  );
}
