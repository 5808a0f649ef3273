// The transport's view of time, which is given here: slow frames and dead peers. Its framing is tested with the listener.

import { createServer } from 'node:http';
import type { Duplex } from 'node:stream';
import { afterEach, describe, expect, it } from 'vitest';
import { type WebSocket, WebSocketServer } from 'ws';
import type { FrameSink } from '../../src/net/frame-transport.ts';
import { RequestMemory } from '../../src/net/request-memory.ts';
import { OPCODES } from '../../src/net/websocket-frame.ts';
import { Staging } from '../../src/platform/node/frame-writer.ts';
import { WebSocketTransport } from '../../src/platform/node/websocket-listener-transport.ts';
import { WriteTurn } from '../../src/platform/node/write-turn.ts';
import { clientFrame, RawClient } from './listener-fixture.ts';

const closers: (() => void)[] = [];

afterEach(() => {
  for (const close of closers.splice(0)) close();
});

class WatchingSink implements FrameSink {
  readonly frames: Uint8Array[] = [];
  onFrame(frame: Uint8Array): void {
    this.frames.push(frame);
  }
  onDrain(): void {}
  onClose(): void {}
  onTick(): void {}
  close(): void {}
  drain(): void {}
}

/** A transport and the bare client at its other end. */
async function openPair() {
  const server = createServer();
  const webSockets = new WebSocketServer({ noServer: true });
  const memory = new RequestMemory(1_000_000);
  const sink = new WatchingSink();
  const accepted = new Promise<WebSocketTransport>((resolve) => {
    server.on('upgrade', (request, socket: Duplex, head) => {
      webSockets.handleUpgrade(request, socket, head, (webSocket: WebSocket) => {
        const transport = new WebSocketTransport({
          webSocket,
          socket,
          memory,
          staging: new Staging(),
          turn: new WriteTurn(),
          opcode: OPCODES.binary,
        });
        transport.attach(sink);
        closers.push(() => transport.terminate());
        resolve(transport);
      });
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const client = await RawClient.open({ host: '127.0.0.1', port });
  await client.upgrade();
  const transport = await accepted;
  closers.push(
    () => server.close(),
    () => client.socket.destroy(),
  );
  const received = async (bytes: number): Promise<void> => {
    while (transport.receivedBytes < bytes) await new Promise((resolve) => setImmediate(resolve));
  };
  return { transport, client, sink, memory, received };
}

describe('a WebSocket transport', () => {
  it('ends a frame that arrives too slowly, and lets one go on that keeps up', async () => {
    const { transport, client, received } = await openPair();
    client.socket.write(clientFrame(new Uint8Array(0), { claimed: 10_000_000 }));
    await received(14);
    expect(transport.tick(0)).toBeUndefined();
    expect(transport.tick(29_000)).toBeUndefined();
    expect(transport.tick(31_000)).toBe('a frame arrives too slowly');
    client.socket.write(new Uint8Array(500_000));
    await received(500_014);
    expect(transport.tick(31_000)).toBeUndefined();
    expect(transport.tick(62_000)).toBe('a frame arrives too slowly');
  });

  it('counts the bytes of an unfinished frame, and not those of whole ones', async () => {
    const { transport, client, sink, memory, received } = await openPair();
    client.socket.write(clientFrame(new Uint8Array(100)));
    client.socket.write(clientFrame(new Uint8Array(10_000), { claimed: 20_000 }));
    await received(10_128);
    while (sink.frames.length === 0) await new Promise((resolve) => setImmediate(resolve));
    // A chunk that ends one frame and begins the next counts to neither.
    expect(transport.partialBytes).toBeLessThanOrEqual(10_014);
    expect(memory.used).toBe(transport.partialBytes);
    client.socket.write(new Uint8Array(10_000));
    while (sink.frames.length === 1) await new Promise((resolve) => setImmediate(resolve));
    expect(memory.used).toBe(0);
  });

  it('pings a silent peer and ends it when no pong comes', async () => {
    const { transport, client } = await openPair();
    transport.tick(0);
    expect(transport.tick(29_999)).toBeUndefined();
    const before = client.received.length;
    expect(transport.tick(30_000)).toBeUndefined();
    while (client.received.length === before) await new Promise((resolve) => client.socket.once('data', resolve));
    expect(client.received[before]).toBe(0x89);
    expect(transport.tick(59_999)).toBeUndefined();
    expect(transport.tick(60_000)).toBe('the peer does not answer pings');
  });

  it('does not hold silence against a peer that it does not read', async () => {
    const { transport } = await openPair();
    transport.tick(0);
    transport.pause();
    expect(transport.tick(100_000)).toBeUndefined();
    transport.resume();
    expect(transport.tick(100_001)).toBeUndefined();
    expect(transport.tick(130_000)).toBeUndefined();
  });
});
