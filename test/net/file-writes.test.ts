// Answers whose records stay in files, over real sockets.

import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, test as anywhere, expect } from 'vitest';
import type { ConnectionContext, RequestHandler, ResponseFrame } from '../../src/broker/request-handler.ts';
import { FileRange, type FramePart } from '../../src/core/file-range.ts';
import { FILE_RANGE_BYTES_MIN } from '../../src/core/limits.ts';
import { framed, startKafka } from './kafka-listener-fixture.ts';
import { RawClient } from './listener-fixture.ts';

/** Elsewhere everything is copied. */
const test = process.platform === 'linux' ? anywhere : anywhere.skip;

const FILE_BYTES = 24_000_000;
const LARGE_BYTES = 2 * FILE_RANGE_BYTES_MIN;

const folder = mkdtempSync(join(tmpdir(), 'millrace-file-writes-'));
const path = join(folder, 'file');
const content = Buffer.alloc(FILE_BYTES);
for (let at = 0; at < FILE_BYTES; at += 4) content.writeUInt32LE(at, at);
let descriptor = -1;

afterEach(() => {
  if (descriptor >= 0) closeSync(descriptor);
  descriptor = -1;
});

afterAll(() => rmSync(folder, { recursive: true }));

function openFile(): number {
  writeFileSync(path, content);
  descriptor = openSync(path, 'r+');
  return descriptor;
}

/** Answers `warm` with large bytes, and `POSITION LENGTH ...` with those ranges of the file, a dash between them. */
class FileHandler implements RequestHandler {
  context: ConnectionContext | undefined;
  /** Answers with ranges. */
  lent = 0;
  releases = 0;

  handle(frame: Uint8Array, context: ConnectionContext): Promise<ResponseFrame> {
    this.context = context;
    const text = new TextDecoder().decode(frame);
    if (text === 'warm') return Promise.resolve(responseOf([Buffer.alloc(LARGE_BYTES, 'w')]));
    this.lent++;
    const numbers = text.split(' ').map(Number);
    const parts: FramePart[] = [];
    for (let index = 0; index < numbers.length; index += 2)
      parts.push(Buffer.from('-'), new FileRange(descriptor, numbers[index] ?? 0, numbers[index + 1] ?? 0));
    return Promise.resolve({ ...responseOf([...parts, Buffer.from('.')]), release: () => void this.releases++ });
  }

  whenWritable(): undefined {
    return undefined;
  }
}

function responseOf(chunks: readonly FramePart[]): ResponseFrame {
  return { chunks, byteLength: chunks.reduce((sum, chunk) => sum + chunk.length, 0) };
}

/** A connection that can send files: once something large was sent, the way to do it is looked for. */
async function warmed(): Promise<{ readonly client: RawClient; readonly handler: FileHandler }> {
  const handler = new FileHandler();
  const { listener } = await startKafka({ handler });
  const client = await RawClient.open({ host: '127.0.0.1', port: listener.port });
  while (handler.context?.sendsFiles !== true) {
    client.received = Buffer.alloc(0);
    client.socket.write(framed('warm'));
    await received(client, LARGE_BYTES + 4);
  }
  client.received = Buffer.alloc(0);
  return { client, handler };
}

async function received(client: RawClient, bytes: number): Promise<Buffer> {
  while (client.received.length < bytes) await new Promise((resolve) => client.socket.once('data', resolve));
  return client.received;
}

async function roundTrip(client: RawClient): Promise<void> {
  client.received = Buffer.alloc(0);
  client.socket.write(framed('0 1'));
  await received(client, expected([0, 1]).length);
}

function expected(...ranges: readonly [position: number, length: number][]): Buffer {
  const parts = ranges.flatMap(([position, length]) => ['-', content.subarray(position, position + length)]);
  return framed(Buffer.concat([...parts, '.'].map((part) => Buffer.from(part))));
}

test('ranges come as they lie in their file, between the bytes around them, each in its place', async () => {
  openFile();
  const { client, handler } = await warmed();
  const answers = [
    expected([8, 70_001], [1_000_000, 5_000_003]),
    expected([0, 1]),
    expected([FILE_BYTES - 100_000, 100_000], [0, 65_536], [3, 65_537]),
  ];
  client.socket.write(framed('8 70001 1000000 5000003'));
  client.socket.write(framed('0 1'));
  client.socket.write(framed(`${FILE_BYTES - 100_000} 100000 0 65536 3 65537`));
  const all = Buffer.concat(answers);
  expect((await received(client, all.length)).equals(all)).toBe(true);
  expect(handler.releases).toBe(3);
});

test('a peer that does not read holds nobody up, and gets everything when it does', async () => {
  openFile();
  const { client, handler } = await warmed();
  client.socket.pause();
  for (let count = 0; count < 3; count++) client.socket.write(framed(`0 ${FILE_BYTES}`));
  const { client: other } = await warmed();
  await roundTrip(other);
  expect(handler.releases).toBeLessThan(3);
  let bytes = 0;
  let next = 0;
  const one = expected([0, FILE_BYTES]);
  client.socket.removeAllListeners('data');
  const done = new Promise<void>((resolve) => {
    client.socket.on('data', (chunk: Buffer) => {
      for (let at = 0; at < chunk.length; ) {
        const part = chunk.subarray(at, at + one.length - next);
        expect(part.equals(one.subarray(next, next + part.length))).toBe(true);
        next = (next + part.length) % one.length;
        at += part.length;
      }
      bytes += chunk.length;
      if (bytes === 3 * one.length) resolve();
    });
  });
  client.socket.resume();
  await done;
  expect(handler.releases).toBe(3);
});

test('a peer that goes in the middle of a range gives back what it was lent', async () => {
  openFile();
  const { client, handler } = await warmed();
  client.socket.pause();
  client.socket.write(framed(`0 ${FILE_BYTES}`));
  const { client: other } = await warmed();
  while (handler.lent < 1) await roundTrip(other);
  client.socket.destroy();
  await client.closed;
  while (handler.releases < 1) await roundTrip(other);
});

test('a file that ends inside of a range ends the connection, for its peer waits for bytes that are not there', async () => {
  const file = openFile();
  const { client, handler } = await warmed();
  ftruncateSync(file, 200_000);
  client.socket.write(framed('0 1000000'));
  await client.closed;
  expect(client.received.subarray(5).equals(content.subarray(0, client.received.length - 5))).toBe(true);
  const { client: other } = await warmed();
  while (handler.releases < 1) await roundTrip(other);
});
