// The project's own client over TCP, against the broker's listener and against servers that misbehave.

import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { LogFault } from '../../src/core/fault.ts';
import { connect } from '../../src/platform/node/connect.ts';
import { KafkaTcpOpener } from '../../src/platform/node/kafka-tcp-transport.ts';
import { BrokerProcess, temporaryDirectory } from '../support/broker-process.ts';

const directory = temporaryDirectory('kafka-tcp-transport');
let broker: BrokerProcess;
const servers: Server[] = [];

beforeAll(async () => {
  broker = await BrokerProcess.start({ dataDirectory: directory.path });
});

afterAll(async () => {
  await broker.stop('SIGTERM');
  directory.remove();
});

afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

async function serve(onSocket: (socket: Socket) => void): Promise<number> {
  const server = createServer(onSocket);
  servers.push(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  return typeof address === 'object' && address !== null ? (address satisfies AddressInfo).port : 0;
}

function opener(url: string): KafkaTcpOpener {
  return new KafkaTcpOpener({ url, connectTimeoutMs: 60_000, responseBytesMax: 1000 });
}

interface Ends {
  readonly frames: Uint8Array[];
  readonly onFrame: (frame: Uint8Array) => void;
  readonly onClose: (fault: LogFault) => void;
  readonly closed: Promise<LogFault>;
}

function ends(): Ends {
  const frames: Uint8Array[] = [];
  let onClose = (_fault: LogFault): void => undefined;
  const closed = new Promise<LogFault>((resolve) => {
    onClose = resolve;
  });
  return { frames, onFrame: (frame) => void frames.push(frame), onClose, closed };
}

test('records small and large go through TCP and come back', async () => {
  const client = await connect(`kafka://${String(broker.ready.kafka)}`);
  const producer = client.producer();
  const large = 'x'.repeat(900_000);
  await producer.send({ topic: 'through', messages: [{ key: 'k', value: 'small' }] });
  const values = Array.from({ length: 12 }, (_, index) => `${index}${large}`);
  await Promise.all(values.map((value) => producer.send({ topic: 'through', messages: [{ value }] })));
  const consumer = client.consumer();
  await consumer.assign([{ topic: 'through' }]);
  const read: string[] = [];
  for await (const record of consumer.records({ untilEnd: true })) read.push(record.text());
  expect(read).toEqual(['small', ...values]);
  client.close();
});

test('another broker of the cluster is reached at the address that its metadata has', async () => {
  const port = await serve((socket) => socket.end(Buffer.from([0, 0, 0, 2, 7, 9])));
  const { frames, onFrame, onClose, closed } = ends();
  await opener('kafka://192.0.2.1').open({ host: '127.0.0.1', port }, { onFrame, onClose });
  expect((await closed).code).toBe('ERR_CONNECTION');
  expect(frames.map((frame) => [...frame])).toEqual([[7, 9]]);
});

test('a frame that is written arrives behind its length, whatever its size', async () => {
  const chunks: Buffer[] = [];
  const ended = new Promise<void>((resolve) => {
    void serve((socket) => {
      socket.on('data', (chunk: Buffer) => chunks.push(chunk));
      socket.on('end', resolve);
    }).then(async (port) => {
      const transport = await opener(`kafka://127.0.0.1:${port}`).open(undefined, ends());
      transport.send([new Uint8Array([1]), new Uint8Array([2])]);
      transport.send([new Uint8Array(3000).fill(3), new Uint8Array(2000).fill(3)]);
      transport.close();
    });
  });
  await ended;
  const bytes = Buffer.concat(chunks);
  expect(bytes.length).toBe(4 + 2 + 4 + 5000);
  expect([...bytes.subarray(0, 6)]).toEqual([0, 0, 0, 2, 1, 2]);
  expect(bytes.readInt32BE(6)).toBe(5000);
  expect(bytes.subarray(10).every((byte) => byte === 3)).toBe(true);
});

test('a response beyond the limit ends the connection', async () => {
  const port = await serve((socket) => socket.write(Buffer.from([0, 1, 0, 0])));
  const { onFrame, onClose, closed } = ends();
  await opener(`kafka://127.0.0.1:${port}`).open(undefined, { onFrame, onClose });
  expect((await closed).code).toBe('ERR_MALFORMED_FRAME');
});

test('a broker that is not there, and a URL that is none, are told', async () => {
  const port = await serve(() => undefined);
  const [server] = servers.splice(0);
  server?.close();
  await expect(connect(`kafka://127.0.0.1:${port}`)).rejects.toMatchObject({ code: 'ERR_CONNECTION' });
  await expect(connect('kafka://127.0.0.1:9092/topic')).rejects.toMatchObject({ code: 'ERR_USAGE' });
  await expect(connect('kafka:')).rejects.toMatchObject({ code: 'ERR_USAGE' });
});

test('senders are held back while the peer does not read, and let go when it does', async () => {
  const sockets: Socket[] = [];
  const port = await serve((socket) => {
    socket.pause();
    sockets.push(socket);
  });
  const transport = await opener(`kafka://127.0.0.1:${port}`).open(undefined, ends());
  const frame = new Uint8Array(1024 * 1024);
  for (let sent = 0; transport.whenWritable() === undefined && sent < 256; sent++) transport.send([frame]);
  const writable = transport.whenWritable();
  expect(writable).toBeInstanceOf(Promise);
  for (const socket of sockets) socket.resume();
  await writable;
  expect(transport.whenWritable()).toBeUndefined();
  transport.close();
});
