// kcat (librdkafka) against a broker process.

import { expect, it } from 'vitest';
import { describeClient, type ProgramResult, runProgram, useExternalBroker } from './external-client.ts';

const KCAT = '/usr/bin/kcat';

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
});
