// The conformance suite in workerd itself.

import { join } from 'node:path';
import { afterAll } from 'vitest';
import { WorkerdPlace } from '../../../bench/workerd/workerd-process.ts';
import { conformanceTests } from '../../conformance/conformance-tests.ts';

const cleanups: (() => Promise<void> | void)[] = [];
afterAll(async () => {
  for (const cleanup of cleanups.reverse()) await cleanup();
});

conformanceTests({
  title: 'workerd',
  run: async () => {
    const place = await WorkerdPlace.create({
      entry: join(import.meta.dirname, 'conformance-worker.ts'),
      objects: { RUNNER: 'Runner', BROKER: 'TestBroker' },
    });
    cleanups.push(() => place.remove());
    const workerd = await place.start();
    cleanups.push(() => workerd.kill());
    return (await fetch(workerd.url())).json();
  },
});
