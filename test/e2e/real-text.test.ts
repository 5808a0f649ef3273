// The main job on real input: real text goes in through the command, the broker is killed, and every line comes back.

import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ROOT, sourceFiles } from '../house/source-files.ts';
import { BrokerProcess, temporaryDirectory } from '../support/broker-process.ts';
import { runCommand } from '../support/run-command.ts';

const directory = temporaryDirectory('real-text');
let broker: BrokerProcess;

beforeAll(async () => {
  broker = await BrokerProcess.start({ dataDirectory: directory.path });
});

afterAll(async () => {
  await broker.stop('SIGTERM');
  directory.remove();
});

/** Below max.message.bytes, with what a batch has beside the line. */
const LINE_BYTES_MAX = 1_000_000;

/** This machine's own log files, where they can be read and are text of lines that a record can be; to 16 MiB in all. */
function systemLogs(): Buffer {
  const root = '/var/log';
  if (!existsSync(root)) return Buffer.alloc(0);
  const chunks: Buffer[] = [];
  let left = 16 * 1024 * 1024;
  for (const name of readdirSync(root, { recursive: true, encoding: 'utf8' }).sort()) {
    const path = join(root, name);
    try {
      const { size } = statSync(path);
      if (!statSync(path).isFile() || size === 0 || size > left) continue;
      const text = readFileSync(path);
      if (text.includes(0) || lines(text).some((line) => line.length > LINE_BYTES_MAX)) continue;
      chunks.push(text);
      left -= text.length;
    } catch {
      // Files that only root may read, and those that others take away meanwhile, are not this test's business.
    }
  }
  return Buffer.concat(chunks);
}

/** Lines as `millrace produce` cuts them: at every newline; a last line without one is a record too. */
function lines(text: Buffer): Buffer[] {
  const result: Buffer[] = [];
  let start = 0;
  for (let end = text.indexOf(10); end >= 0; end = text.indexOf(10, start)) {
    result.push(text.subarray(start, end));
    start = end + 1;
  }
  if (start < text.length) result.push(text.subarray(start));
  return result;
}

const inputs = (): Record<string, Buffer> => ({
  'lock-file': readFileSync(join(ROOT, 'package-lock.json')),
  sources: Buffer.concat(sourceFiles('src').map((file) => Buffer.from(file.text))),
  'system-logs': systemLogs(),
});

test('real text survives SIGKILL and comes back byte for byte and in order', async () => {
  const texts = Object.entries(inputs()).filter(([, text]) => text.length > 0);
  expect(texts.length).toBeGreaterThanOrEqual(2);
  for (const [topic, text] of texts) {
    const created = await runCommand(['topic', 'create', topic, '--partitions', '1'], { server: broker.url });
    expect(created).toMatchObject({ code: 0 });
    const produced = await runCommand(['produce', topic], { server: broker.url, input: text });
    expect(produced).toMatchObject({ code: 0 });
  }
  await broker.stop('SIGKILL');
  broker = await BrokerProcess.start({ dataDirectory: directory.path });
  for (const [topic, text] of texts) {
    const expected = lines(text);
    const consumed = await runCommand(
      ['consume', topic, '--from', 'beginning', '--count', String(expected.length), '--format', 'text'],
      { server: broker.url },
    );
    expect(consumed.stderr).toBe('');
    expect(consumed.code).toBe(0);
    const back = lines(consumed.stdout);
    expect(back.length).toBe(expected.length);
    const firstDifference = expected.findIndex((line, index) => !line.equals(back[index] ?? Buffer.alloc(0)));
    expect(firstDifference).toBe(-1);
  }
});
