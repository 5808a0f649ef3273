import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { AppendOrigin } from '../../src/partition/commands.ts';
import {
  lastSequenceOf,
  type ProducerBatch,
  ProducerStates,
  type ProducerVerdict,
} from '../../src/partition/producer-state.ts';

const LAST = 0x7fff_ffff;
const NOW = 1_700_000_000_000;

/** States with the log that they are about, as far as offsets go. */
class Partition {
  states = new ProducerStates();
  end = 0;
  nowMs = NOW;

  check(batch: Partial<ProducerBatch>, origin: AppendOrigin = 'client'): ProducerVerdict {
    return this.states.check(batchOf(batch), origin);
  }

  /** `ok`, `again at <first offset>`, or why not; notes what is ok. */
  append(batch: Partial<ProducerBatch>, origin: AppendOrigin = 'client'): string {
    const whole = batchOf(batch);
    const verdict = this.states.check(whole, origin);
    if (verdict !== undefined) {
      return 'refusal' in verdict ? verdict.refusal.outcome : `again at ${verdict.duplicate.baseOffset}`;
    }
    this.states.note(whole, { baseOffset: this.end, timestamp: this.nowMs, nowMs: this.nowMs });
    this.end += whole.lastOffsetDelta + 1;
    return 'ok';
  }

  mark(marker: { id?: number; epoch?: number; coordinator?: number; commit?: boolean; version?: number }): string {
    const { id = 7, epoch = 0, coordinator = 0, commit = true, version = 1 } = marker;
    const whole = { producerId: id, producerEpoch: epoch, coordinatorEpoch: coordinator, commit };
    const refusal = this.states.checkMarker(whole, version);
    if (refusal !== undefined) return refusal.outcome;
    this.states.noteMarker(whole, { baseOffset: this.end, timestamp: this.nowMs, nowMs: this.nowMs });
    this.end += 1;
    return 'ok';
  }

  get stable(): number {
    return this.states.lastStableOffset(this.end);
  }
}

function batchOf(batch: Partial<ProducerBatch>): ProducerBatch {
  return { producerId: 7, producerEpoch: 0, baseSequence: 0, lastOffsetDelta: 0, isTransactional: false, ...batch };
}

test('sequences follow each other, and a gap is refused in both directions', () => {
  const partition = new Partition();
  expect(partition.append({ baseSequence: 0, lastOffsetDelta: 4 })).toBe('ok');
  expect(partition.append({ baseSequence: 6 })).toBe('out-of-order-sequence');
  expect(partition.append({ baseSequence: 4 })).toBe('out-of-order-sequence');
  expect(partition.append({ baseSequence: 5 })).toBe('ok');
});

test('a repeated batch among the last five is answered with its first offset, an older one is refused', () => {
  const partition = new Partition();
  for (let index = 0; index < 6; index++)
    expect(partition.append({ baseSequence: 2 * index, lastOffsetDelta: 1 })).toBe('ok');
  const again = Array.from({ length: 6 }, (_, index) =>
    partition.append({ baseSequence: 2 * index, lastOffsetDelta: 1 }),
  );
  expect(again).toEqual([
    'out-of-order-sequence',
    'again at 2',
    'again at 4',
    'again at 6',
    'again at 8',
    'again at 10',
  ]);
  expect(partition.append({ baseSequence: 10, lastOffsetDelta: 0 })).toBe('out-of-order-sequence');
  expect(partition.append({ baseSequence: 12 })).toBe('ok');
});

test('the sequence behind 2^31 - 1 is 0, between batches and inside of one', () => {
  const between = new Partition();
  expect(between.append({ baseSequence: LAST - 1, lastOffsetDelta: 1 })).toBe('ok');
  expect(between.append({ baseSequence: 1 })).toBe('out-of-order-sequence');
  expect(between.append({ baseSequence: 0 })).toBe('ok');
  const inside = new Partition();
  expect(inside.append({ baseSequence: LAST - 1, lastOffsetDelta: 4 })).toBe('ok');
  expect(inside.append({ baseSequence: LAST - 1, lastOffsetDelta: 4 })).toBe('again at 0');
  expect(inside.append({ baseSequence: 3 })).toBe('ok');
  expect(lastSequenceOf(LAST, 0)).toBe(LAST);
  expect(lastSequenceOf(LAST, 1)).toBe(0);
});

test('a producer that is not known may begin with any sequence and any epoch', () => {
  const partition = new Partition();
  expect(partition.append({ producerEpoch: 5, baseSequence: 1234 })).toBe('ok');
  expect(partition.append({ producerEpoch: 5, baseSequence: 1235 })).toBe('ok');
});

test('a higher epoch begins at sequence 0, and a lower one is refused', () => {
  const partition = new Partition();
  partition.append({ producerEpoch: 3, baseSequence: 0 });
  expect(partition.append({ producerEpoch: 4, baseSequence: 1 })).toBe('out-of-order-sequence');
  expect(partition.append({ producerEpoch: 4, baseSequence: 0 })).toBe('ok');
  expect(partition.append({ producerEpoch: 3, baseSequence: 1 })).toBe('invalid-producer-epoch');
  expect(partition.append({ producerEpoch: 3, baseSequence: 0 })).toBe('invalid-producer-epoch');
  expect(partition.append({ producerEpoch: 4, baseSequence: 0 })).toBe('again at 1');
});

