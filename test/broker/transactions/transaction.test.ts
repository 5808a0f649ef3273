// The rules of a transactional id, without a broker: every answer that Kafka's clients rely on, and a property test of
// whole histories against a model.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { hasPartition, onePartition, union } from '../../../src/broker/transactions/topic-partitions.ts';
import {
  type Answer,
  abortByCoordinator,
  addPartitions,
  completed,
  type Decision,
  type EndRequest,
  endTransaction,
  initProducer,
  isExpired,
  isPrepared,
  isTimedOut,
  PRODUCER_EPOCH_MAX,
  type ProducerIdentity,
  type Transaction,
  verifyPartition,
} from '../../../src/broker/transactions/transaction.ts';
import { TRANSACTION_LOG_FORMAT } from '../../../src/broker/transactions/transaction-log-format.ts';
import { errorOf } from '../../../src/protocol/errors.ts';

const ID = 'orders';
const TIMEOUT_MS = 60_000;
const PLACE = { topic: 'orders', index: 0 };
const PARTITION = onePartition('orders', 0);

/** One transactional id as the coordinator drives it: whatever moves is durable at once. */
class Subject {
  state: Transaction | undefined;
  nowMs = 1000;
  nextProducerId = 100;

  /** An initialized producer whose present epoch is `epoch`. */
  static at(epoch: number): Subject & { readonly state: Transaction } {
    const subject = new Subject();
    subject.init();
    const { state } = subject;
    if (state === undefined) throw new Error('no state');
    return Object.assign(subject, { state: { ...state, producerEpoch: epoch } });
  }

  /** Name of the error and identity, after the move is made. */
  take(decide: (freshProducerId?: number) => Decision): Answer & { readonly error: string; readonly moved: boolean } {
    let decision = decide();
    if (decision.kind === 'producer-id-needed') decision = decide(this.nextProducerId++);
    if (decision.kind === 'producer-id-needed') throw new Error('asked twice');
    if (decision.kind === 'move') this.state = decision.to;
    const { answer } = decision;
    return { ...answer, error: errorOf(answer.errorCode).name, moved: decision.kind === 'move' };
  }

  init(expected?: ProducerIdentity, timeoutMs = TIMEOUT_MS) {
    const request = { transactionalId: ID, timeoutMs, expected };
    return this.take((freshProducerId) => initProducer(this.state, request, { nowMs: this.nowMs, freshProducerId }));
  }

  add(producer: ProducerIdentity, partitions = PARTITION) {
    return this.take(() => addPartitions(this.state, { ...producer, partitions }, this.nowMs));
  }

  end(producer: ProducerIdentity, commit: boolean, clientVersion = 2) {
    const { producerId, producerEpoch } = producer;
    const request: EndRequest = { producerId, producerEpoch, commit, clientVersion };
    return this.take((freshProducerId) => endTransaction(this.state, request, { nowMs: this.nowMs, freshProducerId }));
  }

  complete(): void {
    if (this.state === undefined) throw new Error('nothing to complete');
    this.state = completed(this.state, this.nowMs);
  }

  timeOut() {
    const known = this.state;
    if (known === undefined) throw new Error('nothing to abort');
    return this.take((freshProducerId) => abortByCoordinator(known, { nowMs: this.nowMs, freshProducerId }));
  }

  verify(producer: ProducerIdentity, place = PLACE): string {
    return errorOf(verifyPartition(this.state, producer, place)).name;
  }
}

