// Clients for tests: in process, with the plain WebAssembly build and short waits.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { RequestHandler } from '../../src/broker/request-handler.ts';
import { Client, type ConnectOptions, InProcessOpener } from '../../src/client/index.ts';
import type { ConsumedRecord } from '../../src/client/record.ts';

export function plainWasm(): WebAssembly.Module {
  return compiled('millrace.wasm');
}

export function zstdWasm(): WebAssembly.Module {
  return compiled('zstd.wasm');
}

function compiled(name: string): WebAssembly.Module {
  return new WebAssembly.Module(readFileSync(createRequire(import.meta.url).resolve(`#wasm/${name}`)));
}

export function clientOf(handler: RequestHandler, options: Omit<ConnectOptions, 'transport'> = {}): Client {
  return new Client({
    transport: new InProcessOpener(handler),
    wasm: plainWasm(),
    retryBackoffMs: 1,
    retryBackoffMaxMs: 5,
    ...options,
  });
}

/** The first `count` records. */
export async function take(records: AsyncIterable<ConsumedRecord>, count: number): Promise<ConsumedRecord[]> {
  const taken: ConsumedRecord[] = [];
  if (count === 0) return taken;
  for await (const record of records) {
    taken.push(record);
    if (taken.length === count) break;
  }
  return taken;
}

/** Everything up to the end. */
export async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const item of items) list.push(item);
  return list;
}
