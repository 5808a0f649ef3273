// Time of the fuzzers, from the environment: MILLRACE_FUZZ_SECONDS (of each fuzzer, 3 by default) lengthens a run.

export const FUZZ_SECONDS = Number(process.env.MILLRACE_FUZZ_SECONDS ?? 3);
