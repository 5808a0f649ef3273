// Hostile bytes, for a few seconds. A failure names its seed; MILLRACE_SEED replays it.

import { expect, test } from 'vitest';
import { LogFault } from '../../src/core/fault.ts';
import { SEED } from '../support/seed.ts';
import { fuzzCodec, fuzzHeaders, hostileRequestFrames } from './frame-fuzzer.ts';
import { decode, hexOf } from './golden-frames.ts';

test(`mutated messages decode or are malformed, and nothing else (MILLRACE_SEED=${SEED})`, () => {
  const { runs, malformed } = fuzzCodec({ seed: SEED, budgetMs: 2500 });
  expect(runs).toBeGreaterThan(1000);
  expect(malformed).toBeGreaterThan(runs / 20);
  expect(malformed).toBeLessThan(runs);
});

test(`mutated request headers are read or are malformed (MILLRACE_SEED=${SEED})`, () => {
  const { runs, malformed } = fuzzHeaders({ seed: SEED, budgetMs: 500 });
  expect(runs).toBeGreaterThan(1000);
  expect(malformed).toBeLessThan(runs);
});

test('the fuzzer notices a codec that throws something else', () => {
  const broken = () => {
    throw new TypeError('planted');
  };
  expect(() => fuzzCodec({ seed: 1, budgetMs: 1000, decode: broken })).toThrow(/seed 1, run 0: .*planted/);
});

test('the fuzzer notices a codec that calls malformed frames by another code', () => {
  const broken = (...[frame, bytes]: Parameters<typeof decode>) => {
    try {
      return decode(frame, bytes);
    } catch {
      throw new LogFault('ERR_UNSUPPORTED', 'planted');
    }
  };
  expect(() => fuzzCodec({ seed: 2, budgetMs: 1000, decode: broken })).toThrow(/seed 2, .*planted/);
});

test('one seed gives one sequence of frames', () => {
  const first = hostileRequestFrames(42);
  const second = hostileRequestFrames(42);
  for (let index = 0; index < 100; index++) expect(hexOf(first.next().value)).toBe(hexOf(second.next().value));
});
