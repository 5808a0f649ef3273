// What hostile requests are thrown at, and what must hold whatever they are: every request is answered or refused with a
// LogFault, soon; and after any of them an honest client can produce and read back what it produced.

import { ROUTES } from '../../src/broker/handlers/table.ts';
import type { ConnectionContext, RequestHandler } from '../../src/broker/request-handler.ts';
import { Client } from '../../src/client/client.ts';
import { InProcessOpener } from '../../src/client/in-process-transport.ts';
import { LogFault } from '../../src/core/fault.ts';
import { bytesOnly } from '../../src/core/file-range.ts';
import { systemClock, systemRandom } from '../../src/platform/node/clock.ts';
import { testContext } from '../net/fake-transport.ts';
import { type MemoryBroker, startMemoryBroker } from '../net/memory-broker.ts';
import { hexOf } from '../protocol/golden-frames.ts';
import { HostileRequests } from './hostile-requests.ts';

/** No frame holds this name, so that only bugs reach the topic. */
const CANARY = 'canary-in-the-mine';
/** Set for the topic itself, so that what a hostile client does to the broker's own configs leaves it alone. */
const CANARY_CONFIGS = {
  'max.message.bytes': '1048588',
  'retention.ms': '-1',
  'retention.bytes': '-1',
  'segment.bytes': '1073741824',
  'segment.ms': '604800000',
  'cleanup.policy': 'delete',
  'message.timestamp.type': 'CreateTime',
  'message.timestamp.before.max.ms': '9223372036854775807',
  'message.timestamp.after.max.ms': '9223372036854775807',
  'min.insync.replicas': '1',
  'compression.type': 'producer',
};
export const TOPIC_NAMES: readonly string[] = ['alpha', 'beta', 'gamma', 'missing', 'bad name', ''];
/** Waits that the requests themselves ask for are given up by ending the connection; no answer may take longer, on a busy
 * machine neither. None takes more than some milliseconds on one that is not. */
const ANSWER_MS_MAX = 60_000;
const FRAMES_AT_ONCE = 40;
const FRAMES_PER_BROKER = 4000;
const BYTES_GROWTH_MAX = 600 * 1024 * 1024;

export interface FuzzOptions {
  readonly seed: number;
  readonly seconds: number;
  readonly plant?: Plant;
}

export interface FuzzReport {
  readonly frames: number;
  readonly answered: number;
  readonly refused: number;
  /** APIs and versions, as `key/version`, that the broker was asked for in a header that can be read. */
  readonly asked: ReadonlySet<string>;
}

/** Every API and version that the broker serves, as `key/version`. */
export function servedVersions(): string[] {
  return ROUTES.flatMap(({ api: { key, versions } }) =>
    Array.from({ length: versions[1] - versions[0] + 1 }, (_, index) => `${key}/${versions[0] + index}`),
  );
}

/** `key/version` by a frame's header; undefined where the frame is too short to have one. */
export function askedBy(frame: Uint8Array): string | undefined {
  if (frame.length < 4) return undefined;
  const view = new DataView(frame.buffer, frame.byteOffset, frame.length);
  return `${view.getInt16(0)}/${view.getInt16(2)}`;
}

export type Plant = (broker: RequestHandler) => RequestHandler;

/** A broker under attack, with an honest client beside it. */
export class RequestTarget {
  readonly #running: MemoryBroker;
  readonly #handler: RequestHandler;
  readonly #client: Client;
  readonly #producer;
  #honestRecords = 0;
  readonly report = { frames: 0, answered: 0, refused: 0 };

