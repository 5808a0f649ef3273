// A thread that runs its share of a load; started by load-runner.ts.

import { parentPort, workerData } from 'node:worker_threads';
import { present } from '../../core/assert.ts';
import { LogFault } from '../../core/fault.ts';
import { createLoad } from './load-factory.ts';
import type { LoadCommand, LoadReport, LoadThreadData } from './load-messages.ts';

/** How often the counts are told, in milliseconds. */
const COUNT_MS = 100;

async function run(): Promise<void> {
  const port = present(parentPort, 'the port of a thread');
  const { plan, share }: LoadThreadData = workerData;
  const report = (message: LoadReport): void => port.postMessage(message);
  try {
    const load = await createLoad(plan, share);
    await load.open();
    report({ type: 'open' });
    const startMs = await new Promise<number>((resolve) => {
      port.on('message', (command: LoadCommand) => {
        if (command.type === 'run') resolve(command.startMs);
        else load.stop();
      });
    });
    const timer = setInterval(() => report({ type: 'count', count: load.count }), COUNT_MS);
    report({ type: 'result', result: await load.run(startMs) });
    clearInterval(timer);
    load.close();
  } catch (error) {
    // Anything else is a bug, and ends the thread with its stack.
    if (!(error instanceof LogFault)) throw error;
    report({ type: 'fault', fault: error.toRecord() });
  }
  port.close();
}

await run();
