import { expect, test } from 'vitest';
import { LogFault } from '../../src/core/fault.ts';
import { MemoryStore } from '../../src/storage/memory-store.ts';
import { SEED } from '../support/seed.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import {
  CompactedPartition,
  DELETE_RETENTION_MS,
  drive,
  expectFilesSound,
  expectMinimal,
  expectSound,
  Model,
  type ModelBatch,
  type Pair,
  Reader,
  tableOf,
} from './cleaner-fixture.ts';
import { HandClock } from './fixture.ts';

const RUNS = 120;
const STEPS = 80;
const KEYS = 12;

interface Producer {
  epoch: number;
  sequence: number;
  open: ModelBatch[];
}

/** Writers of every kind over one partition and its model. */
class Writers {
  readonly model = new Model();
  readonly #random: SeededRandom;
  readonly #producers = new Map<number, Producer>();

  constructor(random: SeededRandom) {
    this.#random = random;
  }

  append(partition: CompactedPartition): void {
    const id = this.#random.below(5);
    const producer = this.#producers.get(id) ?? { epoch: 0, sequence: 0, open: [] };
    if (this.#random.below(20) === 0 && producer.open.length === 0) {
      producer.epoch += 1;
      producer.sequence = 0;
    }
    const pairs = Array.from({ length: 1 + this.#random.below(4) }, () => this.#pair());
    const isTransactional = id >= 3;
    const fields = { producerId: id, producerEpoch: producer.epoch, baseSequence: producer.sequence, isTransactional };
    const reply = partition.append(pairs, id === 0 ? {} : fields);
    if (reply.outcome !== 'ok')
      throw LogFault.fromRecord(reply.fault ?? { code: 'ERR_BROKER', message: reply.outcome });
    const timestamp = partition.clock.nowMs;
    const entries = pairs.map(([key, value], index) => ({ offset: reply.baseOffset + index, key, value, timestamp }));
    const batch: ModelBatch = { producerId: id, entries, outcome: isTransactional ? undefined : 'plain' };
    this.model.add(batch);
    producer.sequence += pairs.length;
    if (isTransactional) producer.open.push(batch);
    this.#producers.set(id, producer);
  }

  #pair(): Pair {
    const value = 'v'.repeat(this.#random.below(60)) + String(this.#random.uint32());
    return [`k${this.#random.below(KEYS)}`, this.#random.below(5) === 0 ? null : value];
  }

  mark(partition: CompactedPartition): void {
    const id = 3 + this.#random.below(2);
    const producer = this.#producers.get(id);
    if (producer === undefined) return;
    const commit = this.#random.below(3) > 0;
    const reply = partition.mark(id, producer.epoch, commit);
    if (reply.outcome !== 'ok')
      throw LogFault.fromRecord(reply.fault ?? { code: 'ERR_BROKER', message: reply.outcome });
    for (const batch of producer.open) batch.outcome = commit ? 'commit' : 'abort';
    producer.open = [];
  }

  endAll(partition: CompactedPartition): void {
    for (const id of [3, 4]) {
      if ((this.#producers.get(id)?.open.length ?? 0) === 0) continue;
      partition.mark(id, this.#producers.get(id)?.epoch ?? 0, true);
      for (const batch of this.#producers.get(id)?.open ?? []) batch.outcome = 'commit';
      this.#producers.set(id, { ...(this.#producers.get(id) ?? { epoch: 0, sequence: 0 }), open: [] });
    }
  }
}

class CleanerRun {
  readonly #random: SeededRandom;
  readonly #clock = new HandClock();
  readonly #writers: Writers;
  #store = new MemoryStore({ simulatesCrashes: true });
  #partition: CompactedPartition;
  #reader: Reader;
  #readerSinceMs = 0;
  #recoveryPoint = 0;
  rounds = 0;
  crashesInRounds = 0;
  readersAtEnd = 0;
  restarts = 0;
  bytesGone = 0;

  constructor(seed: number) {
    this.#random = new SeededRandom(seed);
    this.#writers = new Writers(this.#random);
    this.#partition = this.#open(false);
    this.#reader = this.#newReader();
  }

  get #model(): Model {
    return this.#writers.model;
  }

  #open(cleanShutdown: boolean): CompactedPartition {
    const config = { segmentBytes: 400 + this.#random.below(600), cleaner: this.#cleaner() };
    const recoveryPoint = this.#recoveryPoint;
    return new CompactedPartition(this.#store, { clock: this.#clock, config, recoveryPoint, cleanShutdown });
  }

  /** Now and then too little memory for the keys. */
  #cleaner() {
    const dedupeBufferBytes = this.#random.below(3) === 0 ? 24 * 16 : 1 << 20;
    return { enabled: true, backoffMs: 1, ioBytesPerSecond: 1e9, dedupeBufferBytes, loadFactor: 0.5 };
  }

  #newReader(): Reader {
    this.#readerSinceMs = this.#clock.nowMs;
    return new Reader(this.#partition, 'read_committed', 0);
  }

  async run(): Promise<void> {
    for (let step = 0; step < STEPS; step++) await this.#step();
    this.#writers.endAll(this.#partition);
    for (let round = 0; round < 3; round++) {
      await this.#partition.rollAndClean();
      this.#clock.nowMs += DELETE_RETENTION_MS + 1;
    }
    expectSound(this.#partition, this.#model);
    expectMinimal(this.#partition, this.#model);
    expectFilesSound(this.#partition);
  }

  async #step(): Promise<void> {
    const choice = this.#random.below(100);
    this.#clock.nowMs += this.#random.below(120);
    if (choice < 50) this.#writers.append(this.#partition);
    else if (choice < 60) this.#writers.mark(this.#partition);
    else if (choice < 66) this.#partition.roll();
    else if (choice < 76) await this.#clean();
    else if (choice < 79) await this.#crashWhileCleaning();
    else if (choice < 82) this.#flush();
    else if (choice < 84) this.#clock.nowMs += DELETE_RETENTION_MS;
    else if (choice < 92) this.#poll();
    else if (choice < 95) this.#restart(true);
    else if (choice < 98) this.#restart(false);
    else this.#expectSound();
  }

  #expectSound(): void {
    expectSound(this.#partition, this.#model, 1 + this.#random.below(2000));
  }

  #flush(): void {
    this.#partition.log.flushSync();
    if (this.#random.below(2) === 0) this.#recoveryPoint = this.#partition.log.recoveryPoint;
  }

  /** A consumer that is quick enough misses no deletion, whatever is compacted while it reads. */
  #poll(): void {
    if (this.#clock.nowMs - this.#readerSinceMs >= DELETE_RETENTION_MS) this.#reader = this.#newReader();
    for (let polls = this.#random.below(6); polls > 0 && !this.#reader.isAtEnd; polls--) {
      this.#reader.poll(1 + this.#random.below(600));
    }
    if (!this.#reader.isAtEnd) return;
    const { lastStableOffset } = this.#partition.partition.state();
    expect(tableOf(this.#reader.entries)).toEqual(tableOf(this.#model.committed(lastStableOffset)));
    this.readersAtEnd += 1;
    this.#reader = this.#newReader();
  }

  /** A round with others at work between its steps. */
  async #clean(): Promise<void> {
    const { bytesBefore, bytesAfter } = await this.#partition.clean(() => {
      const choice = this.#random.below(40);
      if (choice === 0) this.#writers.append(this.#partition);
      else if (choice === 1) this.#writers.mark(this.#partition);
      else if (choice === 2) this.#poll();
      else if (choice === 3) this.#expectSound();
    });
    this.rounds += 1;
    this.bytesGone += bytesBefore - bytesAfter;
    this.#expectSound();
  }

  async #crashWhileCleaning(): Promise<void> {
    const { log, partition } = this.#partition;
    log.flushSync();
    this.#recoveryPoint = log.recoveryPoint;
    this.#store.fail({ nth: 1 + this.#random.below(60), code: 'EIO', sticky: true, tornBytes: this.#random.below(99) });
    try {
      await drive(partition.compact(this.#clock.nowMs));
    } catch (error) {
      if (!(error instanceof LogFault)) throw error;
      this.crashesInRounds += 1;
    }
    this.#store.heal();
    const losesPower = this.#random.below(2) === 0;
    this.#store = losesPower ? this.#store.afterPowerLoss(() => this.#random.uint32()) : this.#store.afterKill();
    this.#partition = this.#open(false);
    expect(this.#partition.log.fault).toBeUndefined();
    this.#reader = this.#newReader();
    this.#expectSound();
  }

  /** State after a restart is the state before. */
  #restart(inOrder: boolean): void {
    const live = this.#partition.producers();
    const { logEndOffset, lastStableOffset } = this.#partition.partition.state();
    if (inOrder) {
      this.#partition.partition.close();
      this.#recoveryPoint = logEndOffset;
    } else this.#store = this.#store.afterKill();
    const losesSnapshots = this.#random.below(3) === 0;
    for (const path of this.#store.paths()) if (losesSnapshots && path.endsWith('.snapshot')) this.#store.remove(path);
    this.#partition = this.#open(inOrder && !losesSnapshots);
    expect(this.#partition.log.fault).toBeUndefined();
    expect(this.#partition.producers()).toEqual(live);
    expect(this.#partition.partition.state()).toMatchObject({ logEndOffset, lastStableOffset });
    this.restarts += 1;
    this.#reader = this.#newReader();
    this.#expectSound();
  }
}

// MILLRACE_SEED replays a run from the seed that it printed.
test('whatever is written, compacted, read and crashed, readers get the table of a log that was never compacted', async () => {
  const first = SEED;
  const totals = { rounds: 0, crashesInRounds: 0, readersAtEnd: 0, restarts: 0, bytesGone: 0 };
  for (let seed = first; seed < first + RUNS; seed++) {
    const run = new CleanerRun(seed);
    try {
      await run.run();
    } catch (error) {
      throw new Error(`seed ${seed}: ${String(error)}`, { cause: error });
    }
    totals.rounds += run.rounds;
    totals.crashesInRounds += run.crashesInRounds;
    totals.readersAtEnd += run.readersAtEnd;
    totals.restarts += run.restarts;
    totals.bytesGone += run.bytesGone;
  }
  console.log(`seeds ${first} to ${first + RUNS - 1}: ${JSON.stringify(totals)}`);
  expect(Math.min(...Object.values(totals))).toBeGreaterThan(RUNS / 2);
});

/** A log with all that compaction deals with, once compacted already, with a good deal to do. */
async function prepared() {
  const store = new MemoryStore({ simulatesCrashes: true });
  const partition = new CompactedPartition(store);
  const writers = new Writers(new SeededRandom(11));
  for (let step = 0; step < 44; step++) {
    writers.append(partition);
    if (step % 7 === 6) writers.mark(partition);
    partition.clock.nowMs += 20;
    if (step === 22) await partition.rollAndClean();
  }
  writers.endAll(partition);
  partition.clock.nowMs += DELETE_RETENTION_MS;
  partition.roll();
  writers.append(partition);
  partition.log.flushSync();
  return { store, partition, writers };
}

const cases = (['kill', 'power loss'] as const).flatMap((how) => [
  { how, what: 'one operation fails', sticky: false },
  { how, what: 'nothing works from some operation on', sticky: true },
]);

/** Operations of one round but for reads: what may fail. */
async function operationsOfARound(): Promise<number> {
  const { store, partition } = await prepared();
  const count = () => [...store.operations].reduce((sum, [kind, each]) => sum + (kind === 'read' ? 0 : each), 0);
  const before = count();
  await drive(partition.partition.compact(partition.clock.nowMs));
  return count() - before;
}

test.each(cases)('when $what in a round, and then comes a $how, nothing is lost', async ({ how, sticky }) => {
  const random = new SeededRandom(3);
  let failed = 0;
  const operations = await operationsOfARound();
  for (let nth = 1; nth <= operations; nth++) {
    const { store, partition, writers } = await prepared();
    const { logEndOffset, recoveryPoint } = partition.log;
    const live = partition.producers();
    store.fail({ nth, code: 'EIO', sticky, tornBytes: nth % 50 });
    const fault = await drive(partition.partition.compact(partition.clock.nowMs)).then(
      () => undefined,
      (error: unknown) => error,
    );
    store.heal();
    if (sticky) expect(fault, `operation ${nth}`).toBeDefined();
    if (fault !== undefined) {
      expect(fault).toBeInstanceOf(LogFault);
      failed += 1;
    }
    // The log goes on, or says why not.
    if (partition.log.fault === undefined) {
      expectSound(partition, writers.model);
      writers.append(partition);
    }
    const next = how === 'kill' ? store.afterKill() : store.afterPowerLoss(() => random.uint32());
    const after = new CompactedPartition(next, { clock: partition.clock, recoveryPoint });
    expect(after.log.fault, `after operation ${nth}`).toBeUndefined();
    expect(after.log.logEndOffset).toBeGreaterThanOrEqual(logEndOffset);
    writers.model.cut(after.log.logEndOffset);
    expectSound(after, writers.model);
    if (after.log.logEndOffset === logEndOffset) expect(after.producers()).toEqual(live);
    await after.rollAndClean();
    expectSound(after, writers.model);
    expectFilesSound(after);
  }
  expect(failed).toBeGreaterThan(operations / 2);
});
