// A broker that is killed, or loses power, at every operation of its store while producers run transactions: what was
// committed is there as a whole, what was not is not, and nothing hangs afterwards.

import { expect, test } from 'vitest';
import { MemoryStore } from '../../../src/storage/memory-store.ts';
import { SeededRandom } from '../../support/seeded-random.ts';
import { BrokerFixture, settle } from '../fixture.ts';
import {
  committedOffset,
  committedValues,
  fetchPartition,
  NEW,
  OLD,
  TestProducer,
  type Versions,
} from './transaction-fixture.ts';

const CONFIG = {
  'transaction.state.log.num.partitions': '1',
  'offsets.topic.num.partitions': '1',
  'transaction.abort.timed.out.transaction.cleanup.interval.ms': '1000',
};
const PARTITIONS = [0, 1];
/** Longer than any transaction here may take. */
const TIMEOUT_MS = 60_000;

/** What the client of one transaction knows of it. */
interface Attempt {
  readonly value: string;
  outcome: 'open' | 'asked-to-commit' | 'committed' | 'aborted';
}

class Client {
  readonly id: string;
  readonly versions: Versions;
  readonly attempts: Attempt[] = [];

  constructor(id: string, versions: Versions) {
    this.id = id;
    this.versions = versions;
  }

  /** Runs transactions until one request fails: then the client is gone. */
  async run(fixture: BrokerFixture, outcomes: readonly boolean[]): Promise<void> {
    const producer = new TestProducer(fixture, this.id, this.versions);
    if ((await producer.init(TIMEOUT_MS)) !== 'NONE') return;
    for (const [number, commit] of outcomes.entries()) {
      const attempt: Attempt = { value: `${this.id}-${number}`, outcome: 'open' };
      this.attempts.push(attempt);
      if (this.versions === OLD && (await producer.add('orders', ...PARTITIONS)) !== 'NONE') return;
      for (const index of PARTITIONS) {
        if ((await producer.send('orders', index, attempt.value)) !== 'NONE') return;
      }
      if (this.versions === OLD && (await producer.addOffsets(this.id)) !== 'NONE') return;
      if ((await producer.commitOffset(this.id, number)) !== 'NONE') return;
      if (commit) attempt.outcome = 'asked-to-commit';
      if ((await producer.end(commit)) !== 'NONE') return;
      attempt.outcome = commit ? 'committed' : 'aborted';
    }
    await producer.completed();
  }
}

function clients(): Client[] {
  return [new Client('old', OLD), new Client('new', NEW)];
}

async function prepared(): Promise<BrokerFixture> {
  const store = new MemoryStore({ simulatesCrashes: true });
  const fixture = await BrokerFixture.start({ store, config: CONFIG });
  await fixture.createTopic('orders', PARTITIONS.length);
  return fixture;
}

/** Time passes meanwhile: a broker whose store fails tries again and again. */
async function runAll(fixture: BrokerFixture, all: readonly Client[]): Promise<void> {
  let running = true;
  const runs = all.map((client) => client.run(fixture, [true, false, true]).catch(() => {}));
  const finished = Promise.all(runs).then(() => {
    running = false;
  });
  while (running) {
    await settle();
    fixture.clock.advance(10);
  }
  await finished;
}

/** Store operations of a run that nothing disturbs. */
async function operationsOf(): Promise<number> {
  const fixture = await prepared();
  const count = (): number =>
    [...fixture.store.operations].reduce((sum, [kind, n]) => sum + (kind === 'read' ? 0 : n), 0);
  const before = count();
  await runAll(fixture, clients());
  return count() - before;
}

/** Lets every open transaction time out and every decided one complete. */
async function recover(fixture: BrokerFixture): Promise<void> {
  await settle();
  for (let passed = 0; passed <= 3 * TIMEOUT_MS; passed += 10_000) {
    fixture.clock.advance(10_000);
    await settle();
    await settle();
  }
}

