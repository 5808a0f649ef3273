// The assignors of KIP-848 and the expressions by which members subscribe.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ASSIGNORS, type Assignment, type AssignorInput } from '../../../src/broker/groups/assignors.ts';
import type { PartitionKey, PartitionSet } from '../../../src/broker/groups/partition-set.ts';
import { PatternFault, TopicPattern } from '../../../src/broker/groups/topic-pattern.ts';
import { present } from '../../../src/core/assert.ts';
import type { Uuid } from '../../../src/protocol/uuid.ts';
import { topicId } from './shard-fixture.ts';

const uniform = present(ASSIGNORS.uniform, 'uniform');
const range = present(ASSIGNORS.range, 'range');

function input(
  topics: readonly number[],
  subscriptions: readonly (readonly number[])[],
  before?: Assignment,
): AssignorInput {
  return {
    topics: new Map(topics.map((count, index): [Uuid, number] => [topicId(index), count])),
    members: subscriptions.map((subscribed, index) => ({
      memberId: `member-${index}`,
      instanceId: null,
      topics: new Set(subscribed.map(topicId)),
      current: before?.get(`member-${index}`) ?? new Set<PartitionKey>(),
    })),
  };
}

function sizes(assignment: Assignment): number[] {
  return Array.from(assignment.values(), (keys) => keys.size);
}

function moved(before: Assignment, after: Assignment): number {
  let count = 0;
  for (const [memberId, keys] of before) {
    for (const key of keys) if (after.get(memberId)?.has(key) === false) count++;
  }
  return count;
}

const problem = fc
  .record({
    topics: fc.array(fc.nat({ max: 9 }), { minLength: 1, maxLength: 5 }),
    members: fc.integer({ min: 1, max: 7 }),
    alike: fc.boolean(),
  })
  .chain(({ topics, members, alike }) => {
    const all = topics.map((_, index) => index);
    const subscriptions = alike
      ? fc.constant(Array.from({ length: members }, () => all))
      : fc.array(fc.subarray(all, { minLength: 1 }), { minLength: members, maxLength: members });
    return fc.record({ topics: fc.constant(topics), subscriptions, alike: fc.constant(alike) });
  });

describe.each([
  ['uniform', uniform],
  ['range', range],
] as const)('%s', (_, assign) => {
  test('gives every partition that somebody wants to exactly one who subscribes', () => {
    fc.assert(
      fc.property(problem, ({ topics, subscriptions }) => {
        const given = input(topics, subscriptions);
        const assignment = assign(given);
        const owner = new Map<string, string>();
        for (const member of given.members) {
          for (const key of assignment.get(member.memberId) ?? new Set<PartitionKey>()) {
            expect(owner.has(key)).toBe(false);
            owner.set(key, member.memberId);
            expect([...member.topics].some((id) => key.startsWith(`${id}/`))).toBe(true);
          }
        }
        const wanted = topics.reduce(
          (sum, count, index) => sum + (subscriptions.some((each) => each.includes(index)) ? count : 0),
          0,
        );
        expect(owner.size).toBe(wanted);
      }),
    );
  });
});

