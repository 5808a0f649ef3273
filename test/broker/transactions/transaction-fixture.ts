// A broker and transactional producers that speak to it in frames, for the tests of transactions.

import type { TransactionState } from '../../../src/broker/transactions/transaction.ts';
import { present } from '../../../src/core/assert.ts';
import { errorOf } from '../../../src/protocol/errors.ts';
import { produce } from '../../../src/protocol/messages/00-produce.ts';
import { fetch } from '../../../src/protocol/messages/01-fetch.ts';
import { offsetFetch } from '../../../src/protocol/messages/09-offset-fetch.ts';
import { initProducerId } from '../../../src/protocol/messages/22-init-producer-id.ts';
import { addPartitionsToTxn } from '../../../src/protocol/messages/24-add-partitions-to-txn.ts';
import { addOffsetsToTxn } from '../../../src/protocol/messages/25-add-offsets-to-txn.ts';
import { endTxn } from '../../../src/protocol/messages/26-end-txn.ts';
import { txnOffsetCommit } from '../../../src/protocol/messages/28-txn-offset-commit.ts';
import { describeTransactions } from '../../../src/protocol/messages/65-describe-transactions.ts';
import type { Decoded } from '../../../src/protocol/schema.ts';
import { RecordBatchDecoder } from '../../../src/wasm/record-batch-decoder.ts';
import { RecordBatchEncoder } from '../../../src/wasm/record-batch-encoder.ts';
import { type BrokerFixture, kernels, settle } from '../fixture.ts';

const READ_COMMITTED = 1;
/** The last versions of clients that add partitions by themselves, and the first of those that leave it to produce. */
export const OLD = { produce: 9, endTxn: 3, init: 4, offsets: 3 } as const;
export const NEW = { produce: 12, endTxn: 5, init: 5, offsets: 5 } as const;
export type Versions = typeof OLD | typeof NEW;

export type FetchedPartition = Decoded<typeof fetch.response>['responses'][number]['partitions'][number];

/** What a client that begins waits for. */
const RETRIED: ReadonlySet<string> = new Set(['CONCURRENT_TRANSACTIONS', 'COORDINATOR_LOAD_IN_PROGRESS']);

export function nameOf(errorCode: number): string {
  return errorOf(errorCode).name;
}

/** Asks again, as clients do, until the answer is another one. */
export async function insist<T>(ask: () => Promise<T>, again: (answer: T) => boolean): Promise<T> {
  for (let tries = 0; ; tries++) {
    const answer = await ask();
    if (!again(answer)) return answer;
    if (tries > 200) throw new Error(`still ${JSON.stringify(answer)}`);
    await settle();
  }
}

/** A producer with a transactional id, which keeps id, epoch and sequences as a client does. */
export class TestProducer {
  readonly fixture: BrokerFixture;
  readonly transactionalId: string;
  readonly versions: Versions;
  producerId = -1;
  producerEpoch = -1;
  readonly #sequences = new Map<string, number>();
  readonly #encoder = new RecordBatchEncoder(kernels);

  constructor(fixture: BrokerFixture, transactionalId: string, versions: Versions = NEW) {
    this.fixture = fixture;
    this.transactionalId = transactionalId;
    this.versions = versions;
  }

  /** Over another broker, with everything it knows. */
  movedTo(fixture: BrokerFixture): TestProducer {
    const moved = new TestProducer(fixture, this.transactionalId, this.versions);
    moved.#become(this.producerId, this.producerEpoch);
    for (const [place, sequence] of this.#sequences) moved.#sequences.set(place, sequence);
    return moved;
  }

  #become(producerId: number, producerEpoch: number): void {
    if (producerId !== this.producerId || producerEpoch !== this.producerEpoch) this.#sequences.clear();
    this.producerId = producerId;
    this.producerEpoch = producerEpoch;
  }

  async init(transactionTimeoutMs = 60_000): Promise<string> {
    const answer = await insist(
      () =>
        this.fixture.request(initProducerId, this.versions.init, {
          transactionalId: this.transactionalId,
          transactionTimeoutMs,
        }),
      ({ errorCode }) => RETRIED.has(nameOf(errorCode)),
    );
    if (answer.errorCode === 0) this.#become(answer.producerId, answer.producerEpoch);
    return nameOf(answer.errorCode);
  }

  async add(name: string, ...partitions: number[]): Promise<string> {
    const answer = await this.fixture.request(addPartitionsToTxn, 3, {
      v3AndBelowTransactionalId: this.transactionalId,
      v3AndBelowProducerId: this.producerId,
      v3AndBelowProducerEpoch: this.producerEpoch,
      v3AndBelowTopics: [{ name, partitions }],
    });
    return nameOf(present(answer.resultsByTopicV3AndBelow[0]?.resultsByPartition[0], 'result').partitionErrorCode);
  }