  private constructor(running: MemoryBroker, plant: Plant) {
    this.#running = running;
    this.#handler = plant(running.broker);
    this.#client = new Client({
      transport: new InProcessOpener(running.broker),
      wasm: running.wasm,
      clock: systemClock,
      random: systemRandom,
    });
    this.#producer = this.#client.producer({ retries: 0 });
  }

  /** `plant` may put a bug before the broker, which has to be found. */
  static async start(plant: Plant = (broker) => broker): Promise<RequestTarget> {
    const running = await startMemoryBroker({ configs: { 'num.partitions': '2' } });
    const target = new RequestTarget(running, plant);
    const topics = [
      { topic: CANARY, numPartitions: 1, configs: CANARY_CONFIGS },
      { topic: 'alpha', numPartitions: 2 },
      { topic: 'beta', numPartitions: 1, configs: { 'segment.bytes': '2000', 'max.message.bytes': '1500' } },
    ];
    await target.#client.admin().createTopics({ topics });
    return target;
  }

  async topicIds(): Promise<string[]> {
    const places = await this.#client.admin().describeTopics();
    return places.filter(({ name }) => name !== CANARY).map(({ topicId }) => topicId);
  }

  /** Throws these frames at the broker at once, over one connection that then ends, and checks all that must hold. */
  async attack(frames: readonly Uint8Array[]): Promise<void> {
    const lifetime = new AbortController();
    const context = testContext(lifetime.signal);
    const startMs = performance.now();
    const settled = frames.map((frame) => this.#throw(frame, context));
    await Promise.race([Promise.all(settled), turns(50)]);
    lifetime.abort();
    const late = timer(ANSWER_MS_MAX);
    const outcome = await Promise.race([Promise.all(settled), late.elapsed]);
    late.cancel();
    if (outcome === 'late')
      throw new Error(`no answer for ${ANSWER_MS_MAX} ms to one of ${frames.map(hexOf).join(' ')}`);
    const elapsedMs = performance.now() - startMs;
    if (elapsedMs > ANSWER_MS_MAX) throw new Error(`${elapsedMs} ms for one of ${frames.map(hexOf).join(' ')}`);
    await this.#checkHonestClient();
  }

  async #throw(frame: Uint8Array, context: ConnectionContext): Promise<void> {
    this.report.frames += 1;
    try {
      const response = await this.#handler.handle(frame, context);
      if (response !== undefined) checkResponse(frame, bytesOnly(response.chunks), response.byteLength);
      this.report.answered += 1;
    } catch (error) {
      if (!(error instanceof LogFault)) throw new Error(`${String(error)} for ${hexOf(frame)}`, { cause: error });
      this.report.refused += 1;
    }
  }

  async #checkHonestClient(): Promise<void> {
    const value = `honest record ${this.#honestRecords}`;
    const [place] = await this.#producer.send({ topic: CANARY, records: [{ value }] });
    if (place?.offset !== this.#honestRecords) throw new Error(`offset ${place?.offset}, not ${this.#honestRecords}`);
    const consumer = this.#client.consumer({ retries: 0 });
    await consumer.assign([{ topic: CANARY, partition: 0, from: this.#honestRecords }]);
    for await (const record of consumer) {
      if (record.text() !== value || record.offset !== this.#honestRecords) throw new Error(`read ${record.text()}`);
      break;
    }
    await consumer.close();
    this.#honestRecords += 1;
  }

  async close(): Promise<void> {
    this.#client.close();
    await this.#running.close();
  }
}

/** A response repeats the correlation id, and its parts are as long as it says. */
function checkResponse(frame: Uint8Array, chunks: readonly Uint8Array[], byteLength: number): void {
  const bytes = Buffer.concat(chunks);
  if (bytes.byteLength !== byteLength)
    throw new Error(`${bytes.byteLength} bytes of ${byteLength} for ${hexOf(frame)}`);
  if (!bytes.subarray(0, 4).equals(frame.subarray(4, 8))) throw new Error(`wrong correlation id for ${hexOf(frame)}`);
}

/** Some turns of the event loop: what is not waiting for anything has been done by then. */
async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
}

function timer(ms: number): { readonly elapsed: Promise<'late'>; readonly cancel: () => void } {
  let cancel = (): void => undefined;
  const elapsed = new Promise<'late'>((resolve) => {
    const timeout = setTimeout(() => resolve('late'), ms);
    cancel = () => clearTimeout(timeout);
  });
  return { elapsed, cancel };
}

/** Attacks brokers, one after another, with frames of this seed until the time is over. Throws what does not hold. */
export async function fuzzRequests({ seed, seconds, plant }: FuzzOptions): Promise<FuzzReport> {
  const apis = ROUTES.map(({ api }) => api);
  const requests = new HostileRequests(seed, { apis, topicNames: TOPIC_NAMES });
  const totals = { frames: 0, answered: 0, refused: 0 };
  const asked = new Set<string>();
  // Every API and version comes in turn, however short the time is; what is left of it goes to random ones.
  const inTurn = requests.inTurn();
  let isThrough = false;
  const next = (): Uint8Array => {
    const turn = isThrough ? undefined : inTurn.next();
    isThrough ||= turn?.done === true;
    const frame = turn === undefined || turn.done === true ? requests.next() : turn.value;
    const header = askedBy(frame);
    if (header !== undefined) asked.add(header);
    return frame;
  };
  const endMs = performance.now() + seconds * 1000;
  const bytesBefore = process.memoryUsage().rss;
  const goesOn = (): boolean => !isThrough || performance.now() < endMs;
  while (goesOn()) {
    const target = await RequestTarget.start(plant);
    for (const id of await target.topicIds()) requests.learnTopicId(id);
    while (goesOn() && target.report.frames < FRAMES_PER_BROKER) {
      const frames = Array.from({ length: FRAMES_AT_ONCE }, next);
      await target.attack(frames).catch((error: unknown) => {
        throw new Error(`MILLRACE_SEED=${seed}: ${String(error)}`, { cause: error });
      });
    }
    await target.close();
    for (const name of ['frames', 'answered', 'refused'] as const) totals[name] += target.report[name];
    const grown = process.memoryUsage().rss - bytesBefore;
    if (grown > BYTES_GROWTH_MAX) throw new Error(`MILLRACE_SEED=${seed}: ${grown} bytes more than at the start`);
  }
  return { ...totals, asked };
}
