// The log behind the coordinators, with a state that is a plain map.

import { describe, expect, test } from 'vitest';
import { COORDINATOR_TOPIC_CONFIGS, CoordinatorLog, partitionOfKey } from '../../../src/broker/coordinator-log.ts';
import { type RecordFormat, StoredSchema, storedVersion } from '../../../src/broker/coordinator-log-format.ts';
import type { RecordPlace, StateMachine } from '../../../src/broker/coordinator-log-partition.ts';
import type { AppendReply, PartitionExecutor } from '../../../src/partition/commands.ts';
import { ERROR_CODES } from '../../../src/protocol/errors.ts';
import { int64, string } from '../../../src/protocol/schema.ts';
import { BrokerFixture, settle } from '../fixture.ts';

interface Entry {
  readonly name: string;
  readonly value: number | undefined;
}

const KEY = new StoredSchema({ versions: [1, 1], written: 1, fields: { name: string() } });
const VALUE = new StoredSchema({ versions: [0, 1], written: 1, flexibleFrom: 1, fields: { value: int64() } });

const FORMAT: RecordFormat<Entry> = {
  encode: ({ name, value }) => ({
    key: KEY.encode({ name }),
    value: value === undefined ? null : VALUE.encode({ value }),
  }),
  decode(key, value) {
    if (!KEY.reads(storedVersion(key))) return undefined;
    return { name: KEY.decode(key).name, value: value === null ? undefined : VALUE.decode(value).value };
  },
};

class Ledger implements StateMachine<Entry> {
  readonly values = new Map<string, number>();
  readonly staged = new Map<number, Entry[]>();
  readonly told: number[] = [];
  loads = 0;

  apply(entry: Entry, { producer }: RecordPlace): void {
    if (producer !== undefined) {
      this.staged.set(producer.producerId, [...(this.staged.get(producer.producerId) ?? []), entry]);
    } else if (entry.value === undefined) this.values.delete(entry.name);
    else this.values.set(entry.name, entry.value);
  }

  endTransaction(producerId: number, committed: boolean): void {
    const entries = this.staged.get(producerId) ?? [];
    this.staged.delete(producerId);
    if (committed) for (const { name, value } of entries) this.values.set(name, value ?? 0);
  }

  loaded(): void {
    this.loads++;
  }

  unloaded(errorCode: number): void {
    this.told.push(errorCode);
  }
}

/** An executor whose appends a test can hold back or answer itself. */
class Gate {
  held = false;
  answer: AppendReply['outcome'] | undefined;
  appends: number[] = [];
  #release: (() => void)[] = [];