test("a coordinator's batches have no sequence, but an epoch", () => {
  const partition = new Partition();
  const commit = { producerEpoch: 2, baseSequence: -1, isTransactional: true };
  expect(partition.append(commit, 'coordinator')).toBe('ok');
  expect(partition.append(commit, 'coordinator')).toBe('ok');
  expect(partition.append({ ...commit, producerEpoch: 1 }, 'coordinator')).toBe('invalid-producer-epoch');
  expect(partition.append({ ...commit, isTransactional: false }, 'coordinator')).toBe('invalid-txn-state');
});

test('the last stable offset is the beginning of the earliest open transaction', () => {
  const partition = new Partition();
  partition.append({ producerId: 1, lastOffsetDelta: 9 });
  expect(partition.stable).toBe(10);
  partition.append({ producerId: 2, isTransactional: true, lastOffsetDelta: 4 });
  partition.append({ producerId: 3, isTransactional: true });
  expect(partition.stable).toBe(10);
  expect(partition.mark({ id: 2, commit: false })).toBe('ok');
  expect(partition.stable).toBe(15);
  partition.mark({ id: 3 });
  expect(partition.stable).toBe(18);
  expect(partition.append({ producerId: 2, baseSequence: 5, isTransactional: true })).toBe('ok');
  expect(partition.stable).toBe(18);
});

test('a transaction whose marker the high watermark has not passed is not stable', () => {
  const partition = new Partition();
  partition.append({ isTransactional: true, lastOffsetDelta: 3 });
  partition.mark({});
  expect([2, 4].map((highWatermark) => partition.states.lastStableOffset(highWatermark))).toEqual([0, 0]);
  expect(partition.states.lastStableOffset(5)).toBe(5);
});

test('a batch outside of the open transaction of its producer is refused', () => {
  const partition = new Partition();
  partition.append({ isTransactional: true });
  expect(partition.append({ baseSequence: 1 })).toBe('invalid-txn-state');
  partition.mark({});
  expect(partition.append({ baseSequence: 1 })).toBe('ok');
});

test('a marker of an older coordinator or producer is fenced', () => {
  const partition = new Partition();
  partition.append({ producerEpoch: 3, isTransactional: true });
  expect(partition.mark({ epoch: 2 })).toBe('invalid-producer-epoch');
  expect(partition.mark({ epoch: 3, coordinator: 5 })).toBe('ok');
  expect(partition.mark({ epoch: 3, coordinator: 4 })).toBe('transaction-coordinator-fenced');
  expect(partition.mark({ epoch: 3, coordinator: 5 })).toBe('ok');
});

test('with transaction version 2 a late marker cannot end the transaction after its own', () => {
  const partition = new Partition();
  partition.append({ producerEpoch: 3, isTransactional: true });
  expect(partition.mark({ epoch: 3, version: 2 })).toBe('invalid-producer-epoch');
  expect(partition.mark({ epoch: 4, version: 2 })).toBe('ok');
  // Written twice because its answer was lost: no transaction is open, nothing is harmed.
  expect(partition.mark({ epoch: 4, version: 2 })).toBe('ok');
  // What the producer sent before comes too late.
  expect(partition.append({ producerEpoch: 3, baseSequence: 1, isTransactional: true })).toBe('invalid-producer-epoch');
  expect(partition.append({ producerEpoch: 4, baseSequence: 0, isTransactional: true })).toBe('ok');
  expect(partition.mark({ epoch: 4, version: 2 })).toBe('invalid-producer-epoch');
  expect(partition.mark({ epoch: 4, version: 1 })).toBe('ok');
});

test('after a marker of its own epoch a producer goes on with its sequence', () => {
  const partition = new Partition();
  partition.append({ isTransactional: true, lastOffsetDelta: 1 });
  partition.mark({});
  expect(partition.append({ isTransactional: true, lastOffsetDelta: 1 })).toBe('again at 0');
  expect(partition.append({ isTransactional: true, baseSequence: 2 })).toBe('ok');
});

test('idle producers are forgotten, those with an open transaction never', () => {
  const partition = new Partition();
  partition.append({ producerId: 1 });
  partition.append({ producerId: 2, isTransactional: true });
  partition.nowMs += 500;
  partition.append({ producerId: 3 });
  partition.states.expire(partition.nowMs + 500, 1000);
  expect(partition.states.describe().map((each) => each.producerId)).toEqual([2, 3]);
  expect(partition.append({ producerId: 1, baseSequence: 99 })).toBe('ok');
  partition.states.expire(partition.nowMs + 1_000_000, 1000);
  expect(partition.states.describe().map((each) => each.producerId)).toEqual([2]);
});

