#!/usr/bin/env node
// Where the `millrace` command begins. What takes longest to start goes first; everything else is loaded meanwhile.

import type { BegunThread } from '../platform/node/piscina-thread.ts';

/** Begins the thread that will own the broker's partitions, before it is known how the broker is to be. */
async function beginBroker(): Promise<BegunThread> {
  const [{ letHeapGrow }, { beginThread }, { loadWasmModule }] = await Promise.all([
    import('../platform/node/heap-growth.ts'),
    import('../platform/node/piscina-thread.ts'),
    import('../platform/node/wasm-modules.ts'),
  ]);
  letHeapGrow();
  return beginThread({ module: loadWasmModule('shared') });
}

async function main(): Promise<void> {
  const thread = process.argv[2] === 'start' ? await beginBroker() : undefined;
  const { run } = await import('./program.ts');
  await run(thread);
}

void main();
