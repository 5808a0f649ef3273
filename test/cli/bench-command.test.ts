// `millrace bench` against a broker process, over both transports.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { BenchReport } from '../../src/cli/bench/report.ts';
import { type Client, connect } from '../../src/platform/node/index.ts';
import { BrokerProcess, temporaryDirectory } from '../support/broker-process.ts';
import { runCommand } from '../support/run-command.ts';

const directory = temporaryDirectory('bench-command');
let broker: BrokerProcess;
let client: Client;

beforeAll(async () => {
  mkdirSync(join(directory.path, 'data'));
  broker = await BrokerProcess.start({ dataDirectory: join(directory.path, 'data') });
  client = await connect(broker.url);
});

afterAll(async () => {
  client.close();
  await broker.stop('SIGTERM');
  directory.remove();
});

function kafka(): string {
  return `kafka://${String(broker.ready.kafka)}`;
}

interface Outcome {
  readonly text: string;
  readonly report: BenchReport;
}

async function bench(words: string, server = broker.url): Promise<Outcome> {
  const json = join(directory.path, 'report.json');
  const { code, stdout, stderr } = await runCommand(['bench', ...words.split(' '), '--json', json], { server });
  if (code !== 0) throw new Error(`${code} ${stderr}`);
  return { text: stdout.toString(), report: JSON.parse(readFileSync(json, 'utf8')) };
}

async function refusal(words: string): Promise<string> {
  const { code, stderr } = await runCommand(['bench', ...words.split(' ')], { server: broker.url });
  return `${code} ${stderr}`;
}

async function values(topic: string): Promise<string[]> {
  const consumer = client.consumer();
  await consumer.assign([{ topic }]);
  const read: string[] = [];
  for await (const record of consumer.records({ untilEnd: true })) read.push(`${record.keyText()}=${record.text()}`);
  await consumer.close();
  return read;
}

test('produce writes as many records as it says, over WebSocket and over TCP', async () => {
  const first = await bench('produce both --partitions 3 --records 5000 --record-size 50 --acks 1');
  expect(first.report).toMatchObject({ records: 5000, bytes: 250_000, plan: { kind: 'produce', topic: 'both' } });
  expect(first.text).toMatch(/RECORDS +RECORDS\/S +DATA +MB\/S +P50 MS +P95 MS +P99 MS +P99.9 MS +MAX MS\n5,000 /);
  const second = await bench('produce both --records 3001 --clients 3 --threads 2 --keys 7 --compression lz4', kafka());
  expect(second.report).toMatchObject({ records: 3001, threads: 2 });
  const { p50, p999, max } = second.report.latencyMs ?? { p50: 0, p999: 0, max: -1 };
  expect(p50).toBeGreaterThan(0);
  expect(max).toBeGreaterThanOrEqual(p999);
  expect((await client.admin().describeTopic('both')).partitions).toHaveLength(3);
  const read = await values('both');
  expect(read).toHaveLength(8001);
  const keys = new Set(read.map((record) => record.split('=')[0]));
  expect([...keys].sort()).toEqual(['', ...Array.from({ length: 7 }, (_, index) => `key-${index}`)]);
  expect(read.filter((record) => /^=[A-Z]{50}$/.test(record))).toHaveLength(5000);
});

test('values are the lines of a file, in turn', async () => {
  const file = join(directory.path, 'payload.txt');
  writeFileSync(file, 'one\n\nthree');
  await bench(`produce lines --records 7 --payload-file ${file}`);
  expect(await values('lines')).toEqual(['=one', '=', '=three', '=one', '=', '=three', '=one']);
});

test('at a rate, exactly the records are measured that are due in the time', async () => {
  const { report, text } = await bench('produce paced --rate 2000 --seconds 0.5 --warm-up 0.2 --clients 2');
  expect(report.records).toBeLessThanOrEqual(1000);
  const written = (await values('paced')).length;
  expect(written).toBeGreaterThanOrEqual(report.records);
  // A machine that stood still for all of the time has measured nothing, and says so.
  if (text.includes('The rate was not reached')) return;
  expect(report.records).toBeGreaterThanOrEqual(970);
  expect(report.latencyMs?.max).toBeGreaterThanOrEqual(report.uncorrectedLatencyMs?.max ?? 0);
  // The records of the warm-up are there, and counted nowhere.
  expect(written).toBeGreaterThan(report.records);
});

test('consume reads what a topic has, in parts of its partitions', async () => {
  await bench('produce consumed --partitions 4 --records 20000 --record-size 20 --batch-bytes 20000');
  for (const words of ['consume consumed', 'consume consumed --clients 4 --threads 2']) {
    const { report } = await bench(words, kafka());
    expect(report).toMatchObject({ records: 20_000, bytes: 400_000, latencyMs: null });
  }
  const { report } = await bench('consume consumed --records 5000 --fetch-bytes 30000 --partition-bytes 30000');
  expect(report.records).toBeGreaterThanOrEqual(5000);
  expect(report.records).toBeLessThan(20_000);
});

test('consume waits for more where it is to follow', async () => {
  const { report } = await bench('consume consumed --from end --follow --seconds 0.3');
  expect(report.records).toBe(0);
  // The time may be over before there is anything to follow.
  expect((await bench('consume consumed --from end --follow --seconds 0.001')).report.records).toBe(0);
});

test('latency sends records through the log and gets each of them back', async () => {
  const { report } = await bench('latency there-and-back --records 300 --rate 1000 --partitions 2 --clients 2');
  expect(report.records).toBe(300);
  expect(report.latencyMs?.p50).toBeGreaterThan(0);
  expect(await values('there-and-back')).toHaveLength(300);
  // A second run takes nothing of the first for its own.
  expect((await bench('latency there-and-back --records 100 --rate 1000', kafka())).report.records).toBe(100);
});

test('what a load cannot take is said', async () => {
  await bench('produce two --partitions 2 --records 1');
  expect(await refusal('produce two --partitions 3 --records 1')).toMatch(/^2 .*has 2/);
  expect(await refusal('produce two --threads 2')).toMatch(/^2 .*--clients is 1/);
  expect(await refusal('consume two --clients 3')).toMatch(/^2 .*partitions for 2/);
  expect(await refusal('consume no-such-topic')).toMatch(/^1 .*UNKNOWN_TOPIC/);
  expect(await refusal('latency two --record-size 23')).toMatch(/^2 .*at least 24/);
  expect(await refusal('produce two --rate 0')).toMatch(/^2 .*above 0/);
  expect(await refusal('produce two --records 1 --payload-file /no/such/file')).toMatch(/^2 .*--payload-file/);
  expect(await refusal('produce two --records 1 --acks 1 --json /no/such/directory/x')).toMatch(/^2 .*--json/);
  expect(await refusal('produce two --server http://x')).toMatch(/^2 .*kafka:/);
});

test('a load whose broker refuses its records fails', async () => {
  expect(await refusal('produce two --records 10 --record-size 2000000')).toMatch(/^1 .*(TOO_LARGE|RECORD)/);
});
