// Measures several ways to do the same thing, fairly: by turns in short rounds of tinybench, so that a change of the
// machine's mood meets all of them, and by the median of the rounds' medians. Refuses to compare different results.
import { createHash } from 'node:crypto';
import { Bench } from 'tinybench';
import { present } from '../src/core/assert.ts';
import type { BenchmarkContext } from './row.ts';

/** One way. `run` does the work `operations` times and returns what stands for the result of one. */
export interface Contender {
  readonly name: string;
  readonly operations: number;
  run(): ResultStandIn | Promise<ResultStandIn>;
}

export type ResultStandIn = number | string | Uint8Array;

export interface Comparison {
  /** Median nanoseconds of one operation, by contender. */
  readonly nanoseconds: ReadonlyMap<string, number>;
  /** Hash of the result that all gave. */
  readonly check: string;
}

const ROUNDS = 9;
const ROUND_MS = 40;
const WARM_UP_MS = 150;

/** Runs all contenders; throws where their results differ. */
export async function compare(context: BenchmarkContext, contenders: readonly Contender[]): Promise<Comparison> {
  const check = await agreeingHash(contenders);
  const rounds = new Map<string, number[]>(contenders.map(({ name }) => [name, []]));
  for (let round = 0; round < (context.tiny ? 1 : ROUNDS); round++) {
    for (const contender of contenders) {
      const median = await measure(contender, context.tiny, round === 0);
      present(rounds.get(contender.name), contender.name).push(median);
    }
  }
  const nanoseconds = new Map([...rounds].map(([name, medians]) => [name, middle(medians)]));
  return { nanoseconds, check };
}

async function agreeingHash(contenders: readonly Contender[]): Promise<string> {
  const hashes = new Map<string, string>();
  for (const contender of contenders) hashes.set(hash(await contender.run()), contender.name);
  if (hashes.size !== 1) throw new Error(`results differ: ${JSON.stringify(Object.fromEntries(hashes))}`);
  return present([...hashes.keys()][0], 'a contender');
}

function hash(result: ResultStandIn): string {
  const bytes = result instanceof Uint8Array ? result : String(result);
  return createHash('sha256').update(bytes).digest('hex').slice(0, 8);
}

/** Median nanoseconds of one operation in one round. */
async function measure(contender: Contender, tiny: boolean, first: boolean): Promise<number> {
  const bench = new Bench({
    time: tiny ? 0 : ROUND_MS,
    iterations: tiny ? 1 : 5,
    warmup: first && !tiny,
    warmupTime: WARM_UP_MS,
    warmupIterations: 5,
    retainSamples: true,
    throws: true,
  });
  // tinybench would read a returned object as its own, so results stay inside.
  bench.add(contender.name, () => {
    const result = contender.run();
    return result instanceof Promise ? result.then(() => undefined) : undefined;
  });
  await bench.run();
  const result = present(bench.tasks[0], 'the task').result;
  if (!('latency' in result)) throw new Error(`${contender.name} was not measured: ${result.state}`);
  return (result.latency.p50 * 1e6) / contender.operations;
}

function middle(values: readonly number[]): number {
  return present([...values].sort((a, b) => a - b)[values.length >> 1], 'a value');
}

/** Operations for one timed iteration, so that a clock tick does not matter. */
export function repetitions(context: BenchmarkContext, estimatedNanoseconds: number): number {
  return context.tiny ? 1 : Math.max(1, Math.round(200_000 / estimatedNanoseconds));
}
