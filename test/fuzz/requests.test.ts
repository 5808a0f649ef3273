import { describe, expect, it } from 'vitest';
import { FUZZ_SECONDS, FUZZ_SEED } from './fuzz-settings.ts';
import { fuzzRequests } from './request-target.ts';

describe('hostile requests', () => {
  it(
    `are answered or refused, and harm nobody (MILLRACE_FUZZ_SEED=${FUZZ_SEED})`,
    async () => {
      const { frames, answered, refused } = await fuzzRequests({ seed: FUZZ_SEED, seconds: FUZZ_SECONDS });
      console.log(`fuzz: ${frames} requests, ${answered} answered, ${refused} refused, seed ${FUZZ_SEED}`);
      expect(answered).toBeGreaterThan(frames / 20);
      expect(refused).toBeGreaterThan(frames / 20);
    },
    (FUZZ_SECONDS + 60) * 1000,
  );
});
