// Records on their way from one broker to another: once each and in order, whatever breaks.

import { afterEach, expect, test } from 'vitest';
import type { EmbeddedBroker } from '../../src/embedded/embedded-broker.ts';
import { MemoryStore } from '../../src/storage/memory-store.ts';
import {
  BreakableOpener,
  committedValues,
  type FrameStep,
  openBroker,
  produce,
  TextMemory,
  WatchedUplink,
} from './fixture.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function broker(config: Record<string, string> = {}, store?: MemoryStore): Promise<EmbeddedBroker> {
  const opened = await openBroker(store, config);
  closers.push(() => opened.close());
  return opened;
}

function watched(...parts: ConstructorParameters<typeof WatchedUplink>): WatchedUplink {
  const opened = new WatchedUplink(...parts);
  closers.push(() => opened.uplink.close());
  return opened;
}

const numbers = (from: number, end: number): string[] =>
  Array.from({ length: end - from }, (_, index) => `value ${from + index}`);

test('what was written offline arrives in order when the remote broker is there, and what is written then follows', async () => {
  const [local, remote] = [await broker(), await broker()];
  const opener = new BreakableOpener(remote);
  opener.goDown();
  const link = watched({ local, remote: opener, memory: new TextMemory() });
  for (let at = 0; at < 50; at += 10) await produce(local, numbers(at, at + 10));
  await link.until(({ state }) => state === 'offline');
  opener.isDown = false;
  link.uplink.wake();
  await link.until(({ sentRecords, state }) => sentRecords === 50 && state === 'idle');
  await produce(local, numbers(50, 60));
  await link.until(({ sentRecords, state }) => sentRecords === 60 && state === 'idle');
  expect(await committedValues(remote)).toEqual([numbers(0, 60)]);
});

/** Runs an uplink over a connection that breaks at frame `breakAt`, and tells how many frames there were. */
async function runWithBreak(breakAt: number, kill: boolean): Promise<number> {
  const [local, remote] = [await openBroker(), await openBroker()];
  await produce(local, numbers(0, 5));
  let frames = 0;
  const memory = new TextMemory();
  let links: WatchedUplink[] = [];
  const onFrame = (_step: FrameStep): 'pass' | 'break' => {
    frames++;
    if (frames !== breakAt) return 'pass';
    if (kill) queueMicrotask(() => links[0]?.uplink.close());
    return 'break';
  };
  const sides = { local, remote: new BreakableOpener(remote, onFrame), memory };
  // One record a round, so that there are several transactions.
  const options = { roundBytes: 1 };
  links = [new WatchedUplink(sides, options)];
  await links[0]?.until(({ state }) => state === 'idle' || state === 'closed');
  await produce(local, numbers(5, 8));
  links.push(new WatchedUplink(sides, options));
  await links[0]?.uplink.close();
  await links[1]?.idle();
  await links[1]?.uplink.close();
  expect(await committedValues(remote), `broken at frame ${breakAt}`).toEqual([numbers(0, 8)]);
  await local.close();
  await remote.close();
  return frames;
}

test('a connection that breaks at any frame neither loses nor doubles a record', async () => {
  const frames = await runWithBreak(Number.POSITIVE_INFINITY, false);
  expect(frames).toBeGreaterThan(30);
  for (let breakAt = 1; breakAt <= frames; breakAt++) await runWithBreak(breakAt, false);
});

test('an uplink that ends at any frame leaves nothing that the next one loses or doubles', async () => {
  const frames = await runWithBreak(Number.POSITIVE_INFINITY, true);
  for (let breakAt = 1; breakAt <= frames; breakAt++) await runWithBreak(breakAt, true);
});

test('two uplinks with one id fence each other, and each record arrives once all the same', async () => {
  const [local, remote] = [await broker(), await broker()];
  const sides = { local, remote: new BreakableOpener(remote), memory: new TextMemory() };
  const first = watched(sides, { roundBytes: 1 });
  const second = watched({ ...sides, memory: new TextMemory() }, { roundBytes: 1 });
  for (let at = 0; at < 30; at++) await produce(local, numbers(at, at + 1));
  await Promise.race([first.idle(), second.idle()]);
  await first.uplink.close();
  await produce(local, numbers(30, 31));
  await second.until(({ sentRecords, state }) => sentRecords > 0 && state === 'idle');
  expect(await committedValues(remote)).toEqual([numbers(0, 31)]);
});

