// Clients that misbehave over real sockets. Each test also asks a well-behaved client, which must not notice.

import { describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import {
  bytesResponse,
  clientFrame,
  EchoClient,
  echoHandler,
  httpGet,
  RawClient,
  startListener,
  upgradeRequest,
} from './listener-fixture.ts';

/** Deterministic bytes that look like noise. */
function noise(bytes: number, seed: number): Buffer {
  const buffer = Buffer.alloc(bytes);
  let state = seed;
  for (let i = 0; i < bytes; i++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    buffer[i] = state >>> 24;
  }
  return buffer;
}

describe('before the handshake', () => {
  it('answers garbage with 400 or ends the connection', async () => {
    const listener = await startListener();
    const good = await EchoClient.open(listener);
    for (let seed = 1; seed <= 20; seed++) {
      const raw = await RawClient.open(listener);
      raw.socket.write(noise(500, seed));
      await raw.closed;
      expect(raw.received.toString()).toMatch(/^(HTTP\/1.1 400|$)/);
    }
    expect(await good.ask('alive')).toEqual(Buffer.from('alive'));
  });

  it('times half a handshake out', async () => {
    const listener = await startListener({ headersMsMax: 200 });
    const silent = await RawClient.open(listener);
    const half = await RawClient.open(listener);
    half.socket.write(upgradeRequest().slice(0, -20));
    await Promise.all([silent.closed, half.closed]);
    expect(half.received.toString()).toMatch(/^HTTP\/1.1 408/);
    // A whole handshake is in time, but for one that the machine itself held up.
    let good: EchoClient | undefined;
    while (good === undefined) good = await EchoClient.open(listener).catch(() => undefined);
    expect(await good.ask('alive')).toEqual(Buffer.from('alive'));
  });

  it('times out a slow-loris that sends a header line now and then', async () => {
    const listener = await startListener({ headersMsMax: 300 });
    const raw = await RawClient.open(listener);
    raw.socket.write('GET / HTTP/1.1\r\n');
    const drip = setInterval(() => raw.socket.write('x-more: 1\r\n'), 20);
    await raw.closed;
    clearInterval(drip);
    expect(raw.received.toString()).toMatch(/^HTTP\/1.1 408/);
  });

  it('refuses headers beyond their size with 431', async () => {
    const listener = await startListener();
    const raw = await RawClient.open(listener);
    raw.socket.write(`GET / HTTP/1.1\r\nx-large: ${'x'.repeat(40_000)}\r\n\r\n`);
    await raw.closed;
    expect(raw.received.toString()).toMatch(/^HTTP\/1.1 431/);
  });
});

describe('frames', () => {
  const cases: readonly (readonly [name: string, bytes: Buffer, code: number])[] = [
    ['reserved bits', clientFrame(new Uint8Array(4), { first: 0xf2 }), 1002],
    ['an unknown opcode', clientFrame(new Uint8Array(4), { first: 0x83 }), 1002],
    ['no mask', Buffer.from([0x82, 0x01, 0x00]), 1002],
    ['a continuation of nothing', clientFrame(new Uint8Array(4), { first: 0x80 }), 1002],
    ['a length beyond the limit', clientFrame(new Uint8Array(4), { claimed: 200_000_000 }), 1009],
    ['a length of 2^62', clientFrame(new Uint8Array(4), { claimed: 2 ** 62 }), 1009],
    ['text', clientFrame(new TextEncoder().encode('{}'), { first: 0x81 }), 1003],
    ['a malformed request', clientFrame(new TextEncoder().encode('bad')), 1007],
  ];

  for (const [name, bytes, code] of cases) {
    it(`closes with ${code} and a reason for ${name}`, async () => {
      const listener = await startListener();
      const good = await EchoClient.open(listener);
      const raw = await RawClient.open(listener);
      await raw.upgrade();
      const before = raw.received.length;
      raw.socket.write(bytes);
      while (raw.received.length < before + 4) await new Promise((resolve) => raw.socket.once('data', resolve));
      const close = raw.received.subarray(before);
      expect(close[0]).toBe(0x88);
      expect(close.readUInt16BE(2)).toBe(code);
      expect(close.subarray(4).toString().length).toBeGreaterThan(5);
      raw.socket.destroy();
      expect(await good.ask('alive')).toEqual(Buffer.from('alive'));
    });
  }

  it('joins a message of many fragments, with a ping among them', async () => {
    const listener = await startListener();
    const client = await EchoClient.open(listener);
    const parts = Array.from({ length: 200 }, (_, index) => Buffer.from(`part ${index},`));
    const answer = new Promise((resolve) => client.webSocket.once('message', resolve));
    for (const [index, part] of parts.entries()) {
      client.webSocket.send(part, { fin: index === parts.length - 1 });
      if (index === 100) client.webSocket.ping();
    }
    expect(await answer).toEqual(Buffer.concat(parts));
  });

  it('sends a large response in fragments that carry the same bytes', async () => {
    const large = noise(5_000_001, 9);
    const listener = await startListener({
      handler: {
        handle: () =>
          Promise.resolve({
            chunks: [large.subarray(0, 7), large.subarray(7, 1_048_577), large.subarray(1_048_577)],
            byteLength: large.byteLength,
          }),
        whenWritable: () => undefined,
      },
    });
    const client = await EchoClient.open(listener);
    const [first, second] = await Promise.all([client.ask('one'), client.ask('two')]);
    expect(large.equals(first)).toBe(true);
    expect(large.equals(second)).toBe(true);
  });

  it('carries responses of every size class', async () => {
    const listener = await startListener();
    const client = await EchoClient.open(listener);
    for (const bytes of [10, 125, 126, 4095, 4107, 65_535, 65_536, 1_048_576, 1_048_577, 2_097_152, 3_000_000]) {
      expect((await client.ask(`big:${bytes}`)).byteLength).toBe(bytes);
    }
  });

  it('survives a truncated frame and a reset', async () => {
    const listener = await startListener();
    const good = await EchoClient.open(listener);
    const raw = await RawClient.open(listener);
    await raw.upgrade();
    raw.socket.write(clientFrame(new Uint8Array(10), { claimed: 1_000_000 }));
    await good.ask('the truncated frame has been read');
    raw.socket.resetAndDestroy();
    await raw.closed;
    expect(await good.ask('alive')).toEqual(Buffer.from('alive'));
  });
});

describe('crowds', () => {
  it('answers a flood of 1,000 connections, each with a WebSocket or a 503, while others are served', async () => {
    const listener = await startListener({ connectionsMax: 300 });
    const good = await EchoClient.open(listener);
    const flood = Array.from({ length: 1000 }, async () => {
      const webSocket = new WebSocket(`ws://${listener.authority}/`, 'kafka', { perMessageDeflate: false });
      return await new Promise<WebSocket | string>((resolve) => {
        webSocket.on('open', () => resolve(webSocket));
        webSocket.on('error', (error) => resolve(error.message));
      });
    });
    expect(await good.ask('served meanwhile')).toEqual(Buffer.from('served meanwhile'));
    const outcomes = await Promise.all(flood);
    const opened = outcomes.filter((outcome) => typeof outcome !== 'string');
    expect(opened.length).toBeLessThan(300);
    expect(opened.length).toBeGreaterThan(100);
    expect(listener.webSockets.connectionCount).toBe(opened.length + 1);
    expect(await httpGet(listener, '/healthz')).toMatchObject({ status: 200 });
    for (const webSocket of opened) if (typeof webSocket !== 'string') webSocket.terminate();
    expect(await good.ask('alive')).toEqual(Buffer.from('alive'));
  });

  it('bounds the memory for a client that never reads, ends it, and serves others as before', async () => {
    let handled = 0;
    const listener = await startListener({
      outboundStuckMsMax: 1500,
      handler: {
        handle(frame, context) {
          if (frame.byteLength > 10) return echoHandler.handle(frame, context);
          handled += 1;
          return Promise.resolve(bytesResponse(100_000));
        },
        whenWritable: () => undefined,
      },
    });
    const good = await EchoClient.open(listener);
    const raw = await RawClient.open(listener);
    await raw.upgrade();
    raw.socket.pause();
    for (let i = 0; i < 2000; i++) raw.socket.write(clientFrame(new Uint8Array(1)));
    const closed = new Promise((resolve) => {
      raw.socket.on('close', resolve);
      raw.socket.on('end', resolve);
    });
    while (listener.webSockets.connectionCount === 2) {
      expect(await good.ask('a request of the good')).toHaveLength(21);
      await new Promise((resolve) => setImmediate(resolve));
    }
    // What the kernel's socket buffers took, and 128 answers that were under way when the bound was met.
    expect(handled).toBeLessThan(400);
    expect(listener.webSockets.requestBytesHeld).toBeLessThan(10_000);
    raw.socket.resume();
    await closed;
  });

  it('evicts clients that pile up unfinished frames, not the one that sends whole ones', async () => {
    const listener = await startListener({ queuedRequestBytesMax: 4_000_000 });
    const good = await EchoClient.open(listener);
    const hoarders = await Promise.all(Array.from({ length: 6 }, () => RawClient.open(listener)));
    for (const hoarder of hoarders) {
      await hoarder.upgrade();
      hoarder.socket.write(clientFrame(Buffer.alloc(1_500_000), { claimed: 50_000_000 }));
    }
    await Promise.race(hoarders.map((hoarder) => hoarder.closed));
    expect(await good.ask(Buffer.alloc(1_000_000))).toHaveLength(1_000_000);
    expect(good.webSocket.readyState).toBe(WebSocket.OPEN);
    for (const hoarder of hoarders) hoarder.socket.destroy();
  });

  it('ends a peer that floods pings without reading the pongs', async () => {
    const listener = await startListener();
    const good = await EchoClient.open(listener);
    const raw = await RawClient.open(listener);
    await raw.upgrade();
    raw.socket.pause();
    const ping = Buffer.concat(Array.from({ length: 1000 }, () => Buffer.from([0x89, 0x80, 0, 0, 0, 0])));
    const closed = new Promise((resolve) => raw.socket.on('close', resolve));
    while (listener.webSockets.connectionCount === 2) {
      raw.socket.write(ping);
      await good.ask('between the pings');
    }
    raw.socket.resume();
    await closed;
  });
});
