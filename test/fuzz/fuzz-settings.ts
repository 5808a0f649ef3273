// Seed and time of the fuzzers, from the environment: MILLRACE_FUZZ_SEED replays a run, MILLRACE_FUZZ_SECONDS (of each
// fuzzer, 3 by default) lengthens it.

export const FUZZ_SEED = Number(process.env.MILLRACE_FUZZ_SEED ?? Date.now() % 2 ** 32);
export const FUZZ_SECONDS = Number(process.env.MILLRACE_FUZZ_SECONDS ?? 3);
