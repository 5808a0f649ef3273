// What a mistyped name is told.

import { expect, test } from 'vitest';
import { similarName } from '../../src/broker/config/similar-name.ts';
import { TOPIC_CONFIGS } from '../../src/broker/config/topic-configs.ts';

const NAMES = ['retention.ms', 'retention.bytes', 'segment.ms'];

test.each([
  ['retenton.ms', 'retention.ms'],
  ['retention.mss', 'retention.ms'],
  ['segmnet.ms', 'segment.ms'],
  ['retention.ms', undefined],
  ['compression', undefined],
  ['', undefined],
  ['x'.repeat(1_000_000), undefined],
])('%.20s is taken for %s', (name, similar) => {
  expect(similarName(name, NAMES)).toBe(similar);
});

test('a topic config is suggested too', () => {
  expect(TOPIC_CONFIGS.suggestion('retenton.ms')).toBe(' (did you mean retention.ms?)');
  expect(TOPIC_CONFIGS.suggestion('nonsense')).toBe('');
});