async function check(fixture: BrokerFixture, all: readonly Client[]): Promise<void> {
  await recover(fixture);
  const visible = await Promise.all(PARTITIONS.map((index) => committedValues(fixture, 'orders', index)));
  for (const index of PARTITIONS) {
    const { lastStableOffset, highWatermark } = await fetchPartition(fixture, 'orders', { index });
    expect(lastStableOffset, `a transaction hangs in partition ${index}`).toBe(highWatermark);
    const values = visible[index] ?? [];
    expect(new Set(values).size, 'a record is there twice').toBe(values.length);
  }
  for (const { value, outcome } of all.flatMap(({ attempts }) => attempts)) {
    const seen = visible.map((values) => values.includes(value));
    if (outcome === 'committed') expect(seen, `${value} was committed`).toEqual([true, true]);
    else if (outcome === 'asked-to-commit') expect(seen[0], `${value} is torn`).toBe(seen[1]);
    else expect(seen, `${value} was not committed`).toEqual([false, false]);
  }
  for (const { id, attempts } of all) {
    const last = attempts.findLastIndex(({ value }) => visible[0]?.includes(value));
    expect(await committedOffset(fixture, id, true), `the offset of ${id} goes with its records`).toBe(last);
  }
  for (const { id, versions } of all) {
    const producer = new TestProducer(fixture, id, versions);
    expect(await producer.init(TIMEOUT_MS)).toBe('NONE');
    if (versions === OLD) await producer.add('orders', 0);
    expect(await producer.send('orders', 0, `${id}-after`)).toBe('NONE');
    expect(await producer.end(true)).toBe('NONE');
    await producer.completed();
  }
  const after = await committedValues(fixture, 'orders');
  expect(after).toEqual(expect.arrayContaining(all.map(({ id }) => `${id}-after`)));
}

type Ending = (store: MemoryStore, random: SeededRandom) => MemoryStore;

/** Whether every log takes appends: one with a hole where a power loss has been takes none, by the storage's rules. */
async function isWritable(fixture: BrokerFixture): Promise<boolean> {
  const codes = PARTITIONS.map(async (index) => {
    const { errorCode } = await fixture.produce('orders', fixture.batch(`plain-${index}`), { index, acks: -1 });
    return errorCode;
  });
  const probe = await new TestProducer(fixture, 'probe').init();
  return probe === 'NONE' && (await Promise.all(codes)).every((code) => code === 0);
}

/** Resolves with whether the logs could be written to afterwards, and so be looked at. */
async function round(operation: number, { ending, twice }: Rounds): Promise<boolean> {
  const random = new SeededRandom(operation);
  const fixture = await prepared();
  // From this operation on nothing reaches the store: the broker is dead, it does not know it yet.
  fixture.store.fail({ nth: operation, code: 'EIO', sticky: true, tornBytes: random.below(200) });
  const all = clients();
  await runAll(fixture, all);
  let store = ending(fixture.store, random);
  if (twice) store = ending(await dieRecovering(store, fixture, random), random);
  const next = await BrokerFixture.start({ store, checkpoints: fixture.checkpoints, config: CONFIG });
  const writable = await isWritable(next);
  if (writable) await check(next, all);
  await next.broker.close();
  return writable;
}

/** The broker dies once more while it makes good what the first death left. */
async function dieRecovering(store: MemoryStore, before: BrokerFixture, random: SeededRandom): Promise<MemoryStore> {
  store.fail({ nth: 1 + random.below(60), code: 'EIO', sticky: true, tornBytes: random.below(200) });
  const started = BrokerFixture.start({ store, checkpoints: before.checkpoints, config: CONFIG });
  // It may not even come to serve.
  await started.then(recover, () => {});
  return store;
}

interface Rounds {
  readonly name: string;
  readonly ending: Ending;
  readonly twice: boolean;
  /** The part of the rounds that must leave all logs without a hole. */
  readonly wholeMin: number;
}

const kill: Ending = (store) => store.afterKill();
const loseAll: Ending = (store) => store.afterPowerLoss(() => 1);
const loseSome: Ending = (store, random) => store.afterPowerLoss(() => random.uint32());

const ROUNDS: readonly Rounds[] = [
  { name: 'a kill', ending: kill, twice: false, wholeMin: 1 },
  { name: 'a kill, and another one in the recovery,', ending: kill, twice: true, wholeMin: 1 },
  { name: 'a power loss that takes all that was not flushed', ending: loseAll, twice: false, wholeMin: 1 },
  { name: 'two such power losses', ending: loseAll, twice: true, wholeMin: 1 },
  { name: 'a power loss that takes some of it', ending: loseSome, twice: false, wholeMin: 0.7 },
];

for (const rounds of ROUNDS) {
  test(`${rounds.name} at any operation: no transaction is torn, none hangs`, async () => {
    const operations = await operationsOf();
    expect(operations).toBeGreaterThan(30);
    let whole = 0;
    for (let operation = 1; operation <= operations; operation++) {
      try {
        if (await round(operation, rounds)) whole++;
      } catch (error) {
        throw new Error(`operation ${operation} of ${operations}`, { cause: error });
      }
    }
    expect(whole).toBeGreaterThanOrEqual(operations * rounds.wholeMin);
  });
}
