import { expect, test } from 'vitest';
import { MemoryStore } from '../../src/storage/memory-store.ts';
import { HandClock } from '../storage/fixture.ts';
import { SEED } from '../support/seed.ts';
import { SeededRandom } from '../support/seeded-random.ts';
import { abortedOf, endOf, LogPartition } from './log-partition.ts';
import { truthOf, type Written, writtenIn } from './truth.ts';

const RUNS = 150;
const STEPS = 70;
const CONFIG = { segmentBytes: 1200, indexIntervalBytes: 300, retentionMs: -1, fileDeleteDelayMs: 100 };

class CrashRun {
  readonly #random: SeededRandom;
  readonly #clock = new HandClock();
  #store = new MemoryStore({ simulatesCrashes: true });
  #partition: LogPartition;
  #log: Written[] = [];
  #recoveryPoint = 0;
  duplicates = 0;
  aborts = 0;
  restarts = 0;

  constructor(seed: number) {
    this.#random = new SeededRandom(seed);
    this.#partition = this.#open(false);
  }

  run(): void {
    for (let step = 0; step < STEPS; step++) this.#step();
    this.#check();
  }

  #step(): void {
    const choice = this.#random.below(100);
    if (choice < 45) this.#append();
    else if (choice < 60) this.#mark();
    else if (choice < 68) this.#retry();
    else if (choice < 76) this.#flush();
    else if (choice < 79) this.#truncate();
    else if (choice < 82) this.#partition.partition.maintain(this.#clock.nowMs);
    else if (choice < 88) this.#checkRead();
    else if (choice < 92) this.#closeAndOpen();
    else if (choice < 96) this.#kill();
    else this.#losePower();
  }

  #open(clean: boolean): LogPartition {
    const options = { clean, clock: this.#clock, config: CONFIG, recoveryPoint: this.#recoveryPoint };
    return new LogPartition(this.#store, options);
  }

  #known(id: number) {
    return truthOf(this.#log).producers.get(id);
  }

  #append(): void {
    const id = this.#random.below(4);
    const known = this.#known(id);
    const bump = known === undefined || this.#random.below(15) === 0;
    const epoch = (known?.epoch ?? 0) + (bump ? 1 : 0);
    const sequence = bump ? 0 : (known?.sequence ?? -1) + 1;
    const transactional = (known !== undefined && known.open >= 0) || this.#random.below(2) === 0;
    const records = 1 + this.#random.below(3);
    const valueBytes = this.#random.below(4) === 0 ? 300 : 10;
    const base = this.#partition.end;
    const reply = this.#partition.append({ id, epoch, sequence, transactional, records, valueBytes });
    expect(reply).toMatchObject({ outcome: 'ok', baseOffset: base });
    this.#log.push({ base, last: base + records - 1, id, epoch, sequence, transactional, marker: undefined });
  }

  #mark(): void {
    const id = this.#random.below(4);
    const known = this.#known(id);
    const epoch = (known?.epoch ?? 0) + this.#random.below(2);
    const coordinator = Math.max(0, (known?.coordinator ?? 0) + (this.#random.below(8) === 0 ? 1 : 0));
    const commit = this.#random.below(2) === 0;
    const base = this.#partition.end;
    expect(this.#partition.mark({ id, epoch, coordinator, commit }).outcome).toBe('ok');
    this.#log.push({ base, last: base, id, epoch, sequence: -1, transactional: true, marker: { commit, coordinator } });
  }

  /** Any of a producer's last five batches, sent again. */
  #retry(): void {
    const id = this.#random.below(4);
    const lastEpoch = this.#log.findLast((each) => each.id === id)?.epoch;
    const batches = this.#log.filter((each) => each.id === id && each.marker === undefined && each.epoch === lastEpoch);
    const recent = batches.slice(-5);
    const again = recent[this.#random.below(Math.max(1, recent.length))];
    if (again === undefined) return;
    const { epoch, sequence, transactional, base, last } = again;
    const reply = this.#partition.append({ id, epoch, sequence, transactional, records: last - base + 1 });
    expect(reply, `retry of ${JSON.stringify(again)}`).toMatchObject({
      outcome: 'ok',
      baseOffset: base,
      lastOffset: last,
    });
    this.duplicates += 1;
  }

  #flush(): void {
    this.#partition.partition.log.flushSync();
    if (this.#random.below(2) === 0) this.#recoveryPoint = this.#partition.partition.log.recoveryPoint;
  }

  #truncate(): void {
    if (this.#log.length === 0) return;
    const kept = this.#random.below(this.#log.length + 1);
    const offset = this.#log[kept]?.base ?? this.#partition.end;
    this.#partition.partition.truncateTo(offset);
    this.#log = this.#log.slice(0, kept);
    this.#recoveryPoint = this.#partition.partition.log.recoveryPoint;
    this.#check();
  }

  #closeAndOpen(): void {
    this.#partition.partition.close();
    this.#recoveryPoint = this.#partition.partition.log.recoveryPoint;
    const reads: string[] = [];
    this.#store.onRead = (path) => reads.push(path);
    this.#partition = this.#open(true);
    this.#store.onRead = undefined;
    expect(reads.filter((path) => path.endsWith('.log'))).toEqual([]);
    this.restarts += 1;
    this.#check();
  }

  #kill(): void {
    this.#store = this.#store.afterKill();
    this.#partition = this.#open(false);
    this.restarts += 1;
    this.#check();
  }

  #losePower(): void {
    this.#store = this.#store.afterPowerLoss(() => this.#random.uint32());
    this.#partition = this.#open(false);
    this.restarts += 1;
    if (this.#partition.partition.log.fault !== undefined) {
      // A hole stays until an operator decides; this one begins anew.
      this.#store = new MemoryStore({ simulatesCrashes: true });
      this.#recoveryPoint = 0;
      this.#partition = this.#open(false);
    }
    this.#log = this.#log.filter((each) => each.last < this.#partition.end);
    this.#check();
  }

  #check(): void {
    const { producers, ended, stable } = truthOf(this.#log);
    const expected = [...producers].sort(([a], [b]) => a - b);
    expect(this.#partition.producers()).toEqual(
      expected.map(
        ([id, { epoch, sequence, coordinator, open }]) =>
          `${id}/${epoch} at ${sequence}, coordinator ${coordinator}, open ${open}`,
      ),
    );
    expect(this.#partition.stable).toBe(stable);
    this.aborts += ended.filter((each) => each.aborted).length;
    this.#checkRead();
  }

  /** The aborted transactions of what is read are exactly those that overlap with it. */
  #checkRead(): void {
    const { ended, stable } = truthOf(this.#log);
    const from = this.#random.below(stable + 1);
    const read = this.#partition.read(from, 1 + this.#random.below(800));
    const end = read.records.length === 0 ? from : endOf(read.records);
    expect(end).toBeLessThanOrEqual(stable);
    const overlapping = ended.filter((each) => each.aborted && each.marker >= from && each.first < end);
    overlapping.sort((a, b) => a.first - b.first);
    expect(abortedOf(read)).toEqual(end === from ? [] : overlapping.map(({ id, first }) => `${id} at ${first}`));
  }
}