  /** A transactional batch as this producer writes it next. */
  batch(name: string, index: number, ...values: readonly string[]): Uint8Array {
    const place = `${name}-${index}`;
    const baseSequence = this.#sequences.get(place) ?? 0;
    this.#sequences.set(place, baseSequence + values.length);
    const timestamp = this.fixture.clock.now();
    return this.#encoder.encode(
      values.map((value) => ({ key: null, value: new TextEncoder().encode(value), headers: [], timestamp })),
      { isTransactional: true, producerId: this.producerId, producerEpoch: this.producerEpoch, baseSequence },
    );
  }

  async send(name: string, index: number, ...values: readonly string[]): Promise<string> {
    return this.sendBatch(name, index, this.batch(name, index, ...values));
  }

  async sendBatch(name: string, index: number, records: Uint8Array): Promise<string> {
    const { responses } = await this.fixture.request(produce, this.versions.produce, {
      transactionalId: this.transactionalId,
      acks: -1,
      timeoutMs: 1000,
      topicData: [{ name, partitionData: [{ index, records }] }],
    });
    return nameOf(present(responses[0]?.partitionResponses[0], 'response').errorCode);
  }

  async addOffsets(groupId: string): Promise<string> {
    const { transactionalId, producerId, producerEpoch } = this;
    const { errorCode } = await this.fixture.request(addOffsetsToTxn, 3, {
      transactionalId,
      producerId,
      producerEpoch,
      groupId,
    });
    return nameOf(errorCode);
  }

  /** Stages the offset of partition 0 of `orders`. */
  async commitOffset(
    groupId: string,
    committedOffset: number,
    { version = this.versions.offsets, ...member }: { version?: number; generationId?: number; memberId?: string } = {},
  ): Promise<string> {
    const { transactionalId, producerId, producerEpoch } = this;
    const partition = { partitionIndex: 0, committedOffset, committedMetadata: 'staged' };
    const { topics } = await this.fixture.request(txnOffsetCommit, version, {
      transactionalId,
      groupId,
      producerId,
      producerEpoch,
      ...member,
      topics: [{ name: 'orders', partitions: [partition] }],
    });
    return nameOf(present(topics[0]?.partitions[0], 'partition').errorCode);
  }

  async end(committed: boolean): Promise<string> {
    const { transactionalId, producerId, producerEpoch } = this;
    const answer = await this.fixture.request(endTxn, this.versions.endTxn, {
      transactionalId,
      producerId,
      producerEpoch,
      committed,
    });
    if (answer.errorCode === 0 && this.versions === NEW) this.#become(answer.producerId, answer.producerEpoch);
    return nameOf(answer.errorCode);
  }

  async state(): Promise<{ readonly state: TransactionState | ''; readonly error: string }> {
    const { transactionStates } = await this.fixture.request(describeTransactions, 0, {
      transactionalIds: [this.transactionalId],
    });
    const only = present(transactionStates[0], 'state');
    return { state: only.transactionState as TransactionState | '', error: nameOf(only.errorCode) };
  }

  /** Resolves when what was decided is complete. */
  async completed(): Promise<string> {
    const { state } = await insist(
      () => this.state(),
      (found) => found.state.startsWith('Prepare') || found.error === 'COORDINATOR_LOAD_IN_PROGRESS',
    );
    return state;
  }
}

/** One partition, from an offset on. */
export async function fetchPartition(
  fixture: BrokerFixture,
  name: string,
  {
    index = 0,
    offset = 0,
    isolationLevel = READ_COMMITTED,
    minBytes = 0,
    maxWaitMs = 0,
  }: { index?: number; offset?: number; isolationLevel?: number; minBytes?: number; maxWaitMs?: number } = {},
): Promise<FetchedPartition> {
  const { responses } = await fixture.request(fetch, 11, {
    maxWaitMs,
    minBytes,
    isolationLevel,
    topics: [{ topic: name, partitions: [{ partition: index, fetchOffset: offset, partitionMaxBytes: 1 << 20 }] }],
    forgottenTopicsData: [],
  });
  return present(responses[0]?.partitions[0], 'partition');
}

/** The values that a consumer gets, which drops what the list of aborted transactions names, as clients do. */
export function visibleValues({ records, abortedTransactions }: FetchedPartition): string[] {
  const decoder = new RecordBatchDecoder(kernels);
  const waiting = [...(abortedTransactions ?? [])];
  const aborted = new Set<number>();
  const values: string[] = [];
  for (const batch of decoder.batches(records ?? new Uint8Array(0))) {
    while ((waiting[0]?.firstOffset ?? Number.POSITIVE_INFINITY) <= batch.lastOffset) {
      aborted.add(present(waiting.shift(), 'aborted transaction').producerId);
    }
    if (batch.isControl) {
      aborted.delete(batch.producerId);
      continue;
    }
    if (batch.isTransactional && aborted.has(batch.producerId)) continue;
    for (const { value } of batch.records()) values.push(new TextDecoder().decode(value ?? new Uint8Array(0)));
  }
  return values;
}

export async function committedValues(fixture: BrokerFixture, name: string, index = 0): Promise<string[]> {
  return visibleValues(await fetchPartition(fixture, name, { index }));
}

/** The committed offset of partition 0 of `orders`, -1 for none; the name of an error where one is answered. */
export async function committedOffset(
  fixture: BrokerFixture,
  groupId: string,
  requireStable = false,
): Promise<number | string> {
  const { topics, errorCode: refused } = await fixture.request(offsetFetch, 7, {
    groupId,
    topics: [{ name: 'orders', partitionIndexes: [0] }],
    requireStable,
  });
  if (refused !== 0) return nameOf(refused);
  const { errorCode, committedOffset: offset } = present(topics[0]?.partitions[0], 'partition');
  return errorCode === 0 ? offset : nameOf(errorCode);
}
