// kcat (librdkafka) against a broker process.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { expect, it } from 'vitest';
import { CLI } from '../../support/broker-process.ts';
import { Collector } from '../client-broker.ts';
import { describeClient, type ProgramResult, runProgram, useExternalBroker } from './external-client.ts';

const KCAT = '/usr/bin/kcat';
const QUICK_MEMBER = ['session.timeout.ms=6000', 'heartbeat.interval.ms=300', 'auto.offset.reset=earliest'];

/** What kcat says of a change to its partitions, all of them or incremental, and the list of those. */
const REBALANCED = /rebalanced.*[ :](assigned|revoked|incremental assignment|incremental revoke)\b.*: (.*)$/;

/** kcat as a member of a group that is named as its topic, until it is ended. */
class Member {
  readonly process: ChildProcess;
  /** `PARTITION OFFSET` of each record that it has read. */
  readonly records = new Collector<string>();
  /** The partitions that it has, whenever they change. */
  readonly assignments = new Collector<readonly string[]>();

  constructor(broker: string, topic: string, settings: readonly string[] = []) {
    const all = [...QUICK_MEMBER, ...settings].flatMap((setting) => ['-X', setting]);
    const args = ['-b', broker, '-G', topic, ...all, '-u', '-f', '%p %o\n', topic];
    const child = spawn(KCAT, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    this.process = child;
    createInterface({ input: child.stdout }).on('line', (line) => this.records.add(line));
    createInterface({ input: child.stderr }).on('line', (line) => {
      const change = REBALANCED.exec(line);
      if (change !== null)
        this.#rebalanced(change[1] ?? '', change[2]?.split(', ').filter((each) => each !== '') ?? []);
    });
  }

  #rebalanced(change: string, partitions: readonly string[]): void {
    const before = this.assignments.values.at(-1) ?? [];
    if (change === 'assigned') this.assignments.add([...partitions].sort());
    else if (change === 'incremental assignment') this.assignments.add([...before, ...partitions].sort());
    else this.assignments.add(before.filter((each) => !partitions.includes(each)));
  }

  /** Resolves with the partitions when the last assignment has so many. */
  async assigned(count: number): Promise<readonly string[]> {
    const assignments = await this.assignments.until((each) => each.at(-1)?.length === count);
    return assignments.at(-1) ?? [];
  }

  async end(signal: NodeJS.Signals): Promise<void> {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return;
    const exit = once(this.process, 'exit');
    this.process.kill(signal);
    await exit;
  }
}