test('what a producer says of the time does not keep it alive, nor end it early', () => {
  const states = new ProducerStates();
  states.note(batchOf({ producerId: 1 }), { baseOffset: 0, timestamp: 0, nowMs: NOW });
  states.note(batchOf({ producerId: 2 }), { baseOffset: 1, timestamp: NOW * 2, nowMs: NOW });
  states.expire(NOW + 999, 1000);
  expect(states.size).toBe(2);
  states.expire(NOW + 1000, 1000);
  expect(states.size).toBe(0);
});

/** The rules said again, slowly: everything that ever happened, and a look at all of it for every question. */
class Model {
  readonly #history: {
    id: number;
    epoch: number;
    first: number;
    records: number;
    offset: number;
    txn: boolean;
    marker: boolean;
  }[] = [];

  check(batch: ProducerBatch): string {
    const mine = this.#history.filter((each) => each.id === batch.producerId);
    const epoch = mine.at(-1)?.epoch;
    if (epoch === undefined) return 'ok';
    const current = mine.filter((each) => each.epoch === epoch && !each.marker);
    // A change of epoch cuts the memory, and epochs never go back.
    if (batch.producerEpoch < epoch) return 'invalid-producer-epoch';
    const records = batch.lastOffsetDelta + 1;
    if (batch.producerEpoch === epoch) {
      const known = current.slice(-5).find((each) => each.first === batch.baseSequence && each.records === records);
      if (known !== undefined) return `again at ${known.offset}`;
    }
    const last = batch.producerEpoch === epoch ? current.at(-1) : undefined;
    const next = last === undefined ? 0 : (last.first + last.records) % 2 ** 31;
    if (batch.baseSequence !== next) return 'out-of-order-sequence';
    return this.#openSince(batch.producerId) >= 0 && !batch.isTransactional ? 'invalid-txn-state' : 'ok';
  }

  append(batch: ProducerBatch, offset: number): void {
    this.#history.push({
      id: batch.producerId,
      epoch: batch.producerEpoch,
      first: batch.baseSequence,
      records: batch.lastOffsetDelta + 1,
      offset,
      txn: batch.isTransactional,
      marker: false,
    });
  }

  mark(id: number, epoch: number, offset: number): void {
    this.#history.push({ id, epoch, first: -1, records: 1, offset, txn: true, marker: true });
  }

  #openSince(id: number): number {
    const mine = this.#history.filter((each) => each.id === id);
    const marker = mine.findLastIndex((each) => each.marker);
    return mine.slice(marker + 1).find((each) => each.txn)?.offset ?? -1;
  }

  stable(end: number): number {
    const ids = new Set(this.#history.map((each) => each.id));
    const open = [...ids].map((id) => this.#openSince(id)).filter((offset) => offset >= 0);
    return Math.min(end, ...open);
  }
}

const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('append' as const),
      id: fc.integer({ min: 1, max: 3 }),
      epochs: fc.oneof(
        { weight: 8, arbitrary: fc.constant(0) },
        { weight: 1, arbitrary: fc.integer({ min: -1, max: 1 }) },
      ),
      /** How far the sequence lies from the next one; batches back are retries. */
      skip: fc.oneof(
        { weight: 6, arbitrary: fc.constant(0) },
        { weight: 3, arbitrary: fc.integer({ min: -8, max: 2 }) },
      ),
      txn: fc.boolean(),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('mark' as const),
      id: fc.integer({ min: 1, max: 3 }),
      epochs: fc.integer({ min: -1, max: 1 }),
      commit: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ kind: 'restart' as const }) },
);

test('every answer is that of a model which remembers everything, across snapshots too', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), fc.integer({ min: LAST - 40, max: LAST }), (steps, start) => {
      const partition = new Partition();
      const model = new Model();
      const now = new Map<number, { epoch: number; next: number }>();
      for (const each of steps) {
        if (each.kind === 'restart') {
          partition.states = ProducerStates.from(partition.states.records(), NOW);
          continue;
        }
        const known = now.get(each.id) ?? { epoch: 2, next: start };
        const epoch = known.epoch + each.epochs;
        if (each.kind === 'mark') {
          const offset = partition.end;
          const outcome = partition.mark({ id: each.id, epoch, commit: each.commit });
          expect(outcome).toBe(now.has(each.id) && epoch < known.epoch ? 'invalid-producer-epoch' : 'ok');
          if (outcome !== 'ok') continue;
          model.mark(each.id, epoch, offset);
          now.set(each.id, { epoch, next: epoch === known.epoch && now.has(each.id) ? known.next : 0 });
        } else {
          const baseSequence = (known.next + 2 * each.skip + 2 ** 31) % 2 ** 31;
          const batch = batchOf({
            producerId: each.id,
            producerEpoch: epoch,
            baseSequence: each.epochs > 0 && each.skip === 0 ? 0 : baseSequence,
            lastOffsetDelta: 1,
            isTransactional: each.txn,
          });
          const expected = model.check(batch);
          const offset = partition.end;
          expect(partition.append(batch)).toBe(expected);
          if (expected !== 'ok') continue;
          model.append(batch, offset);
          now.set(each.id, { epoch, next: (batch.baseSequence + 2) % 2 ** 31 });
        }
        expect(partition.stable).toBe(model.stable(partition.end));
      }
    }),
    { numRuns: 2000 },
  );
});
