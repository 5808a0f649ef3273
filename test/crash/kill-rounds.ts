// Rounds of SIGKILL under load: several producers write numbered records and note what was acknowledged; the broker is
// killed at a random moment and started again on the same directory. At the end every acknowledged record must be where
// the broker said, no record may be there twice, each producer's records must be in order, and the log must pass its
// own check. Two kinds of producers: the bare frame client never retries, so that a record which is there twice is the
// broker's doing; the project's own client retries through every kill, so that all it sends must be there once.

import { readdirSync } from 'node:fs';
import { NodeStore } from '../../src/platform/node/node-store.ts';
import { loadWasmModule } from '../../src/platform/node/wasm-modules.ts';
import { produce } from '../../src/protocol/messages/00-produce.ts';
import { fetch } from '../../src/protocol/messages/01-fetch.ts';
import { createTopics } from '../../src/protocol/messages/19-create-topics.ts';
import { checkLog } from '../../src/storage/log-dump.ts';
import { Kernels } from '../../src/wasm/kernels.ts';
import { RecordBatchDecoder } from '../../src/wasm/record-batch-decoder.ts';
import { RecordBatchEncoder } from '../../src/wasm/record-batch-encoder.ts';
import { BrokerProcess } from '../support/broker-process.ts';
import { FrameClient } from '../support/frame-client.ts';
import { freePort } from '../support/free-port.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import { type Acknowledged, ClientWriters } from './client-writers.ts';

const TOPIC = 'kill-rounds';
const PARTITIONS = 3;
const PRODUCERS = 4;
const IN_FLIGHT = 8;
const PRODUCE_VERSION = 9;
const FETCH_VERSION = 11;

/** A broker process that can be killed. */
export interface KillableBroker {
  /** `ws://HOST:PORT`. */
  readonly url: string;
  /** Everything that it has printed. */
  readonly output: string;
  stop(signal: 'SIGTERM' | 'SIGKILL'): Promise<unknown>;
}

export interface KillableOptions {
  readonly dataDirectory: string;
  readonly http: { readonly host: string; readonly port: number };
  readonly config: Readonly<Record<string, string>>;
}

export interface KillRoundsOptions {
  readonly dataDirectory: string;
  readonly rounds: number;
  readonly seed: number;
  readonly writers: 'frames' | 'client';
  readonly onRound?: (round: number, acknowledged: number) => void;
  /** Starts the broker; by default the built one in Node. */
  readonly start?: (options: KillableOptions) => Promise<KillableBroker>;
}

function startInNode({ dataDirectory, http, config }: KillableOptions): Promise<KillableBroker> {
  const settings = Object.entries(config).flatMap(([key, value]) => ['--set', `${key}=${value}`]);
  return BrokerProcess.start({ dataDirectory, http: `${http.host}:${http.port}`, arguments: settings });
}

export interface KillRoundsResult {
  readonly rounds: number;
  readonly acknowledged: number;
  readonly stored: number;
  /** Anything that must not be, in words. Empty when all is well. */
  readonly violations: readonly string[];
}

export async function runKillRounds(options: KillRoundsOptions): Promise<KillRoundsResult> {
  const run = new KillRounds(options);
  return run.run();
}

class KillRounds {
  readonly #options: KillRoundsOptions;
  readonly #random: SeededRandom;
  readonly #kernels = Kernels.create(loadWasmModule('plain'));
  readonly #decoder = new RecordBatchDecoder(this.#kernels);
  readonly #acknowledged: Acknowledged[] = [];
  #sequence = 0;
  /** Where the broker listens: the own client looks for it in the same place after every kill. */
  #port: number | undefined;
  #writers: ClientWriters | undefined;
  #onAcknowledged = (): void => undefined;

  constructor(options: KillRoundsOptions) {
    this.#options = options;
    this.#random = new SeededRandom(options.seed);
  }

