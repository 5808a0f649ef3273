// Records of 100 bytes a second through the project's own client over WebSocket, by `millrace bench`, beside kafkajs over
// the same transport. Client and broker share the machine's cores; runs alternate and medians count.

import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type BenchmarkContext, row, type Suite, wanted } from '../row.ts';
import { createTopic, recordsIn } from './admin.ts';
import { type ServerUnderTest, startBrokerUnderTest } from './servers.ts';

const TOPIC = 'own-client';
const PARTITIONS = 8;
const ROUNDS = 3;
const ROUND_MS = 4000;
const WARM_UP_MS = 1000;
const TINY_MS = 200;
/** What is written in place of that time, so that something is however busy the machine is. */
const TINY_RECORDS = 500;
const ROWS = [
  { name: 'own-client/produce/acks-1', acks: '1' },
  { name: 'own-client/produce/acks-all', acks: 'all' },
] as const;

const run = promisify(execFile);

export const ownClientSuite: Suite = {
  name: 'own-client',
  async run(context) {
    for (const { name, acks } of ROWS) if (wanted(context, name)) await produceRow(context, name, acks);
  },
};

interface Timing {
  readonly warmUpMs: number;
  readonly ms: number;
}

async function produceRow(context: BenchmarkContext, name: string, acks: '1' | 'all'): Promise<void> {
  const timing = context.tiny ? { warmUpMs: 0, ms: TINY_MS } : { warmUpMs: WARM_UP_MS, ms: ROUND_MS };
  const own: number[] = [];
  const others: number[] = [];
  for (let round = 0; round < (context.tiny ? 1 : ROUNDS); round++) {
    // A broker for each run: it writes to fresh files, whatever was written before.
    own.push(await withBroker((broker) => ownClient(broker, acks, timing)));
    others.push(await withBroker((broker) => kafkajs(broker, acks, timing)));
  }
  context.report(
    row({
      name,
      unit: 'records/s',
      value: middle(own),
      baseline: 'kafkajs over WebSocket',
      baselineValue: middle(others),
      check: `${PARTITIONS} partitions`,
    }),
  );
}

async function withBroker(measure: (broker: ServerUnderTest) => Promise<number>): Promise<number> {
  const broker = await startBrokerUnderTest();
  try {
    await createTopic(broker.url, TOPIC, PARTITIONS);
    return await measure(broker);
  } finally {
    await broker.stop();
  }
}

async function ownClient({ url }: ServerUnderTest, acks: string, { warmUpMs, ms }: Timing): Promise<number> {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-own-client-'));
  const json = join(directory, 'report.json');
  const cli = fileURLToPath(new URL('../../bin/millrace.cjs', import.meta.url));
  const limits =
    warmUpMs === 0
      ? ['--records', String(TINY_RECORDS)]
      : ['--seconds', String(ms / 1000), '--warm-up', String(warmUpMs / 1000)];
  try {
    await run(process.execPath, [cli, 'bench', 'produce', TOPIC, '--acks', acks, ...limits, '--json', json], {
      env: { ...process.env, MILLRACE_SERVER: url },
    });
    const { records, recordsPerSecond } = JSON.parse(readFileSync(json, 'utf8'));
    const stored = await recordsIn(url, TOPIC, PARTITIONS);
    const isComplete = warmUpMs === 0 ? stored === records : stored >= records;
    if (!isComplete) throw new Error(`${records} records were acknowledged, and ${stored} are in the log`);
    return recordsPerSecond;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

async function kafkajs({ url }: ServerUnderTest, acks: string, { warmUpMs, ms }: Timing): Promise<number> {
  const file = fileURLToPath(new URL('./kafkajs-load.js', import.meta.url));
  const words = [new URL(url).host, TOPIC, acks === 'all' ? '-1' : acks, String(warmUpMs), String(ms)];
  const { stdout } = await run(process.execPath, [file, ...words]);
  return JSON.parse(stdout).recordsPerSecond;
}

function middle(values: readonly number[]): number {
  return [...values].sort((left, right) => left - right)[values.length >> 1] ?? 0;
}