/** A partition's state is what its own batches say, and what is read of them names the aborted transactions. */
function expectConsistent(partition: LogPartition, log: readonly Written[]): void {
  const { producers, ended, stable } = truthOf(log);
  expect(partition.producers()).toEqual(
    [...producers]
      .sort(([a], [b]) => a - b)
      .map(
        ([id, { epoch, sequence, coordinator, open }]) =>
          `${id}/${epoch} at ${sequence}, coordinator ${coordinator}, open ${open}`,
      ),
  );
  expect(partition.stable).toBe(stable);
  for (let from = 0; from < stable; from++) {
    const read = partition.read(from, 500);
    const end = endOf(read.records);
    const overlapping = ended.filter((each) => each.aborted && each.marker >= from && each.first < end);
    overlapping.sort((a, b) => a.first - b.first);
    expect(abortedOf(read)).toEqual(overlapping.map(({ id, first }) => `${id} at ${first}`));
  }
}

/** Appends, markers, rolls, flushes and a close, until something fails. */
function workOn(partition: LogPartition): number {
  const sequences = [0, 0, 0];
  for (let round = 0; round < 24; round++) {
    const id = round % 3;
    const sequence = sequences[id] ?? 0;
    sequences[id] = sequence + 1;
    if (partition.append({ id, sequence, transactional: id > 0, valueBytes: 60 }).outcome !== 'ok')
      return partition.end;
    if (round % 4 === 3 && partition.mark({ id: 1 + (round % 2), commit: round % 3 === 0 }).outcome !== 'ok') break;
    if (round % 9 === 8) partition.partition.log.flushSync();
  }
  return partition.end;
}

test.each(['kill', 'power loss'] as const)(
  'after a failure of any single operation and a %s, state is what the log says',
  (how) => {
    const random = new SeededRandom(5);
    let failed = 0;
    for (let nth = 1; nth < 400; nth++) {
      const store = new MemoryStore({ simulatesCrashes: true });
      const partition = new LogPartition(store, { config: { segmentBytes: 600 } });
      store.fail({ nth, code: nth % 2 === 0 ? 'EIO' : 'ENOSPC', tornBytes: nth % 40 });
      let end = 0;
      try {
        end = workOn(partition);
        partition.partition.close();
      } catch (error) {
        expect(String(error)).toMatch(/ENOSPC|EIO|read-only/);
        failed += 1;
      }
      store.heal();
      const next = how === 'kill' ? store.afterKill() : store.afterPowerLoss(() => random.uint32());
      const { recoveryPoint } = partition.partition.log;
      const after = new LogPartition(next, { config: { segmentBytes: 600 }, recoveryPoint });
      if (after.partition.log.fault !== undefined) continue;
      if (how === 'kill') expect(after.partition.log.fault).toBe(undefined);
      if (how === 'kill') expect(after.end).toBeGreaterThanOrEqual(end);
      const written = writtenIn(after);
      expectConsistent(after, written);
      after.partition.close();
      expectConsistent(new LogPartition(next, { clean: true, recoveryPoint: after.end }), written);
    }
    expect(failed).toBeGreaterThan(3);
  },
);

// MILLRACE_SEED replays a run from the seed that it printed.
test('producers and transactions are what the log says, through kills, power losses, cuts and restarts', () => {
  const first = SEED;
  const totals = { duplicates: 0, aborts: 0, restarts: 0 };
  for (let seed = first; seed < first + RUNS; seed++) {
    const run = new CrashRun(seed);
    try {
      run.run();
    } catch (error) {
      throw new Error(`seed ${seed}`, { cause: error });
    }
    totals.duplicates += run.duplicates;
    totals.aborts += run.aborts;
    totals.restarts += run.restarts;
  }
  console.log(`seeds ${first} to ${first + RUNS - 1}: ${JSON.stringify(totals)}`);
  expect(Math.min(...Object.values(totals))).toBeGreaterThan(RUNS);
});
