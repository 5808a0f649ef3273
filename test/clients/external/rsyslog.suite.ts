// rsyslog's Kafka output: log lines of this machine, by way of `logger`, in the broker.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { BrokerProcess, temporaryDirectory } from '../../support/broker-process.ts';
import { freePort } from '../../support/free-port.ts';
import { runCommand } from '../../support/run-command.ts';
import { describeClient, EXTERNAL, runProgram } from './external-client.ts';

const RSYSLOGD = '/usr/sbin/rsyslogd';
const OMKAFKA = `/usr/lib/${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu/rsyslog/omkafka.so`;
const LOGGER = '/usr/bin/logger';
const LINES = 200;
const WITHIN = { timeout: 240_000, interval: 500 };
const TEST_MS_MAX = 300_000;

describeClient('rsyslog', [RSYSLOGD, OMKAFKA, LOGGER], () => {
  const data = temporaryDirectory('rsyslog-broker');
  const work = temporaryDirectory('rsyslog');
  const socket = join(work.path, 'log');
  let broker: BrokerProcess;
  let rsyslogd: ChildProcess;

  beforeAll(async () => {
    broker = await BrokerProcess.start({ dataDirectory: data.path, kafka: `127.0.0.1:${await freePort()}` });
    const configuration = join(work.path, 'rsyslog.conf');
    const template = readFileSync(join(EXTERNAL, 'rsyslog/rsyslog.conf'), 'utf8');
    const filled = template
      .replaceAll('LOG_SOCKET', socket)
      .replaceAll('BROKERS', broker.kafka)
      .replaceAll('WORK_DIRECTORY', work.path);
    writeFileSync(configuration, filled);
    rsyslogd = spawn(RSYSLOGD, ['-n', '-f', configuration, '-i', join(work.path, 'pid')], { stdio: 'inherit' });
    const created = await runCommand(['topic', 'create', 'syslog'], { server: broker.url });
    expect(`${created.code} ${created.stderr}`).toBe('0 ');
    await vi.waitFor(() => expect(existsSync(socket)).toBe(true), { timeout: 240_000 });
  }, TEST_MS_MAX);
  afterAll(async () => {
    rsyslogd.kill('SIGTERM');
    await once(rsyslogd, 'exit');
    await broker.stop('SIGTERM');
    data.remove();
    work.remove();
  });

  async function log(from: number, to: number): Promise<void> {
    const lines = Array.from({ length: to - from }, (_, index) => `line ${from + index}\n`).join('');
    const { code, stderr } = await runProgram(LOGGER, ['--socket', socket, '--tag', 'app'], { input: lines });
    expect(`${code} ${stderr}`).toBe('0 ');
  }

  /** The lines in the broker now. */
  async function shipped(): Promise<string[]> {
    const { stdout } = await runCommand(['consume', 'syslog', '--until-end'], { server: broker.url });
    return stdout.toString().split('\n').slice(0, -1);
  }

  const expected = (to: number): string[] => Array.from({ length: to }, (_, index) => `app: line ${index}`);

  it(
    'ships every line, in order',
    async () => {
      await log(0, LINES);
      await vi.waitFor(async () => expect(await shipped()).toEqual(expected(LINES)), WITHIN);
    },
    TEST_MS_MAX,
  );

  it(
    'ships what was logged while the broker was away',
    async () => {
      const { kafka } = broker;
      await broker.stop('SIGKILL');
      await log(LINES, LINES * 2);
      broker = await BrokerProcess.start({ dataDirectory: data.path, kafka });
      // Lines may come twice: rsyslog's producer is not idempotent.
      const all = new Set(expected(LINES * 2));
      await vi.waitFor(async () => expect(new Set(await shipped())).toEqual(all), WITHIN);
    },
    TEST_MS_MAX,
  );
});