describe('uniform', () => {
  test('is even: nobody could take a partition from one who has two more', () => {
    fc.assert(
      fc.property(problem, ({ topics, subscriptions }) => {
        const given = input(topics, subscriptions);
        const assignment = uniform(given);
        for (const rich of given.members) {
          for (const poor of given.members) {
            const has = present(assignment.get(rich.memberId), 'rich');
            const gap = has.size - present(assignment.get(poor.memberId), 'poor').size;
            const shared = [...has].some((key) => [...poor.topics].some((id) => key.startsWith(`${id}/`)));
            if (gap > 1) expect(shared).toBe(false);
          }
        }
      }),
    );
  });

  test('moves nothing where nothing changed, and little where a member comes or goes', () => {
    fc.assert(
      fc.property(problem, ({ topics, subscriptions, alike }) => {
        const before = uniform(input(topics, subscriptions));
        expect(moved(before, uniform(input(topics, subscriptions, before)))).toBe(0);
        if (!alike) return;
        const all = topics.map((_, index) => index);
        const more = [...subscriptions, all];
        const after = uniform(input(topics, more, before));
        const count = topics.reduce((sum, each) => sum + each, 0);
        expect(moved(before, after)).toBe(Math.floor(count / more.length));
        const fewer = uniform(input(topics, subscriptions, after));
        const gone: PartitionSet = after.get(`member-${subscriptions.length}`) ?? new Set();
        const stayed = new Map([...after].filter(([, keys]) => keys !== gone));
        expect(moved(stayed, fewer)).toBe(0);
      }),
    );
  });

  test('looks at each member a few times for each of thousands of partitions', () => {
    const [partitions, count] = [4000, 200];
    const subscriptions = Array.from({ length: count }, (_, index) => (index % 2 === 0 ? [0] : [0, 1]));
    const { topics, members } = input([partitions, partitions], subscriptions);
    let looks = 0;
    const watched = members.map(({ memberId, ...member }) => ({
      ...member,
      get memberId() {
        looks++;
        return memberId;
      },
    }));
    const assignment = uniform({ topics, members: watched });
    expect(looks).toBeLessThan(2 * partitions * count * 2);
    expect(Math.max(...sizes(assignment)) - Math.min(...sizes(assignment))).toBeLessThanOrEqual(1);
  });
});

test('range gives neighbours to one member, and equal topics equally', () => {
  const assignment = range(
    input(
      [5, 5],
      [
        [0, 1],
        [0, 1],
      ],
    ),
  );
  const numbers = (memberId: string, index: number): number[] =>
    [...(assignment.get(memberId) ?? [])]
      .filter((key) => key.startsWith(topicId(index)))
      .map((key) => Number(key.split('/')[1]));
  for (const index of [0, 1]) {
    expect(numbers('member-0', index)).toEqual([0, 1, 2]);
    expect(numbers('member-1', index)).toEqual([3, 4]);
  }
});

describe('expressions for topics', () => {
  const SOURCES = [
    'orders',
    'ord.*',
    '.*',
    'a|b|cd',
    '(a|b)+c?',
    '[a-c]x{2}',
    'x{2,}',
    'x{0,2}y',
    '[^a-y]*',
    '\\w+\\d',
    '(?:ab)*?',
    '^a.*z$',
    'a\\.b',
    '[\\w.-]+',
    '((a*)*)*b',
    '',
    '[]a]',
    '[a-]',
  ];

  test('match whole names, as JavaScript’s own do', () => {
    const name = fc.string({ unit: fc.constantFrom(...'abcxyz.-_0159'), maxLength: 8 });
    fc.assert(
      fc.property(fc.constantFrom(...SOURCES), name, (source, candidate) => {
        // In JavaScript `[]` is an empty class; RE2 takes a first `]` literally.
        const own = source === '[]a]' ? '[\\]a]' : source;
        expect(new TopicPattern(source).matches(candidate)).toBe(new RegExp(`^(?:${own})$`).test(candidate));
      }),
      { numRuns: 3000 },
    );
  });

  test.each([
    '(',
    ')',
    'a)',
    '[a',
    '*a',
    'a**',
    '(?i)a',
    '(?=a)',
    '\\1',
    '\\b',
    'a{3,2}',
    'a{2000}',
    '[z-a]',
    '[[:alpha:]]',
    'a^b',
    '\\',
  ])('%s is refused', (source) => {
    expect(() => new TopicPattern(source)).toThrow(PatternFault);
  });

  test('hold nobody up: what makes backtracking explode takes no time, and what would grow too large is refused', () => {
    // Backtracking would not come to an end.
    const pattern = new TopicPattern('(a*)*(a|aa)+(.*a){12}b');
    expect(pattern.matches('a'.repeat(249))).toBe(false);
    expect(() => new TopicPattern('((a{50}){50}){50}')).toThrow(PatternFault);
    expect(() => new TopicPattern('('.repeat(5000))).toThrow(PatternFault);
  });
});