test('the memory of this side is not needed while the remote broker remembers', async () => {
  const [local, remote] = [await broker(), await broker()];
  const opener = new BreakableOpener(remote);
  await produce(local, numbers(0, 3));
  const first = watched({ local, remote: opener, memory: new TextMemory() });
  await first.idle();
  await first.uplink.close();
  await produce(local, numbers(3, 5));
  await watched({ local, remote: opener, memory: new TextMemory() }).idle();
  expect(await committedValues(remote)).toEqual([numbers(0, 5)]);
});

test('when the remote broker has forgotten the positions, this side goes on where it knows that it was', async () => {
  const [local, remote] = [await broker(), await broker()];
  const sides = { local, remote: new BreakableOpener(remote), memory: new TextMemory() };
  await produce(local, numbers(0, 3));
  const first = watched(sides);
  await first.idle();
  await first.uplink.close();
  await forgetGroup(remote);
  await produce(local, numbers(3, 5));
  await watched(sides).idle();
  expect(await committedValues(remote)).toEqual([numbers(0, 5)]);
});

async function forgetGroup(remote: EmbeddedBroker): Promise<void> {
  const client = remote.client();
  await client.groups().delete('millrace-uplink-test');
  client.close();
}

test('what nobody can know is told, and sent again or skipped only where that was asked for', async () => {
  const [local, remote] = [await broker(), await broker()];
  const sides = { local, remote: new BreakableOpener(remote), memory: new TextMemory() };
  await produce(local, numbers(0, 3));
  const first = watched(sides);
  await first.idle();
  await first.uplink.close();
  await forgetGroup(remote);
  // As if the end of a transaction up to offset 5 had been asked for, and the answer had never come.
  sides.memory.text = sides.memory.text?.replace('"pending":[]', `"pending":[${pendingAt(sides.memory.text, 5)}]`);
  const text = sides.memory.text;
  await produce(local, numbers(3, 6));
  const blocked = watched(sides);
  const { fault } = await blocked.until(({ state }) => state === 'failing');
  expect(fault?.code).toBe('ERR_UPLINK_POSITION');
  await blocked.uplink.close();
  expect(await committedValues(remote)).toEqual([numbers(0, 3)]);
  sides.memory.text = text;
  await watched(sides, { unresolved: 'skip' }).idle();
  expect(await committedValues(remote)).toEqual([[...numbers(0, 3), 'value 5']]);
});

function pendingAt(text: string | undefined, offset: number): string {
  const { committed } = JSON.parse(text ?? '{}');
  return JSON.stringify({ ...committed[0], offset });
}

test('a remote broker that is another one gets everything', async () => {
  const [local, remote, other] = [await broker(), await broker(), await broker()];
  const memory = new TextMemory();
  await produce(local, numbers(0, 3));
  const first = watched({ local, remote: new BreakableOpener(remote), memory });
  await first.idle();
  await first.uplink.close();
  await watched({ local, remote: new BreakableOpener(other), memory }).idle();
  expect(await committedValues(other)).toEqual([numbers(0, 3)]);
});

test('partitions, keys, headers, timestamps and null values arrive as they were', async () => {
  const [local, remote] = [await broker({ 'num.partitions': '3' }), await broker()];
  const client = local.client();
  closers.push(() => client.close());
  const producer = client.producer();
  const messages = Array.from({ length: 30 }, (_, index) => ({
    key: `key ${index}`,
    value: index % 7 === 0 ? null : `value ${index}`,
    headers: { index: String(index) },
    timestamp: String(1_700_000_000_000 + index),
  }));
  await producer.send({ topic: 'notes', messages });
  await watched({ local, remote: new BreakableOpener(remote), memory: new TextMemory() }).idle();
  expect(await described(remote)).toEqual(await described(local));
});