  async run(): Promise<KillRoundsResult> {
    const { rounds, onRound } = this.#options;
    for (let round = 0; round < rounds; round++) {
      await this.#round(round === 0);
      onRound?.(round, this.#acknowledged.length);
    }
    const broker = await this.#start();
    await this.#writers?.stop();
    const stored = await this.#readAll(broker.url);
    await broker.stop('SIGTERM');
    const violations = [...this.#compare(stored), ...this.#checkLogs()];
    const count = stored.reduce((sum, partition) => sum + partition.size, 0);
    if (this.#options.writers === 'client' && count !== this.#acknowledged.length) {
      violations.push(`${count} records are there, and ${this.#acknowledged.length} were acknowledged`);
    }
    return { rounds, acknowledged: this.#acknowledged.length, stored: count, violations };
  }

  async #start(): Promise<KillableBroker> {
    if (this.#options.writers === 'client') this.#port ??= await freePort();
    const { dataDirectory, start = startInNode } = this.#options;
    return await start({
      dataDirectory,
      http: { host: '127.0.0.1', port: this.#port ?? 0 },
      // Small segments, so that kills fall on rolls too.
      config: { 'log.segment.bytes': '262144', 'log.flush.offset.checkpoint.interval.ms': '200' },
    });
  }

  async #round(isFirst: boolean): Promise<void> {
    const broker = await this.#start();
    if (isFirst) await createTopic(broker.url);
    const enough = this.#random.below(400);
    const before = this.#acknowledged.length;
    const killMoment = new Promise<void>((resolve) => {
      this.#onAcknowledged = () => {
        if (this.#acknowledged.length - before >= enough) resolve();
      };
    });
    if (this.#options.writers === 'client') this.#writers ??= await this.#startClient(broker);
    const ended = this.#writers?.ended ?? this.#startFrames(broker);
    this.#onAcknowledged();
    const cause = await Promise.race([killMoment.then(() => undefined), ended.then(() => 'the producers ended')]);
    await broker.stop('SIGKILL');
    // The own client goes on until the last round is over.
    if (this.#writers === undefined) await ended;
    if (cause !== undefined) throw new Error(`${cause} before the kill; the broker said:\n${broker.output}`);
  }

  #startFrames({ url }: KillableBroker): Promise<unknown> {
    return Promise.all(Array.from({ length: PRODUCERS }, (_, index) => this.#produce(url, index)));
  }

  #startClient({ url }: KillableBroker): Promise<ClientWriters> {
    return ClientWriters.start({
      url,
      topic: TOPIC,
      partitions: PARTITIONS,
      random: this.#random,
      nextText: (lane) => this.#nextText(lane),
      onAcknowledged: (records) => {
        this.#acknowledged.push(...records);
        this.#onAcknowledged();
      },
    });
  }

  #nextText(lane: number): string {
    return `${lane} ${this.#sequence++} ${'x'.repeat(this.#random.below(300))}`;
  }

  /** Keeps several batches in flight until the connection breaks; half of the producers wait for the disk. */
  async #produce(url: string, producer: number): Promise<void> {
    let client: FrameClient;
    try {
      client = await FrameClient.connect(url);
    } catch {
      // The kill came before the connection did.
      return;
    }
    const lanes = Array.from({ length: IN_FLIGHT }, (_, lane) => this.#lane(client, producer * IN_FLIGHT + lane));
    await Promise.all(lanes);
    client.close();
  }

  async #lane(client: FrameClient, lane: number): Promise<void> {
    const partition = lane % PARTITIONS;
    const encoder = new RecordBatchEncoder(this.#kernels);
    for (;;) {
      const texts = Array.from({ length: 1 + this.#random.below(20) }, () => this.#nextText(lane));
      for (const text of texts) {
        encoder.append({ key: null, value: Buffer.from(text), headers: [], timestamp: Date.now() });
      }
      const records = encoder.finish();
      try {
        const response = await client.request(produce, PRODUCE_VERSION, {
          acks: lane % 2 === 0 ? -1 : 1,
          timeoutMs: 120_000,
          topicData: [{ name: TOPIC, partitionData: [{ index: partition, records }] }],
        });
        const answer = response.responses[0]?.partitionResponses[0];
        if (answer?.errorCode !== 0) throw new Error(`produce was answered with ${answer?.errorCode}`);
        const baseOffset = answer.baseOffset;
        texts.forEach((text, index) => {
          this.#acknowledged.push({ partition, offset: baseOffset + index, text });
        });
        this.#onAcknowledged();
      } catch (error) {
        if (error instanceof Error && /connection|WebSocket|ECONN|socket/i.test(error.message)) return;
        throw error;
      }
    }
  }

  async #readAll(url: string): Promise<Map<number, string>[]> {
    const client = await FrameClient.connect(url);
    const partitions: Map<number, string>[] = [];
    for (let partition = 0; partition < PARTITIONS; partition++) {
      partitions.push(await this.#readPartition(client, partition));
    }
    client.close();
    return partitions;
  }

  async #readPartition(client: FrameClient, partition: number): Promise<Map<number, string>> {
    const found = new Map<number, string>();
    let offset = 0;
    for (;;) {
      const response = await client.request(fetch, FETCH_VERSION, {
        replicaId: -1,
        maxWaitMs: 0,
        minBytes: 0,
        maxBytes: 50_000_000,
        isolationLevel: 0,
        topics: [{ topic: TOPIC, partitions: [{ partition, fetchOffset: offset, partitionMaxBytes: 1_048_576 }] }],
      });
      const answer = response.responses[0]?.partitions[0];
      if (answer === undefined || answer.errorCode !== 0)
        throw new Error(`fetch was answered with ${answer?.errorCode}`);
      if (answer.highWatermark <= offset) return found;
      for (const batch of this.#decoder.batches(answer.records ?? new Uint8Array(0))) {
        for (const record of batch.records()) found.set(record.offset, Buffer.from(record.value ?? []).toString());
        offset = batch.lastOffset + 1;
      }
    }
  }

  #compare(stored: readonly Map<number, string>[]): string[] {
    const violations: string[] = [];
    for (const { partition, offset, text } of this.#acknowledged) {
      const there = stored[partition]?.get(offset);
      if (there !== text) {
        violations.push(
          `partition ${partition} offset ${offset}: acknowledged "${label(text)}", found "${label(there)}"`,
        );
      }
    }
    for (const [partition, records] of stored.entries()) violations.push(...orderViolations(records, partition));
    return violations;
  }

  #checkLogs(): string[] {
    const store = new NodeStore(this.#options.dataDirectory);
    const directories = readdirSync(this.#options.dataDirectory).filter((name) => name.startsWith(`${TOPIC}-`));
    const problems = directories.flatMap((directory) => checkLog(store, directory, this.#kernels));
    store.close();
    return problems.map(String);
  }
}

function label(text: string | undefined): string {
  return text?.slice(0, 24) ?? 'nothing';
}

/** Offsets without a gap, no record twice, and every lane's numbers rising. */
function orderViolations(records: ReadonlyMap<number, string>, partition: number): string[] {
  const violations: string[] = [];
  const seen = new Set<string>();
  const lastOfLane = new Map<string, number>();
  let expected = 0;
  for (const [offset, text] of records) {
    const [lane = '', number = ''] = text.split(' ', 2);
    if (offset !== expected) violations.push(`partition ${partition}: offset ${offset} where ${expected} was due`);
    if (seen.has(number)) violations.push(`partition ${partition}: record ${number} is there twice`);
    if ((lastOfLane.get(lane) ?? -1) >= Number(number))
      violations.push(`partition ${partition}: record ${number} is out of order`);
    seen.add(number);
    lastOfLane.set(lane, Number(number));
    expected = offset + 1;
  }
  return violations;
}

async function createTopic(url: string): Promise<void> {
  const client = await FrameClient.connect(url);
  const response = await client.request(createTopics, 5, {
    topics: [{ name: TOPIC, numPartitions: PARTITIONS, replicationFactor: 1, assignments: [], configs: [] }],
    timeoutMs: 120_000,
    validateOnly: false,
  });
  client.close();
  const code = response.topics[0]?.errorCode;
  if (code !== 0) throw new Error(`creating the topic was answered with ${code}`);
}
