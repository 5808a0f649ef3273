// A Kafka for one test file: a broker in the test's process and thread, with time, faults and waits in the test's hand.

import type { NewTopic } from '../../../client/admin.ts';
import type { Client } from '../../../client/client.ts';
import type { Isolation } from '../../../client/isolation.ts';
import type { ConsumedRecord, RecordInput, RecordMetadata } from '../../../client/record.ts';
import { present } from '../../../core/assert.ts';
import { LogFault } from '../../../core/fault.ts';
import type { Logger } from '../../../core/logger.ts';
import { MemoryStore } from '../../../storage/memory-store.ts';
import { Changes } from '../../../testing/changes.ts';
import { Faults } from '../../../testing/faults.ts';
import { collect, missing, recordsOf, type WaitForRecordsOptions } from '../../../testing/records.ts';
import { TestClock } from '../../../testing/test-clock.ts';
import { systemClock } from '../clock.ts';
import { LocalBroker } from '../local-broker.ts';

export interface StartKafkaOptions {
  /** Made before it is given out: names, or what {@link TestKafka.createTopics} takes. */
  readonly topics?: readonly (string | NewTopic)[] | undefined;
  /**
   * Broker configuration under Kafka's names. Beside Kafka's own defaults groups do not wait for members to come
   * (`group.initial.rebalance.delay.ms=0`), sessions may be as short as 1 ms, and the internal topics have one partition.
   */
  readonly config?: Readonly<Record<string, string>> | undefined;
  /** `frozen`: no time passes for the broker but by `clock.advance`. Default `running`. */
  readonly time?: 'running' | 'frozen' | undefined;
  /** Hears what the broker has to say; by default nobody does. */
  readonly logger?: Logger | undefined;
}

export interface WaitForCommitOptions {
  readonly groupId: string;
  readonly topic: string;
  /** Default 0. */
  readonly partition?: number | undefined;
  /** The offset of the next record to read: one more than the last one that was processed. Waits for it or a later one. */
  readonly offset: number;
  /** How long to wait, in real milliseconds. Default 5000. */
  readonly timeoutMs?: number | undefined;
}

/** A Kafka of a test's own. */
export interface TestKafka extends AsyncDisposable {
  /** `HOST:PORT`, for `bootstrap.servers`, `brokers` and their like. It stays the same over restarts. */
  readonly bootstrapServers: string;
  /** `ws://HOST:PORT`, for WebSocket clients of both subprotocols. */
  readonly wsUrl: string;
  /** The broker's time. Advance it, and retention, session and transaction timeouts, long polls are due. */
  readonly clock: TestClock;
  /** Faults for the clients under test. What this object is asked for itself does not meet them. */
  readonly faults: Faults;
  /** A client without a socket that meets no faults: admin, groups, transactions and all else that is not here. */
  readonly client: Client;
  /** Creates topics: by name, with one partition, or with partitions and configs. Throws where one exists. */
  createTopics(...topics: readonly (string | NewTopic)[]): Promise<void>;
  /** Appends records, with the broker's time unless they have their own; resolves when they can be read. */
  produce(topic: string, records: readonly (string | RecordInput)[]): Promise<RecordMetadata[]>;
  /** Everything that is in a topic now, by partition and offset. */
  consume(topic: string, options?: { readonly isolation?: Isolation }): Promise<ConsumedRecord[]>;
  /**
   * Resolves with records as soon as there are so many, from the beginning of the topic, which need not exist yet. Throws
   * ERR_TIMEOUT with what is there instead.
   */
  waitForRecords(topic: string, options?: WaitForRecordsOptions): Promise<ConsumedRecord[]>;
  /** Resolves with the committed offset of a group when it has come as far. Throws ERR_TIMEOUT with where it stands. */
  waitForCommit(options: WaitForCommitOptions): Promise<number>;
  /** Ends every connection of clients at once, as a network does; returns how many there were. */
  dropConnections(): number;
  /** Ends the broker in order and starts it again over what it kept, at the same address. */
  restart(): Promise<void>;
  /** As a SIGKILL would: nothing is closed in order, and the broker starts again, through recovery. */
  kill(): Promise<void>;
  /** Leaves nothing: no handle, no timer, no file. */
  close(): Promise<void>;
}