  wrap(inner: PartitionExecutor): PartitionExecutor {
    const append: PartitionExecutor['appendFromCoordinator'] = async (handle, records, durable) => {
      expect(durable).toBe(true);
      this.appends.push(new DataView(records.buffer, records.byteOffset).getInt32(57));
      if (this.held) await new Promise<void>((resolve) => this.#release.push(resolve));
      if (this.answer === undefined) return inner.appendFromCoordinator(handle, records, durable);
      return { outcome: this.answer, baseOffset: -1, lastOffset: -1, logAppendTimeMs: -1, state: undefined };
    };
    return new Proxy(inner, {
      get(target, name) {
        if (name === 'appendFromCoordinator') return append;
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    });
  }

  open(): void {
    this.held = false;
    for (const release of this.#release.splice(0)) release();
  }
}

function logOf(fixture: BrokerFixture, gate = new Gate()): CoordinatorLog<Entry, Ledger> {
  return new CoordinatorLog<Entry, Ledger>({
    services: { ...fixture.broker.services, executor: gate.wrap(fixture.executor) },
    topic: '__test_state',
    creation: () => ({ partitionCount: 3, configs: COORDINATOR_TOPIC_CONFIGS }),
    format: FORMAT,
    machine: () => new Ledger(),
  });
}

async function open(fixture: BrokerFixture, gate?: Gate) {
  const log = logOf(fixture, gate);
  log.start();
  expect(await log.ensure()).toBeOneOf([undefined, ERROR_CODES.NONE]);
  await log.whenLoaded();
  const partition = log.partitionOf('a');
  if (partition === undefined) throw new Error('no partition');
  return { log, partition };
}

describe('a coordinator log', () => {
  test('puts a key where Kafka puts it', () => {
    // Values of String.hashCode, from the Java language specification's formula.
    expect(partitionOfKey('', 50)).toBe(0);
    expect(partitionOfKey('a', 50)).toBe(97 % 50);
    expect(partitionOfKey('test-group', 50)).toBe(partitionOfKey('test-group', 50));
    // 'polygenelubricants' has the hash -2^31, whose absolute value Kafka takes to be 0.
    expect(partitionOfKey('polygenelubricants', 50)).toBe(0);
  });

  test('is made on first use, compacted, and under no default of the user', async () => {
    const fixture = await BrokerFixture.start({ config: { 'message.max.bytes': '100', 'num.partitions': '7' } });
    const log = logOf(fixture);
    log.start();
    expect(log.partitions).toBeUndefined();
    await Promise.all([log.ensure(), log.ensure()]);
    const record = fixture.metadata.topic('__test_state');
    expect(record?.partitions).toHaveLength(3);
    expect(record?.configs['cleanup.policy']).toBe('compact');
    const partition = log.partitionOf('a');
    expect(await partition?.write([{ name: 'x'.repeat(1000), value: 1 }])).toBe(ERROR_CODES.NONE);
  });

  test('applies at once, answers when durable, and writes what comes meanwhile as one batch', async () => {
    const fixture = await BrokerFixture.start();
    const gate = new Gate();
    const { partition } = await open(fixture, gate);
    gate.held = true;
    const answers: number[] = [];
    const writes = [1, 2, 3].map((value) =>
      partition.write([{ name: `n${value}`, value }]).then((code) => answers.push(code)),
    );
    expect(partition.machine.values.size).toBe(3);
    await settle();
    expect(answers).toEqual([]);
    expect(partition.durable()).toBeInstanceOf(Promise);
    gate.open();
    await Promise.all(writes);
    expect(answers).toEqual([0, 0, 0]);
    expect(gate.appends).toEqual([1, 2]);
    expect(partition.durable()).toBeUndefined();
    expect(await partition.write([])).toBe(0);
  });

  test('gives the same state after a restart', async () => {
    const fixture = await BrokerFixture.start();
    const { log, partition } = await open(fixture);
    await partition.write([
      { name: 'a', value: 1 },
      { name: 'b', value: 2 },
    ]);
    await partition.write([{ name: 'a', value: undefined }]);
    const before = new Map(partition.machine.values);
    await log.close();
    const again = await fixture.restart();
    const { partition: reread } = await open(again);
    expect(reread.machine.values).toEqual(before);
    expect(reread.machine.loads).toBe(1);
  });

  test('throws the state away and reads the log again when an append fails', async () => {
    const fixture = await BrokerFixture.start();
    const gate = new Gate();
    const { partition } = await open(fixture, gate);
    await partition.write([{ name: 'kept', value: 1 }]);
    const before = partition.machine;
    gate.answer = 'worker-lost';
    gate.held = true;
    const writes = [2, 3].map((value) => partition.write([{ name: 'lost', value }]));
    gate.open();
    expect(await Promise.all(writes)).toEqual([ERROR_CODES.NOT_COORDINATOR, ERROR_CODES.NOT_COORDINATOR]);
    expect(before.told).toEqual([ERROR_CODES.NOT_COORDINATOR]);
    expect(partition.errorCode).toBe(ERROR_CODES.COORDINATOR_LOAD_IN_PROGRESS);
    await partition.whenLoaded();
    expect([...partition.machine.values]).toEqual([['kept', 1]]);
    gate.answer = undefined;
    expect(await partition.write([{ name: 'next', value: 4 }])).toBe(ERROR_CODES.NONE);
  });

  test('a disk that refuses leaves the state readable and takes nothing more', async () => {
    const fixture = await BrokerFixture.start();
    const gate = new Gate();
    const { partition } = await open(fixture, gate);
    await partition.write([{ name: 'kept', value: 1 }]);
    gate.answer = 'storage-error';
    expect(await partition.write([{ name: 'lost', value: 2 }])).toBe(ERROR_CODES.COORDINATOR_NOT_AVAILABLE);
    await partition.whenLoaded();
    expect(partition.errorCode).toBe(ERROR_CODES.NONE);
    expect([...partition.machine.values]).toEqual([['kept', 1]]);
    const { length } = gate.appends;
    expect(await partition.write([{ name: 'lost', value: 3 }])).toBe(ERROR_CODES.COORDINATOR_NOT_AVAILABLE);
    expect(gate.appends).toHaveLength(length);
  });

  test('refuses what no batch can hold before anything is applied', async () => {
    const fixture = await BrokerFixture.start();
    const { partition } = await open(fixture);
    const records = Array.from({ length: 200 }, () => ({ name: 'x'.repeat(30_000), value: 1 }));
    expect(await partition.write(records)).toBe(ERROR_CODES.RECORD_LIST_TOO_LARGE);
    expect(partition.machine.values.size).toBe(0);
    const many = Array.from({ length: 200 }, (_, index) =>
      partition.write([{ name: 'y'.repeat(30_000), value: index }]),
    );
    expect(new Set(await Promise.all(many))).toEqual(new Set([0]));
  });

  test('closing answers what is under way and refuses what comes then', async () => {
    const fixture = await BrokerFixture.start();
    const gate = new Gate();
    const { log, partition } = await open(fixture, gate);
    gate.held = true;
    const write = partition.write([{ name: 'a', value: 1 }]);
    const closed = log.close();
    await settle();
    expect(await partition.write([{ name: 'b', value: 1 }])).toBe(ERROR_CODES.COORDINATOR_NOT_AVAILABLE);
    gate.open();
    expect(await write).toBe(0);
    await closed;
    expect(partition.machine.told).toEqual([ERROR_CODES.COORDINATOR_NOT_AVAILABLE]);
  });

  test('skips kinds of records that it does not know', () => {
    expect(
      FORMAT.decode(new StoredSchema({ versions: [9, 9], written: 9, fields: {} }).encode({}), null),
    ).toBeUndefined();
    expect(FORMAT.decode(new Uint8Array(1), null)).toBeUndefined();
  });
});