async function described(from: EmbeddedBroker): Promise<string[]> {
  const client = from.client();
  const consumer = client.consumer({ isolation: 'read_committed' });
  await consumer.assign([{ topic: 'notes', from: 'beginning' }]);
  const lines: string[] = [];
  for await (const record of consumer.records({ untilEnd: true })) {
    const { partition, timestamp, headers } = record;
    const [key, value] = [record.key, record.value].map((part) =>
      part === null ? null : Buffer.from(part).toString(),
    );
    const named = headers.map((header) => [header.key, Buffer.from(header.value ?? []).toString()]);
    lines.push(JSON.stringify({ partition, key, value, timestamp: String(timestamp), named }));
  }
  await consumer.close();
  client.close();
  return lines.sort();
}

test('compressed batches keep their bytes, and the log append time becomes the time of the records', async () => {
  const [local, remote] = [await broker({ 'log.message.timestamp.type': 'LogAppendTime' }), await broker()];
  const client = local.client();
  closers.push(() => client.close());
  await client.producer({ compression: 'gzip' }).send({ topic: 'notes', messages: [{ value: 'x'.repeat(1000) }] });
  await watched({ local, remote: new BreakableOpener(remote), memory: new TextMemory() }).idle();
  expect(await described(remote)).toEqual(await described(local));
});

test('batches become smaller where the remote broker takes no larger ones', async () => {
  const [local, remote] = [await broker(), await broker({ 'message.max.bytes': '20000' })];
  const values = Array.from({ length: 200 }, (_, index) => `${index} ${'x'.repeat(1000)}`);
  await produce(local, values);
  const link = watched({ local, remote: new BreakableOpener(remote), memory: new TextMemory() });
  await link.idle();
  expect(link.states.some(({ state }) => state === 'failing')).toBe(false);
  expect(await committedValues(remote)).toEqual([values]);
});

test('a local topic that was created anew begins anew', async () => {
  const [local, remote] = [await broker(), await broker()];
  const link = watched({ local, remote: new BreakableOpener(remote), memory: new TextMemory() });
  await produce(local, numbers(0, 3));
  await link.until(({ sentRecords }) => sentRecords === 3);
  const client = local.client();
  await client.admin().deleteTopics({ topics: ['notes'] });
  client.close();
  await produce(local, ['anew', 'again']);
  await link.until(({ sentRecords, state }) => sentRecords === 5 && state === 'idle');
  expect(await committedValues(remote)).toEqual([[...numbers(0, 3), 'anew', 'again']]);
});

test('records of transactions that were aborted here do not arrive there', async () => {
  const [local, remote] = [await broker(), await broker()];
  const [first] = [await broker()];
  // An uplink is a transactional producer: one that is ended in the middle leaves an aborted transaction in `local`.
  await produce(first, numbers(0, 4));
  let frames = 0;
  const sides = { local: first, memory: new TextMemory() };
  const breaking = new BreakableOpener(local, () => (++frames > 24 ? 'break' : 'pass'));
  const torn = new WatchedUplink({ ...sides, remote: breaking }, { roundBytes: 1 });
  await torn.until(({ state }) => state === 'offline');
  await torn.uplink.close();
  const mended = watched({ ...sides, remote: new BreakableOpener(local) });
  await mended.idle();
  await watched({ local, remote: new BreakableOpener(remote), memory: new TextMemory() }).idle();
  expect(await committedValues(remote)).toEqual([numbers(0, 4)]);
});

test('a remote broker that is killed and comes back has everything once', async () => {
  const local = await broker();
  const store = new MemoryStore();
  const doomed = await openBroker(store);
  const memory = new TextMemory();
  await produce(local, numbers(0, 20));
  const opener = new BreakableOpener(doomed);
  const link = new WatchedUplink({ local, remote: opener, memory }, { roundBytes: 1 });
  await link.until(({ sentRecords }) => sentRecords > 0);
  opener.goDown();
  const left = store.afterKill();
  await link.uplink.close();
  const revived = await broker({}, left);
  await produce(local, numbers(20, 25));
  await watched({ local, remote: new BreakableOpener(revived), memory }).idle();
  expect(await committedValues(revived)).toEqual([numbers(0, 25)]);
});