const CONFIG: Readonly<Record<string, string>> = {
  'group.initial.rebalance.delay.ms': '0',
  'group.min.session.timeout.ms': '1',
  'offsets.topic.num.partitions': '1',
  'transaction.state.log.num.partitions': '1',
};
/** Requests after which a group may stand elsewhere. */
const MOVES_OFFSETS: ReadonlySet<string> = new Set(['OffsetCommit', 'TxnOffsetCommit', 'EndTxn']);
const LOOPBACK = '127.0.0.1';
const TIMEOUT_MS = 5000;

/**
 * Starts a Kafka in this process, on free ports of loopback and in memory. Resolves when it serves. Throws LogFault
 * ERR_CONFIG for a configuration that cannot be.
 */
export async function startKafka(options: StartKafkaOptions = {}): Promise<TestKafka> {
  const kafka = await MemoryKafka.start(options);
  try {
    await kafka.createTopics(...(options.topics ?? []));
  } catch (error) {
    await kafka.close();
    throw error;
  }
  return kafka;
}

/** Resolves in the next turn of the event loop: what waits for no time has happened. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

class MemoryKafka implements TestKafka {
  readonly clock: TestClock;
  readonly faults: Faults;
  readonly #options: StartKafkaOptions;
  readonly #changes = new Changes();
  #store = new MemoryStore();
  #broker: LocalBroker | undefined;
  #client: Client | undefined;
  #ports: { readonly http: number; readonly kafka: number } = { http: 0, kafka: 0 };

  static async start(options: StartKafkaOptions): Promise<MemoryKafka> {
    const kafka = new MemoryKafka(options);
    await kafka.#open();
    return kafka;
  }

  private constructor(options: StartKafkaOptions) {
    const { time = 'running' } = options;
    if (time !== 'running' && time !== 'frozen') {
      throw new LogFault('ERR_USAGE', `time is running or frozen, not ${String(time)}`);
    }
    this.#options = options;
    this.clock = new TestClock({ source: systemClock, isFrozen: time === 'frozen', turn });
    this.faults = new Faults({ clock: this.clock, topicName: (topicId) => this.#topicName(topicId) });
  }

  get bootstrapServers(): string {
    return `${LOOPBACK}:${this.#ports.kafka}`;
  }

  get wsUrl(): string {
    return `ws://${LOOPBACK}:${this.#ports.http}`;
  }

  get client(): Client {
    this.#client ??= this.#running.client({}, { direct: true });
    return this.#client;
  }

  async createTopics(...topics: readonly (string | NewTopic)[]): Promise<void> {
    if (topics.length === 0) return;
    await this.client
      .admin()
      .createTopics({ topics: topics.map((each) => (typeof each === 'string' ? { topic: each } : each)) });
  }

  async produce(topic: string, records: readonly (string | RecordInput)[]): Promise<RecordMetadata[]> {
    const timestamp = this.clock.now();
    const producer = this.client.producer({ idempotent: false });
    try {
      return await producer.send({
        topic,
        records: records.map((each) =>
          typeof each === 'string' ? { value: each, timestamp } : { timestamp, ...each },
        ),
      });
    } finally {
      await producer.close();
    }
  }

  consume(topic: string, options: { readonly isolation?: Isolation } = {}): Promise<ConsumedRecord[]> {
    return recordsOf(this.client, topic, options.isolation);
  }

  async waitForRecords(topic: string, options: WaitForRecordsOptions = {}): Promise<ConsumedRecord[]> {
    const { count = 1, timeoutMs = TIMEOUT_MS } = options;
    const deadline = new Deadline(timeoutMs);
    try {
      const exists = await this.#changes.until(() => this.#topics().find((name) => name === topic), deadline.passed);
      if (exists === undefined) throw this.#noTopic(topic, timeoutMs);
      const collected = await collect({ ...options, client: this.client, topic, deadline: deadline.passed });
      if (collected.matched.length >= count) return collected.matched;
      throw missing({ ...options, topic, timeoutMs }, collected);
    } finally {
      deadline.cancel();
    }
  }

  async waitForCommit({
    groupId,
    topic,
    partition = 0,
    offset,
    timeoutMs = TIMEOUT_MS,
  }: WaitForCommitOptions): Promise<number> {
    const deadline = new Deadline(timeoutMs);
    let last: number | undefined;
    try {
      const found = await this.#changes.until(async () => {
        last = await this.#committed(groupId, { topic, partition });
        return last !== undefined && last >= offset ? last : undefined;
      }, deadline.passed);
      if (found !== undefined) return found;
    } finally {
      deadline.cancel();
    }
    const stands = last === undefined ? 'has committed nothing there' : `stands at ${last}`;
    const what = `group "${groupId}" to commit offset ${offset} of ${topic}-${partition}`;
    throw new LogFault('ERR_TIMEOUT', `waited ${timeoutMs} ms for ${what}: it ${stands}`);
  }

  dropConnections(): number {
    return this.#running.embedded.connections.terminateAll();
  }

  async restart(): Promise<void> {
    this.#client = undefined;
    await this.#running.close();
    await this.#open();
  }

  async kill(): Promise<void> {
    this.#client = undefined;
    const killed = this.#running;
    killed.embedded.connections.terminateAll();
    this.#store = this.#store.afterKill();
    // What it would still do in order fails: its store is gone.
    await killed.close().catch((error: unknown) => {
      if (!(error instanceof LogFault)) throw error;
    });
    await this.#open();
  }

  async close(): Promise<void> {
    this.faults.clear();
    const broker = this.#broker;
    this.#broker = undefined;
    await broker?.close();
    this.#store.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  get #running(): LocalBroker {
    if (this.#broker === undefined) throw new LogFault('ERR_CLOSED', 'this Kafka has been closed');
    return this.#broker;
  }

  async #open(): Promise<void> {
    const { config, logger } = this.#options;
    const { http, kafka } = this.#ports;
    const broker = await LocalBroker.open(
      { config: { ...CONFIG, ...config }, logger, http: { port: http }, kafka: { port: kafka } },
      {
        place: { store: this.#store, path: 'memory' },
        clock: this.clock,
        intercept: (handler) => this.faults.over(handler),
        observer: {
          observe: ({ api }) => {
            if (MOVES_OFFSETS.has(api)) this.#changes.note();
          },
        },
      },
    );
    this.#broker = broker;
    this.#ports = { http: portOf(broker.httpAddress), kafka: portOf(broker.kafkaAddress) };
    broker.embedded.broker?.services.metadata.observe(() => this.#changes.note());
  }

  #topics(): string[] {
    return Array.from(this.#broker?.embedded.broker?.services.metadata.topics() ?? [], ({ name }) => name);
  }

  #topicName(topicId: string): string | undefined {
    for (const { id, name } of this.#broker?.embedded.broker?.services.metadata.topics() ?? [])
      if (id === topicId) return name;
    return undefined;
  }

  #noTopic(topic: string, timeoutMs: number): LogFault {
    const topics = this.#topics().filter((name) => !name.startsWith('__'));
    const others = topics.length === 0 ? 'there are no topics' : `the topics are ${topics.join(', ')}`;
    return new LogFault('ERR_TIMEOUT', `waited ${timeoutMs} ms and there is no topic "${topic}": ${others}`);
  }

  async #committed(
    groupId: string,
    place: { readonly topic: string; readonly partition: number },
  ): Promise<number | undefined> {
    const offsets = await this.client.groups().fetchOffsets(groupId);
    return offsets.find(({ topic, partition }) => topic === place.topic && partition === place.partition)?.offset;
  }
}

function portOf(address: string): number {
  return Number(present(address.split(':').at(-1), 'port'));
}

/** Real time until a wait is given up. It keeps the process alive: somebody waits. */
class Deadline {
  readonly passed: Promise<void>;
  #timer: NodeJS.Timeout | undefined;

  constructor(ms: number) {
    this.passed = new Promise((resolve) => {
      this.#timer = setTimeout(resolve, ms);
    });
  }

  cancel(): void {
    clearTimeout(this.#timer);
  }
}
