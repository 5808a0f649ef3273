import { describe, expect, it } from 'vitest';
import { SEED } from '../support/seed.ts';
import { FUZZ_SECONDS } from './fuzz-settings.ts';
import { fuzzJson, HostileMessages } from './json-target.ts';

describe('hostile json messages', () => {
  it(
    `are each answered, and the session goes on (MILLRACE_SEED=${SEED})`,
    async () => {
      const { messages, answers } = await fuzzJson({ seed: SEED, seconds: FUZZ_SECONDS });
      console.log(`fuzz: ${messages} json messages, seed ${SEED}`);
      expect(messages).toBeGreaterThan(0);
      // A grant of credit without an id has no answer; damage may take the id away.
      expect(answers).toBeGreaterThan(messages * 0.9);
      expect(answers).toBeLessThanOrEqual(messages);
    },
    (FUZZ_SECONDS + 600) * 1000,
  );

  it('are the same for the same seed', () => {
    const [first, second] = [new HostileMessages(5), new HostileMessages(5)];
    for (let i = 0; i < 100; i++) expect(first.next()).toBe(second.next());
  });
});