describe('InitProducerId', () => {
  test('a new id begins with epoch 0, and every producer that begins bumps it', () => {
    const subject = new Subject();
    expect(subject.init()).toMatchObject({ error: 'NONE', producerId: 100, producerEpoch: 0 });
    expect(subject.init()).toMatchObject({ error: 'NONE', producerId: 100, producerEpoch: 1 });
    expect(subject.state?.timeoutMs).toBe(TIMEOUT_MS);
  });

  test('an open transaction is aborted under a bumped epoch, and CONCURRENT_TRANSACTIONS until it is complete', () => {
    const subject = new Subject();
    const old = subject.init();
    subject.add(old);
    expect(subject.init()).toMatchObject({ error: 'CONCURRENT_TRANSACTIONS' });
    expect(subject.state).toMatchObject({ state: 'PrepareAbort', producerEpoch: 1 });
    expect(subject.init()).toMatchObject({ error: 'CONCURRENT_TRANSACTIONS', moved: false });
    subject.complete();
    expect(subject.init()).toMatchObject({ error: 'NONE', producerEpoch: 2 });
    expect(subject.add(old).error).toBe('PRODUCER_FENCED');
    expect(subject.end(old, true).error).toBe('PRODUCER_FENCED');
    expect(subject.verify(old)).toBe('PRODUCER_FENCED');
    expect(subject.init(old).error).toBe('PRODUCER_FENCED');
  });

  test('a producer that recovers has its epoch bumped, and a repeated request is answered the same (KIP-360)', () => {
    const subject = new Subject();
    const first = subject.init();
    const second = subject.init(first);
    expect(second).toMatchObject({ error: 'NONE', producerEpoch: 1 });
    expect(subject.init(first)).toMatchObject({ error: 'NONE', producerId: 100, producerEpoch: 1 });
    expect(subject.init(second)).toMatchObject({ error: 'NONE', producerEpoch: 2 });
    expect(subject.init(first).error).toBe('PRODUCER_FENCED');
    expect(subject.init({ producerId: 99, producerEpoch: 2 }).error).toBe('PRODUCER_FENCED');
  });

  test('a recovery after another producer began is fenced', () => {
    const subject = new Subject();
    const old = subject.init();
    subject.init();
    expect(subject.init(old).error).toBe('PRODUCER_FENCED');
  });

  test('epochs that run out bring a new id, and the retry of a recovery gets it too', () => {
    const subject = Subject.at(PRODUCER_EPOCH_MAX);
    const exhausted = { producerId: 100, producerEpoch: PRODUCER_EPOCH_MAX };
    expect(subject.init(exhausted)).toMatchObject({ error: 'NONE', producerId: 101, producerEpoch: 0 });
    expect(subject.init(exhausted)).toMatchObject({ error: 'NONE', producerId: 101, producerEpoch: 0 });
    const plain = Subject.at(PRODUCER_EPOCH_MAX);
    expect(plain.init()).toMatchObject({ producerId: 101, producerEpoch: 0 });
    expect(plain.init(exhausted).error).toBe('PRODUCER_FENCED');
  });

  test('the timeout of a later producer holds from then on', () => {
    const subject = new Subject();
    subject.init();
    subject.init(undefined, 5);
    expect(subject.state?.timeoutMs).toBe(5);
  });
});

describe('AddPartitionsToTxn', () => {
  test('the first partition begins the transaction, and one that is in needs no write', () => {
    const subject = new Subject();
    const producer = subject.init();
    expect(subject.add(producer)).toMatchObject({ error: 'NONE', moved: true });
    subject.nowMs = 2000;
    expect(subject.add(producer)).toMatchObject({ error: 'NONE', moved: false });
    expect(subject.add(producer, onePartition('orders', 1))).toMatchObject({ error: 'NONE', moved: true });
    expect(subject.state).toMatchObject({ state: 'Ongoing', startTimeMs: 1000 });
    expect(subject.state?.partitions).toEqual(new Map([['orders', new Set([0, 1])]]));
  });

  test('unknown ids, other producers, other epochs and a transaction being completed are told apart', () => {
    const subject = new Subject();
    expect(subject.add({ producerId: 1, producerEpoch: 0 }).error).toBe('INVALID_PRODUCER_ID_MAPPING');
    const producer = subject.init();
    expect(subject.add({ ...producer, producerId: 1 }).error).toBe('INVALID_PRODUCER_ID_MAPPING');
    expect(subject.add({ ...producer, producerEpoch: 7 }).error).toBe('PRODUCER_FENCED');
    subject.add(producer);
    const next = subject.end(producer, true);
    expect(subject.add(next).error).toBe('CONCURRENT_TRANSACTIONS');
    subject.complete();
    expect(subject.add(next).error).toBe('NONE');
    expect(subject.state?.startTimeMs).toBe(1000);
  });

  test('verification tells a partition that is not part of the transaction', () => {
    const subject = new Subject();
    const producer = subject.init();
    expect(subject.verify(producer)).toBe('TRANSACTION_ABORTABLE');
    subject.add(producer);
    expect(subject.verify(producer)).toBe('NONE');
    expect(subject.verify(producer, { topic: 'orders', index: 1 })).toBe('TRANSACTION_ABORTABLE');
    expect(subject.verify({ producerId: 1, producerEpoch: 0 })).toBe('INVALID_PRODUCER_ID_MAPPING');
    const ended = subject.end(producer, true, 0);
    expect(subject.verify(ended)).toBe('CONCURRENT_TRANSACTIONS');
    subject.complete();
    expect(subject.verify(ended)).toBe('TRANSACTION_ABORTABLE');
  });
});

