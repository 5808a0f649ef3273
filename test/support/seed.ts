// The seed of everything in the tests that is random: MILLRACE_SEED replays a run from the seed that it printed.

export const SEED = Number(process.env.MILLRACE_SEED ?? Date.now() % 2 ** 31);
