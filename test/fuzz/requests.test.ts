import { describe, expect, it } from 'vitest';
import { SEED } from '../support/seed.ts';
import { FUZZ_SECONDS } from './fuzz-settings.ts';
import { fuzzRequests, type Plant, servedVersions } from './request-target.ts';

describe('hostile requests', () => {
  it(
    `are answered or refused, and harm nobody (MILLRACE_SEED=${SEED})`,
    async () => {
      const { frames, answered, refused, asked } = await fuzzRequests({ seed: SEED, seconds: FUZZ_SECONDS });
      console.log(`fuzz: ${frames} requests, ${answered} answered, ${refused} refused, seed ${SEED}`);
      expect(servedVersions().filter((each) => !asked.has(each))).toEqual([]);
      expect(answered).toBeGreaterThan(frames / 20);
      expect(refused).toBeGreaterThan(frames / 20);
    },
    (FUZZ_SECONDS + 600) * 1000,
  );

  it('that crash a handler are found', async () => {
    const plant: Plant = (broker) => ({
      handle: (frame, context) =>
        frame[1] === 3 ? Promise.reject(new TypeError('planted')) : broker.handle(frame, context),
      whenWritable: () => undefined,
    });
    await expect(fuzzRequests({ seed: 1, seconds: 20, plant })).rejects.toThrow(/MILLRACE_SEED=1: .*planted/);
  });

  it('that are given the answers of others are found', async () => {
    const plant: Plant = (broker) => ({
      async handle(frame, context) {
        const response = await broker.handle(frame, context);
        return response === undefined ? undefined : { ...response, chunks: [new Uint8Array(response.byteLength)] };
      },
      whenWritable: () => undefined,
    });
    await expect(fuzzRequests({ seed: 1, seconds: 20, plant })).rejects.toThrow('wrong correlation id');
  });
});
