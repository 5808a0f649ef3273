import { once } from 'node:events';
import { connect, createServer, type Server, Socket } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { FrameWriter, Staging } from '../../src/platform/node/frame-writer.ts';
import { type WriteNow, writesPastStream } from '../../src/platform/node/socket-writes.ts';
import { WriteTurn } from '../../src/platform/node/write-turn.ts';

const servers: Server[] = [];
const sockets: Socket[] = [];

afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
  for (const server of servers.splice(0)) server.close();
});

/** Both ends of a connection: one that a server accepted, and the peer's, which is not read yet. */
async function connection(): Promise<{ readonly accepted: Socket; readonly peer: Socket; readonly write: WriteNow }> {
  const server = createServer({ noDelay: true }).listen(0, '127.0.0.1');
  servers.push(server);
  await once(server, 'listening');
  const address = server.address();
  if (typeof address !== 'object' || address === null) throw new Error('a server has an address');
  const accepting = once(server, 'connection');
  const peer = connect({ port: address.port, host: address.address });
  const [accepted] = await accepting;
  if (!(accepted instanceof Socket)) throw new Error('a server accepts sockets');
  for (const socket of [accepted, peer]) socket.on('error', () => undefined);
  sockets.push(accepted, peer);
  const write = writesPastStream(accepted);
  if (write === undefined) throw new Error('a TCP socket has a descriptor');
  return { accepted, peer, write };
}

/** Everything that comes until the end, read from now on. */
async function readAll(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk);
  return Buffer.concat(chunks);
}

test('answers beyond what the system keeps for a peer that does not read come in their order when it does', async () => {
  const { accepted, peer, write } = await connection();
  let past = 0;
  const writer = new FrameWriter({
    socket: accepted,
    staging: new Staging(),
    turn: new WriteTurn(),
    writeNow: (block, start, bytes) => {
      const taken = write(block, start, bytes);
      past += taken;
      return taken;
    },
    onWritten: () => undefined,
    onFinished: () => accepted.end(),
  });
  const sent: Buffer[] = [];
  const send = (): void => {
    const frame = Buffer.alloc(1000, `${sent.length};`);
    sent.push(frame);
    writer.enqueue(0, [frame], frame.byteLength);
  };
  do {
    send();
    await new Promise((resolve) => process.nextTick(resolve));
  } while (writer.bufferedBytes === 0);
  for (let more = 0; more < 3000; more++) send();
  expect(writer.bufferedBytes).toBeGreaterThan(3_000_000);
  writer.finish();
  const received = await readAll(peer);
  expect(received.equals(Buffer.concat(sent))).toBe(true);
  expect(writer.sentBytes).toBe(received.byteLength);
  // The first ones went past the stream, and later ones through it.
  expect(past).toBeGreaterThan(0);
  expect(past).toBeLessThan(received.byteLength);
});

test('nothing is written to a socket that was destroyed, whoever has its descriptor now, nor to one that was ended', async () => {
  const { accepted, write } = await connection();
  const { accepted: ended, peer, write: writeEnded } = await connection();
  const bytes = Buffer.from('too late');
  accepted.destroy();
  ended.end();
  expect(write(bytes, 0, bytes.byteLength)).toBe(0);
  expect(writeEnded(bytes, 0, bytes.byteLength)).toBe(0);
  expect(await readAll(peer)).toHaveLength(0);
});

test('a peer that is gone is left for the stream to find out', async () => {
  const { accepted, peer, write } = await connection();
  const failed = new Promise((resolve) => accepted.once('error', resolve));
  peer.resetAndDestroy();
  const bytes = Buffer.from('anybody there?');
  while (write(bytes, 0, bytes.byteLength) > 0) await new Promise((resolve) => setImmediate(resolve));
  accepted.write(bytes);
  expect(await failed).toBeInstanceOf(Error);
  expect(accepted.destroyed).toBe(true);
});

test('a socket without a descriptor is written to through its stream', () => {
  expect(writesPastStream(new Socket())).toBeUndefined();
});
