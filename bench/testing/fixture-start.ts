// One process of a test that starts its Kafka, twice: prints how long each took until the first record, in milliseconds.
// The first one pays for loading the package.

import { sendFirstRecord } from './first-record.ts';

async function start(): Promise<number> {
  const startedMs = performance.now();
  const { startKafka } = await import('../../src/platform/node/testing/index.ts');
  const kafka = await startKafka();
  await sendFirstRecord(kafka.bootstrapServers, 'orders');
  const elapsedMs = performance.now() - startedMs;
  await kafka.close();
  return elapsedMs;
}

process.stdout.write(JSON.stringify({ first: await start(), next: await start() }));