describe('EndTxn', () => {
  test('version 2 bumps the epoch, and a retry is answered with the bumped one', () => {
    const subject = new Subject();
    const producer = subject.init();
    subject.add(producer);
    expect(subject.end(producer, true)).toMatchObject({ error: 'NONE', producerEpoch: 1, moved: true });
    expect(subject.end(producer, true).error).toBe('CONCURRENT_TRANSACTIONS');
    subject.complete();
    expect(subject.end(producer, true)).toMatchObject({
      error: 'NONE',
      producerId: 100,
      producerEpoch: 1,
      moved: false,
    });
  });

  test('a retry in the opposite direction is refused, before and after the markers', () => {
    for (const commit of [true, false]) {
      for (const version of [0, 2]) {
        const subject = new Subject();
        const producer = subject.init();
        subject.add(producer);
        subject.end(producer, commit, version);
        expect(subject.end(producer, !commit, version).error).toBe('INVALID_TXN_STATE');
        subject.complete();
        expect(subject.end(producer, !commit, version).error).toBe('INVALID_TXN_STATE');
        expect(subject.end(producer, commit, version)).toMatchObject({ error: 'NONE', moved: false });
      }
    }
  });

  test('an end that comes late cannot touch the next transaction', () => {
    const subject = new Subject();
    const first = subject.init();
    subject.add(first);
    const second = subject.end(first, false);
    subject.complete();
    subject.add(second);
    expect(subject.end(first, true).error).toBe('PRODUCER_FENCED');
    expect(subject.end(first, false).error).toBe('PRODUCER_FENCED');
    expect(subject.state?.state).toBe('Ongoing');
  });

  test('versions below 2 keep the epoch', () => {
    const subject = new Subject();
    const producer = subject.init();
    subject.add(producer);
    expect(subject.end(producer, true, 0)).toMatchObject({ error: 'NONE', producerEpoch: 0 });
    subject.complete();
    expect(subject.state).toMatchObject({ state: 'CompleteCommit', producerEpoch: 0 });
    expect(subject.end({ ...producer, producerEpoch: 1 }, true, 0).error).toBe('PRODUCER_FENCED');
  });

  test('epochs that run out give the next id at once; it may begin when the markers are written', () => {
    const subject = Subject.at(PRODUCER_EPOCH_MAX);
    const last = { producerId: 100, producerEpoch: PRODUCER_EPOCH_MAX };
    subject.add(last);
    const next = subject.end(last, true);
    expect(next).toMatchObject({ error: 'NONE', producerId: 101, producerEpoch: 0 });
    expect(subject.state).toMatchObject({ producerId: 100, producerEpoch: PRODUCER_EPOCH_MAX + 1 });
    expect(subject.add(next).error).toBe('CONCURRENT_TRANSACTIONS');
    subject.complete();
    expect(subject.end(last, true)).toMatchObject({ error: 'NONE', producerId: 101, producerEpoch: 0 });
    expect(subject.end(last, false).error).toBe('INVALID_TXN_STATE');
    expect(subject.init(last)).toMatchObject({ error: 'NONE', producerId: 101, producerEpoch: 0 });
    expect(subject.add(next).error).toBe('NONE');
  });

  test('without a transaction: version 2 may abort and bumps the epoch, there is nothing to commit', () => {
    const subject = new Subject();
    const producer = subject.init();
    expect(subject.end(producer, true).error).toBe('INVALID_TXN_STATE');
    expect(subject.end(producer, false, 0).error).toBe('INVALID_TXN_STATE');
    expect(subject.end(producer, false)).toMatchObject({ error: 'NONE', producerEpoch: 1 });
    expect(subject.state?.state).toBe('CompleteAbort');
    expect(subject.add(producer).error).toBe('PRODUCER_FENCED');
    expect(subject.end(producer, false)).toMatchObject({ error: 'NONE', producerEpoch: 1, moved: false });
    expect(new Subject().end(producer, true).error).toBe('INVALID_PRODUCER_ID_MAPPING');
  });
});

