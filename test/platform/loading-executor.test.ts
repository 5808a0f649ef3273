// A broker in one thread whose Zstandard is loaded when it is needed, as that of a browser tab: how often it is asked for,
// what waits for it, and what happens where it cannot be had.

import { afterEach, expect, test } from 'vitest';
import type { Client } from '../../src/client/client.ts';
import { createPortableCodecs } from '../../src/compression/portable-codecs.ts';
import { ZstdLoader } from '../../src/compression/zstd-loader.ts';
import type { LoadedCodecs } from '../../src/core/compression.ts';
import { openEmbeddedBroker } from '../../src/embedded/embedded-broker.ts';
import { createLoadingExecutor } from '../../src/platform/loading-executor.ts';
import { systemClock as clock, systemRandom as random } from '../../src/platform/node/clock.ts';
import { MemoryStore } from '../../src/storage/memory-store.ts';
import { all, plainWasm, zstdWasm } from '../client/fixture.ts';
import { silentLogger as logger } from '../support/silent-logger.ts';

const wasm = plainWasm();
const module = zstdWasm();
const closers: (() => unknown)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** A client whose own codec is there, of a broker whose codec `load` brings. */
async function open(load: () => Promise<WebAssembly.Module>): Promise<Client> {
  const store = new MemoryStore();
  const loader = new ZstdLoader(load);
  const codecs = { ...createPortableCodecs(wasm), zstd: loader.codec };
  const loaded: LoadedCodecs = {
    codecs,
    load: () => loader.load(),
    get isLoaded() {
      return loader.isLoaded;
    },
  };
  const broker = await openEmbeddedBroker({
    ...{ store, clock, random, logger, wasm, codecs },
    clientCodecs: createPortableCodecs(wasm, module),
    startExecutor: (kernels) => createLoadingExecutor({ kernels, store, clock, logger, codecs: loaded }),
  });
  closers.push(() => broker.close());
  const client = broker.client({ retryBackoffMs: 1, retryBackoffMaxMs: 5 });
  closers.push(() => client.close());
  return client;
}

async function texts(client: Client, topic: string): Promise<string[]> {
  const consumer = client.consumer();
  await consumer.assign([{ topic, from: 'beginning' }]);
  const records = await all(consumer.records({ untilEnd: true }));
  await consumer.close();
  return records.map((record) => record.text());
}

test('nobody loads it who does not meet it, and who meets it loads it once', async () => {
  let loads = 0;
  const client = await open(async () => {
    loads += 1;
    return module;
  });
  await client.producer({ compression: 'snappy' }).send({ topic: 'a', messages: [{ value: 'one' }] });
  expect(loads).toBe(0);
  const sends = ['a', 'b'].map((topic) =>
    client.producer({ compression: 'zstd' }).send({ topic, messages: [{ value: 'two' }] }),
  );
  await Promise.all(sends);
  expect(loads).toBe(1);
  expect(await texts(client, 'a')).toEqual(['one', 'two']);
});

test('what comes behind a batch that waits for it keeps its order', async () => {
  let arrive: (module: WebAssembly.Module) => void = () => undefined;
  let askedFor: () => void = () => undefined;
  const asked = new Promise<void>((resolve) => {
    askedFor = resolve;
  });
  const client = await open(() => {
    askedFor();
    return new Promise((resolve) => {
      arrive = resolve;
    });
  });
  await client.admin().createTopics({ topics: [{ topic: 'a', numPartitions: 1 }] });
  const first = client.producer({ compression: 'zstd' }).send({ topic: 'a', messages: [{ value: 'first' }] });
  await asked;
  const second = client.producer().send({ topic: 'a', messages: [{ value: 'second' }] });
  arrive(module);
  await Promise.all([first, second]);
  expect(await texts(client, 'a')).toEqual(['first', 'second']);
});

test('a batch is refused retriably while it cannot be had, and taken as soon as it can', async () => {
  let loads = 0;
  const client = await open(async () => {
    loads += 1;
    if (loads < 4) throw new Error('offline');
    return module;
  });
  const once = client.producer({ compression: 'zstd', retries: 0 });
  await expect(once.send({ topic: 'a', messages: [{ value: 'lost' }] })).rejects.toMatchObject({
    error: 'KAFKA_STORAGE_ERROR',
    retriable: true,
  });
  await client.producer().send({ topic: 'a', messages: [{ value: 'plain' }] });
  await client.producer({ compression: 'zstd' }).send({ topic: 'a', messages: [{ value: 'packed' }] });
  expect(loads).toBe(4);
  expect(await texts(client, 'a')).toEqual(['plain', 'packed']);
});