describeClient('kcat', [KCAT], () => {
  const broker = useExternalBroker('kcat');
  const kcat = (args: readonly string[], input = ''): Promise<ProgramResult> =>
    runProgram(KCAT, ['-b', broker().kafka, ...args], { input });

  const lines = (count: number): string =>
    Array.from({ length: count }, (_, index) => `key ${index}:value ${index}\n`).join('');

  async function consumed(topic: string, ...args: readonly string[]): Promise<string[]> {
    const { code, stdout, stderr } = await kcat(['-C', '-q', '-e', '-t', topic, ...args]);
    expect(stderr).toBe('');
    expect(code).toBe(0);
    return stdout.split('\n').slice(0, -1);
  }

  it('lists brokers, topics and partitions as they are', async () => {
    await kcat(['-P', '-t', 'listed'], 'one\n');
    const { stdout } = await kcat(['-L', '-J']);
    const metadata: unknown = JSON.parse(stdout);
    expect(metadata).toMatchObject({
      controllerid: 1,
      brokers: [{ id: 1, name: broker().kafka }],
      topics: [
        { topic: 'listed', partitions: [{ partition: 0, leader: 1, replicas: [{ id: 1 }], isrs: [{ id: 1 }] }] },
      ],
    });
  });

  for (const acks of ['all', '1', '0']) {
    for (const codec of ['none', 'gzip', 'snappy', 'lz4', 'zstd']) {
      it(`produces with acks=${acks} and ${codec}, and consumes from the beginning`, async () => {
        const topic = `t-${acks}-${codec}`;
        const settings = ['-X', `acks=${acks}`, '-z', codec, '-K', ':', '-H', 'trace=on'];
        const { code, stderr } = await kcat(['-P', '-t', topic, ...settings], lines(100));
        expect(`${code} ${stderr}`).toBe('0 ');
        const records = await consumed(topic, '-o', 'beginning', '-f', '%o %k %s %h\n');
        expect(records).toEqual(Array.from({ length: 100 }, (_, i) => `${i} key ${i} value ${i} trace=on`));
      });
    }
  }

  it('consumes from an offset, the last few, the end, and a time', async () => {
    await kcat(['-P', '-t', 'positions'], lines(10));
    const format = ['-f', '%o %T\n'];
    const all = await consumed('positions', '-o', 'beginning', ...format);
    expect(all).toHaveLength(10);
    expect(await consumed('positions', '-o', '7', ...format)).toEqual(all.slice(7));
    expect(await consumed('positions', '-o', '-3', ...format)).toEqual(all.slice(7));
    expect(await consumed('positions', '-o', 'end', ...format)).toEqual([]);
    const firstAt = Number(all[0]?.split(' ')[1]);
    expect(await consumed('positions', '-o', `s@${firstAt}`, ...format)).toEqual(all);
    const { stdout } = await kcat(['-Q', '-t', 'positions:0:-1', '-t', `positions:0:${firstAt}`]);
    expect(stdout).toMatch(/offset (0|10)/);
  });

  it('keeps what is neither key nor text: tombstones, empty values and bytes', async () => {
    await kcat(['-P', '-t', 'contents', '-K', ':', '-Z'], 'gone:\nkept:x\n');
    expect(await consumed('contents', '-o', 'beginning', '-f', '%k %S\n')).toEqual(['gone -1', 'kept 1']);
  });

  it('produces idempotently', async () => {
    const settings = ['-X', 'enable.idempotence=true', '-X', 'batch.num.messages=10'];
    expect(await kcat(['-P', '-t', 'idempotent', ...settings], lines(1000))).toMatchObject({ code: 0 });
    expect(await consumed('idempotent', '-o', 'beginning', '-f', '%s\n')).toHaveLength(1000);
  });

  /** A topic of four partitions. */
  async function createTopic(topic: string): Promise<void> {
    const args = [CLI, 'topic', 'create', topic, '--partitions', '4', '--server', broker().url];
    expect(await runProgram(process.execPath, args)).toMatchObject({ code: 0 });
  }

  /** Appends ten records to each partition. */
  async function fillPartitions(topic: string): Promise<void> {
    for (const partition of ['0', '1', '2', '3']) {
      expect(await kcat(['-P', '-t', topic, '-p', partition], lines(10))).toMatchObject({ code: 0 });
    }
  }

  /** What `%p %o` prints for the records with these offsets in each partition. */
  const positions = (start: number, end: number): string[] =>
    [0, 1, 2, 3].flatMap((partition) =>
      Array.from({ length: end - start }, (_, index) => `${partition} ${start + index}`),
    );

  for (const strategy of ['range', 'roundrobin', 'cooperative-sticky']) {
    it(`shares a topic in a group by ${strategy}, and takes over from a member that is killed`, async () => {
      const topic = `group-${strategy}`;
      await createTopic(topic);
      const settings = [`partition.assignment.strategy=${strategy}`];
      const members = [
        new Member(broker().kafka, topic, settings),
        new Member(broker().kafka, topic, settings),
      ] as const;
      try {
        const [first, second] = members;
        const shares = await Promise.all(members.map((member) => member.assigned(2)));
        expect(shares.flat().sort()).toEqual([0, 1, 2, 3].map((partition) => `${topic} [${partition}]`));
        await fillPartitions(topic);
        await Promise.all(members.map((member) => member.records.count(20)));
        expect(members.flatMap((member) => member.records.values).sort()).toEqual(positions(0, 10).sort());

        await second.end('SIGKILL');
        await first.assigned(4);
        await fillPartitions(topic);
        const later = positions(10, 20);
        await first.records.until((records) => later.every((record) => records.includes(record)));
      } finally {
        await Promise.all(members.map((member) => member.end('SIGKILL')));
      }
    });
  }

  it('gives a static member its partitions back', async () => {
    const topic = 'group-static';
    await createTopic(topic);
    const member = (instance: string): Member =>
      new Member(broker().kafka, topic, [`group.instance.id=${instance}`, 'session.timeout.ms=30000']);
    const members = [member('one'), member('two')] as const;
    const [one, two] = members;
    let back: Member | undefined;
    try {
      const [before] = await Promise.all([one.assigned(2), two.assigned(2)]);
      await one.end('SIGTERM');
      back = member('one');
      expect(await back.assigned(2)).toEqual(before);
      expect(two.assignments.values.at(-1)).toHaveLength(2);
    } finally {
      await Promise.all([...members, back].map((each) => each?.end('SIGKILL')));
    }
  });

  it('goes on in a group where a member that left had committed', async () => {
    const topic = 'group-left';
    await createTopic(topic);
    await fillPartitions(topic);
    const member = new Member(broker().kafka, topic);
    await member.records.count(40);
    await member.end('SIGTERM');
    expect(await kcat(['-P', '-t', topic, '-p', '2'], 'next\n')).toMatchObject({ code: 0 });
    const settings = QUICK_MEMBER.flatMap((setting) => ['-X', setting]);
    const { stdout } = await kcat(['-G', topic, ...settings, '-q', '-c', '1', '-f', '%p %o %s\n', topic]);
    expect(stdout).toBe('2 10 next\n');
  });
});