describe('time', () => {
  test('a transaction that takes too long is aborted under an epoch that fences its producer', () => {
    const subject = new Subject();
    const producer = subject.init();
    subject.add(producer);
    const state = subject.state;
    if (state === undefined) throw new Error('no state');
    expect(isTimedOut(state, 1000 + TIMEOUT_MS)).toBe(false);
    expect(isTimedOut(state, 1001 + TIMEOUT_MS)).toBe(true);
    subject.timeOut();
    expect(subject.state).toMatchObject({ state: 'PrepareAbort', producerEpoch: 1 });
    expect(subject.add(producer).error).toBe('PRODUCER_FENCED');
    expect(subject.end(producer, true, 0).error).toBe('PRODUCER_FENCED');
    expect(subject.end(producer, true).error).toBe('INVALID_TXN_STATE');
    subject.complete();
    // With version 2 its own abort finds what it wanted, and tells the epoch to go on with.
    expect(subject.end(producer, false)).toMatchObject({ error: 'NONE', producerEpoch: 1 });
    expect(subject.end(producer, false, 0).error).toBe('PRODUCER_FENCED');
  });

  test('an id expires when nothing is open', () => {
    const subject = new Subject();
    const producer = subject.init();
    const expired = (): boolean => subject.state !== undefined && isExpired(subject.state, 1100, 100);
    expect(expired()).toBe(true);
    subject.add(producer);
    expect(expired()).toBe(false);
    subject.end(producer, true);
    expect(expired()).toBe(false);
    subject.complete();
    expect(expired()).toBe(true);
  });
});

/** What a client did, to be sent again later. */
interface Sent {
  readonly kind: 'add' | 'end';
  readonly producer: ProducerIdentity;
  readonly commit: boolean;
}

type Step =
  | { readonly kind: 'init' | 'recover' | 'add' | 'complete' | 'time-out' | 'restart'; readonly client: number }
  | { readonly kind: 'end'; readonly client: number; readonly commit: boolean; readonly heard: boolean }
  | { readonly kind: 'again'; readonly which: number };

const client = fc.nat({ max: 1 });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('init' as const), client }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('recover' as const, 'restart' as const), client }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constantFrom('add' as const, 'complete' as const), client }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('time-out' as const), client }) },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('end' as const), client, commit: fc.boolean(), heard: fc.boolean() }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('again' as const), which: fc.nat({ max: 50 }) }) },
);

/** Version 2 clients, requests that come late or twice, timeouts and restarts; what must hold is asserted all along. */
class History {
  readonly subject: Subject;
  readonly clients: (ProducerIdentity | undefined)[] = [undefined, undefined];
  readonly sent: Sent[] = [];
  /** What became of the one transaction that each id and epoch may have. */
  readonly outcomes = new Map<string, 'open' | 'commit' | 'abort'>();

  constructor(epoch: number) {
    this.subject = Subject.at(epoch);
  }

  run(next: Step): void {
    const before = this.subject.state;
    this.subject.nowMs++;
    this.#act(next);
    // What a restart must leave as it was is looked at where it is done.
    if (next.kind === 'restart') return;
    const after = this.subject.state;
    if (before !== undefined && after !== undefined && before !== after) this.#check(before, after);
  }

