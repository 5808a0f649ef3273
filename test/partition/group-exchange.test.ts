import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EXCHANGE_ROWS } from '../../src/core/limits.ts';
import type { AppendCommand, AppendReply, PartitionCommand, PartitionReply } from '../../src/partition/commands.ts';
import type { PartitionGroup } from '../../src/partition/group.ts';
import { createExchangeMemory, GroupExchange } from '../../src/partition/group-exchange.ts';

/** The two sides, with the cloning that posting does between them. */
function sides() {
  const memory = createExchangeMemory();
  const dispatcher = new GroupExchange(memory);
  const owner = new GroupExchange(memory);
  return {
    cross: (group: PartitionGroup) => owner.unpackGroup(structuredClone(dispatcher.packGroup(group))),
    answer: (replies: readonly PartitionReply[]) =>
      dispatcher.unpackReply(structuredClone(owner.packReply({ replies }))).replies,
    posted: (group: PartitionGroup) => dispatcher.packGroup(group),
  };
}

const offset = fc.integer({ min: -1, max: Number.MAX_SAFE_INTEGER });

const append: fc.Arbitrary<AppendCommand> = fc.record({
  kind: fc.constant('append' as const),
  handle: fc.nat(),
  position: fc.nat({ max: 8 << 20 }),
  length: fc.nat({ max: 8 << 20 }),
  bytes: fc.option(fc.uint8Array({ minLength: 1, maxLength: 8 }), { nil: undefined, freq: 9 }),
  durable: fc.boolean(),
  origin: fc.constantFrom('client' as const, 'coordinator' as const),
});

const command: fc.Arbitrary<PartitionCommand> = fc.oneof(
  { weight: 5, arbitrary: append },
  { weight: 1, arbitrary: fc.constant({ kind: 'maintain' as const }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('close' as const), handle: fc.nat() }) },
);

const state = fc.record({
  logStartOffset: offset,
  lastStableOffset: offset,
  highWatermark: offset,
  logEndOffset: offset,
  recoveryPoint: offset,
  sizeBytes: offset,
  revision: offset,
});

const appended: fc.Arbitrary<AppendReply> = fc.record({
  outcome: fc.constant('ok' as const),
  baseOffset: offset,
  lastOffset: offset,
  logAppendTimeMs: offset,
  isInPlace: fc.boolean(),
  state: fc.option(state, { nil: undefined, freq: 9 }),
});

const refused: fc.Arbitrary<PartitionReply> = fc.record({
  outcome: fc.constantFrom('invalid-record' as const, 'storage-error' as const),
  fault: fc.constant({ code: 'ERR_STORAGE' as const, message: 'the disk is full' }),
  baseOffset: fc.constant(-1),
  lastOffset: fc.constant(-1),
  logAppendTimeMs: fc.constant(-1),
  state: fc.option(state, { nil: undefined }),
});

const reply: fc.Arbitrary<PartitionReply> = fc.oneof(
  { weight: 5, arbitrary: appended },
  { weight: 1, arbitrary: refused },
  { weight: 1, arbitrary: fc.record({ outcome: fc.constant('ok' as const), state }) },
);

const ONE: AppendCommand = {
  kind: 'append',
  handle: 1,
  position: 0,
  length: 100,
  bytes: undefined,
  durable: false,
  origin: 'client',
};

describe('a group that crosses between threads', () => {
  it('arrives as it was, commands and answers, in their order', () => {
    const { cross, answer } = sides();
    fc.assert(
      fc.property(
        fc.record({
          slab: fc.constantFrom(0 as const, 1 as const),
          commands: fc.array(command, { maxLength: 40 }),
          released: fc.array(fc.nat(), { maxLength: 3 }),
        }),
        fc.array(reply, { maxLength: 40 }),
        (group, replies) => {
          expect(cross(group)).toEqual(group);
          expect(answer(replies)).toEqual(replies);
        },
      ),
      { numRuns: 500 },
    );
  });

  it('is one number where it appends and no more', () => {
    const { posted } = sides();
    expect(posted({ slab: 1, commands: [ONE, ONE, ONE], released: [] })).toBe(7);
    expect(posted({ slab: 1, commands: [ONE], released: [16384] })).not.toBeTypeOf('number');
  });

  it('takes more appends than there are rows', () => {
    const { cross, answer } = sides();
    const commands = Array.from({ length: EXCHANGE_ROWS + 3 }, (_, handle) => ({ ...ONE, handle }));
    expect(cross({ slab: 0, commands, released: [] }).commands).toEqual(commands);
    const replies = commands.map(({ handle }) => ({
      outcome: 'ok' as const,
      baseOffset: handle,
      lastOffset: handle,
      logAppendTimeMs: -1,
      isInPlace: true,
      state: undefined,
    }));
    expect(answer(replies)).toEqual(replies);
  });
});