  #act(next: Step): void {
    const { subject } = this;
    if (next.kind === 'init' || next.kind === 'recover') {
      const answer = subject.init(next.kind === 'recover' ? this.clients[next.client] : undefined);
      if (answer.errorCode === 0) this.clients[next.client] = answer;
    } else if (next.kind === 'add') {
      this.#send({ kind: 'add', producer: this.#producer(next.client), commit: false });
    } else if (next.kind === 'end') {
      const answer = this.#send({ kind: 'end', producer: this.#producer(next.client), commit: next.commit });
      if (next.heard && answer.errorCode === 0) this.clients[next.client] = answer;
    } else if (next.kind === 'again') {
      const again = this.sent[next.which % Math.max(1, this.sent.length)];
      if (again !== undefined) this.#send(again);
    } else if (next.kind === 'complete') {
      if (subject.state !== undefined && isPrepared(subject.state)) subject.complete();
    } else if (next.kind === 'time-out') {
      if (subject.state?.state === 'Ongoing') subject.timeOut();
    } else {
      this.#restart();
    }
  }

  #producer(index: number): ProducerIdentity {
    return this.clients[index] ?? { producerId: 0, producerEpoch: 0 };
  }

  #send(sent: Sent): Answer {
    if (!this.sent.includes(sent)) this.sent.push(sent);
    const before = this.subject.state;
    const { producer, commit } = sent;
    const answer = sent.kind === 'add' ? this.subject.add(producer) : this.subject.end(producer, commit);
    if (before?.state === 'Ongoing' && keyOf(before) !== keyOf(producer)) {
      expect(answer.moved, 'a request of one transaction touched another').toBe(false);
    }
    if (sent.kind === 'end' && answer.errorCode === 0 && !answer.moved) {
      const outcome = this.outcomes.get(keyOf(producer));
      expect(outcome, 'what was confirmed is what happened').toBe(commit ? 'commit' : 'abort');
    }
    return answer;
  }

  #restart(): void {
    const { state } = this.subject;
    if (state === undefined) return;
    const { key, value } = TRANSACTION_LOG_FORMAT.encode({ transactionalId: ID, transaction: state });
    const record = TRANSACTION_LOG_FORMAT.decode(key, value);
    expect(record?.transaction).toEqual(state);
    this.subject.state = record?.transaction;
  }

  #check(before: Transaction, after: Transaction): void {
    if (before.state !== 'Ongoing' && after.state === 'Ongoing') {
      expect(this.outcomes.has(keyOf(after)), 'an id and epoch have one transaction').toBe(false);
      this.outcomes.set(keyOf(after), 'open');
    } else if (before.state === 'Ongoing' && isPrepared(after)) {
      this.outcomes.set(keyOf(before), after.state === 'PrepareCommit' ? 'commit' : 'abort');
    } else if (isPrepared(before)) {
      expect(after.state).toBe(before.state === 'PrepareCommit' ? 'CompleteCommit' : 'CompleteAbort');
    } else if (after.state === 'CompleteAbort' && keyOf(after) !== keyOf(before)) {
      // An abort of nothing: whatever comes late under that epoch is refused.
      this.outcomes.set(keyOf(before), 'abort');
    }
    const forward =
      after.producerId > before.producerId ||
      (after.producerId === before.producerId && after.producerEpoch >= before.producerEpoch);
    expect(forward, 'producer id and epoch go forward').toBe(true);
    expect(after.producerEpoch).toBeLessThanOrEqual(isPrepared(after) ? PRODUCER_EPOCH_MAX + 1 : PRODUCER_EPOCH_MAX);
    expect(after.partitions.size > 0).toBe(after.state === 'Ongoing' || isPrepared(after));
  }
}

function keyOf({ producerId, producerEpoch }: ProducerIdentity): string {
  return `${producerId}:${producerEpoch}`;
}

test('no history of requests, late, lost and repeated, ends a transaction twice or differently', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(0, 5, PRODUCER_EPOCH_MAX - 2, PRODUCER_EPOCH_MAX),
      fc.array(step, { maxLength: 60 }),
      (epoch, steps) => {
        const history = new History(epoch);
        for (const each of steps) history.run(each);
      },
    ),
    { numRuns: 3000 },
  );
});

test('sets of partitions join without changing what they were made of', () => {
  const one = onePartition('a', 1);
  const both = union(one, onePartition('a', 2));
  expect(hasPartition(both, 'a', 2)).toBe(true);
  expect(hasPartition(one, 'a', 2)).toBe(false);
});
