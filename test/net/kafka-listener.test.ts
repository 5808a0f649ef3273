// The Kafka listener over real sockets: addresses, framing, order, bounds. Each hostile client has an honest one beside it.

import { createServer } from 'node:net';
import { describe, expect, it } from 'vitest';
import { parseBrokerConfig } from '../../src/broker/config/broker-config.ts';
import type { LogFields } from '../../src/core/logger.ts';
import { KafkaListeners, type KafkaListenersOptions, named } from '../../src/embedded/kafka-listeners.ts';
import { listenKafka } from '../../src/platform/node/kafka-listener.ts';
import { silentLogger } from '../support/silent-logger.ts';
import { framed, HeldHandler, type KafkaFixtureOptions, startKafka, TcpClient } from './kafka-listener-fixture.ts';
import { bytesResponse, echoHandler, RawClient } from './listener-fixture.ts';

describe('addresses', () => {
  it('serves 127.0.0.1 and ::1 with one port, so that either meaning of localhost is met', async () => {
    const { listener } = await startKafka();
    for (const host of ['127.0.0.1', '::1']) {
      const client = await TcpClient.open({ host, port: listener.port });
      expect((await client.ask(`over ${host}`)).toString()).toBe(`over ${host}`);
    }
    expect(listener.authority).toBe(`127.0.0.1:${listener.port}`);
  });

  it('refuses a port that is taken, on either loopback address, with what to do', async () => {
    const { listener } = await startKafka();
    const again = startKafka({ port: listener.port });
    await expect(again).rejects.toMatchObject({ code: 'ERR_LISTEN', message: /port is taken by another process/ });
    const other = createServer();
    await new Promise<void>((resolve) => other.listen({ host: '::1', port: 0 }, resolve));
    const address = other.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    await expect(startKafka({ port })).rejects.toMatchObject({ code: 'ERR_LISTEN', message: /\[::1\]/ });
    // Nothing of the refused listener is left behind.
    const third = await startKafka({ host: '127.0.0.2', port });
    expect(third.listener.port).toBe(port);
    other.close();
  });

  it('tells each client what its listener advertises, or the address by which it came', async () => {
    const { connections } = await startKafka();
    const settings = parseBrokerConfig({
      listeners: 'PLAINTEXT://127.0.0.1:0,OUTSIDE://0.0.0.0:0,PLAIN2://:0',
      'advertised.listeners': 'OUTSIDE://broker.example:19092',
      'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,outside:PLAINTEXT,PLAIN2:PLAINTEXT',
    }).settings;
    const listeners = await KafkaListeners.open({
      listeners: settings.listeners ?? [],
      advertised: settings.advertisedListeners,
      protocolMap: settings.listenerProtocolMap,
      listen: (setting) =>
        listenKafka({ ...setting, handler: echoHandler, connections, logger: silentLogger, requestBytesMax: 1000 }),
    });
    expect(listeners.advertised('OUTSIDE')).toEqual({ host: 'broker.example', port: 19_092 });
    expect(listeners.advertised('PLAIN2')).toBeUndefined();
    expect(listeners.advertised('HTTP')).toBeUndefined();
    const inside = listeners.advertised('PLAINTEXT');
    expect(`${inside?.host}:${inside?.port}`).toBe(listeners.addresses[0]);
    await listeners.close();
  });

  it('knows the address by which a client came, and who came', async () => {
    const handler = new HeldHandler();
    const { listener } = await startKafka({ host: '::', handler });
    expect(listener.host).toBeUndefined();
    for (const host of ['127.0.0.1', '::1']) {
      const client = await TcpClient.open({ host, port: listener.port });
      client.send('who');
    }
    await handler.until(2);
    expect(
      handler.contexts
        .map(({ listener: name, clientHost, localHost, localPort }) => ({ name, clientHost, localHost, localPort }))
        .sort((one, other) => (one.localHost < other.localHost ? -1 : 1)),
    ).toEqual(
      ['127.0.0.1', '::1'].map((host) => ({
        name: 'PLAINTEXT',
        clientHost: host,
        localHost: host,
        localPort: listener.port,
      })),
    );
    for (const { answer } of handler.held) answer();
  });

  it('opens all listeners or none', async () => {
    const { listener, connections } = await startKafka();
    const options: Omit<KafkaListenersOptions, 'listeners'> = {
      advertised: [],
      protocolMap: 'PLAINTEXT:PLAINTEXT',
      listen: (setting) =>
        listenKafka({ ...setting, handler: echoHandler, connections, logger: silentLogger, requestBytesMax: 1000 }),
    };
    const free = { host: '127.0.0.2', port: listener.port };
    const taken = { host: '127.0.0.1', port: listener.port };
    const both = KafkaListeners.open({ ...options, listeners: [free, taken].map(named) });
    await expect(both).rejects.toMatchObject({ code: 'ERR_LISTEN' });
    const first = await startKafka(free);
    expect(first.listener.authority).toBe(`127.0.0.2:${listener.port}`);
  });

  const refused: readonly (readonly [name: string, config: Readonly<Record<string, string>>, message: RegExp])[] = [
    ['no port', { listeners: 'PLAINTEXT://host' }, /NAME:\/\/HOST:PORT/],
    ['a port beyond the last', { listeners: 'PLAINTEXT://:65536' }, /NAME:\/\/HOST:PORT/],
    ['no name', { listeners: '127.0.0.1:9092' }, /NAME:\/\/HOST:PORT/],
    ['a name twice', { listeners: 'A://:1,a://:2' }, /names a listener twice/],
    ['every address as advertised', { 'advertised.listeners': 'PLAINTEXT://0.0.0.0:9092' }, /can connect to/],
    ['port 0 as advertised', { 'advertised.listeners': 'PLAINTEXT://host:0' }, /can connect to/],
  ];
  for (const [name, config, message] of refused) {
    it(`refuses a configuration with ${name}`, () => {
      expect(() => parseBrokerConfig(config)).toThrow(message);
    });
  }

  it('refuses a protocol that is not served, and advertising what does not listen', async () => {
    const { connections } = await startKafka();
    const open = (listeners: string, advertised: string) => {
      const { settings } = parseBrokerConfig({ listeners, 'advertised.listeners': advertised });
      return KafkaListeners.open({
        listeners: settings.listeners ?? [],
        advertised: settings.advertisedListeners,
        protocolMap: settings.listenerProtocolMap,
        listen: (setting) =>
          listenKafka({ ...setting, handler: echoHandler, connections, logger: silentLogger, requestBytesMax: 1000 }),
      });
    };
    await expect(open('SSL://:0', '')).rejects.toThrow(/cannot speak 'SSL'/);
    await expect(open('INSIDE://:0', '')).rejects.toThrow(/does not say what listener INSIDE speaks/);
    await expect(open('PLAINTEXT://:0', 'OTHER://host:1')).rejects.toThrow(/OTHER, which does not listen/);
  });
});

/** How the listener reads its sockets: the one way is what it does where the other cannot be. */
const READS = [
  { how: 'into memory of the listener', readsByEvents: false },
  { how: 'by events', readsByEvents: true },
] as const;

describe.each(READS)('requests to sockets read $how', ({ readsByEvents }) => {
  const start = (options: KafkaFixtureOptions = {}) => startKafka({ readsByEvents, ...options });

  it('are answered in their order, however they are pipelined and finished', async () => {
    const handler = new HeldHandler();
    const { listener } = await start({ handler });
    const client = await TcpClient.open(listener);
    const texts = Array.from({ length: 100 }, (_, index) => `request ${index}`);
    client.raw.socket.write(Buffer.concat(texts.map((text) => framed(text))));
    await handler.until(100);
    for (const { answer } of handler.held.toReversed()) answer();
    for (const text of texts) expect((await client.next()).toString()).toBe(text);
  });

  it('may come byte by byte', async () => {
    const { listener } = await start();
    const client = await TcpClient.open(listener);
    client.raw.socket.setNoDelay(true);
    for (const byte of framed('drop by drop')) {
      await new Promise<void>((resolve) => client.raw.socket.write(Buffer.of(byte), () => resolve()));
    }
    expect((await client.next()).toString()).toBe('drop by drop');
  });

  it('and answers may have any size', async () => {
    const { listener } = await start();
    const client = await TcpClient.open(listener);
    for (const bytes of [10, 4095, 4097, 65_535, 1_048_571, 1_048_572, 1_048_573, 1_048_576, 3_000_000]) {
      expect((await client.ask(`big:${bytes}`)).byteLength).toBe(bytes);
      const payload = Buffer.alloc(bytes, bytes % 251);
      expect(payload.equals(await client.ask(payload))).toBe(true);
    }
  });

  it('of many connections never mix, whatever is read from one while another has sent half a frame', async () => {
    const { listener } = await start();
    const clients = await Promise.all(Array.from({ length: 8 }, () => TcpClient.open(listener)));
    // Sizes that are copied together, alone and in parts, and read straight to their place; Produce requests and others.
    const payloads = clients.flatMap((client, index) =>
      [5, 300, 15_000, 40_000, 300_000, 1_500_000].map((bytes) => {
        const payload = Buffer.alloc(bytes, 1 + index);
        payload.writeUInt16BE(index % 2, 0);
        return { client, payload };
      }),
    );
    const answered = clients.map(async (client, index) => {
      for (const { payload } of payloads.filter((each) => each.client === client)) {
        expect(payload.equals(await client.next()), `client ${index}, ${payload.byteLength} bytes`).toBe(true);
      }
    });
    const halves = payloads.flatMap(({ client, payload }) => {
      const bytes = framed(payload);
      const half = bytes.byteLength >> 1;
      return [bytes.subarray(0, half), bytes.subarray(half)].map((part) => ({ client, part }));
    });
    // The parts of each client in their order, beside those of the others.
    for (let turn = 0; turn < halves.length; turn++) {
      const { client, part } = halves[(turn % 8) * 12 + (turn >> 3)] ?? { client: undefined, part: Buffer.alloc(0) };
      client?.raw.socket.write(part);
      if (turn % 3 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    await Promise.all(answered);
  });

  it('that came before the broker was ready are answered when it is', async () => {
    const { listener, connections } = await start({ isEarly: true });
    const client = await TcpClient.open(listener);
    client.send('early');
    const gone = await TcpClient.open(listener);
    gone.raw.socket.resetAndDestroy();
    await gone.raw.closed;
    expect(connections.size).toBe(0);
    listener.serve();
    expect((await client.next()).toString()).toBe('early');
  });

  it('under way are answered when the listener closes, and long polls are given up', async () => {
    const handler = new HeldHandler();
    const { listener } = await start({ handler });
    const client = await TcpClient.open(listener);
    client.send('under way');
    await handler.until(1);
    const closing = listener.close(5000);
    expect(handler.contexts[0]?.closed.aborted).toBe(true);
    handler.held[0]?.answer();
    expect((await client.next()).toString()).toBe('under way');
    await Promise.all([closing, client.raw.closed]);
    await expect(RawClient.open({ host: '127.0.0.1', port: listener.port })).rejects.toThrow(/ECONNREFUSED/);
  });

  it('of a client that went away are given up', async () => {
    const handler = new HeldHandler();
    const { listener, connections } = await start({ handler });
    for (const leave of ['end', 'resetAndDestroy'] as const) {
      const client = await TcpClient.open(listener);
      client.send('long poll');
      await handler.until(1);
      client.raw.socket[leave]();
      while (connections.size > 0) await new Promise((resolve) => setImmediate(resolve));
      expect(handler.contexts[0]?.closed.aborted).toBe(true);
      for (const { answer } of handler.held.splice(0)) answer();
      handler.contexts.splice(0);
    }
    while (connections.memory.used > 0) await new Promise((resolve) => setImmediate(resolve));
  });
});

describe.each(READS)('hostile clients of sockets read $how', ({ readsByEvents }) => {
  const start = (options: KafkaFixtureOptions = {}) => startKafka({ readsByEvents, ...options });

  const cases: readonly (readonly [name: string, bytes: Buffer, reason: RegExp])[] = [
    ['a length beyond the limit', framed('x', 104_857_601), /104857601 bytes is larger than the 104857600 allowed/],
    ['a negative length', framed('x', -1), /cannot have -1 bytes/],
    ['HTTP', Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n'), /this is HTTP/],
    ['TLS', Buffer.from('16030100a5010000a1', 'hex'), /this is TLS/],
    ['a malformed request', framed('bad'), /the frame says it is bad/],
  ];
  for (const [name, bytes, reason] of cases) {
    it(`are told apart and closed: ${name}`, async () => {
      const reasons: unknown[] = [];
      const logger = { ...silentLogger, warn: (_: string, fields?: LogFields) => reasons.push(fields?.reason) };
      const { listener, connections } = await start({ logger });
      const good = await TcpClient.open(listener);
      await good.ask('connected');
      const bad = await RawClient.open({ host: '127.0.0.1', port: listener.port });
      bad.socket.write(framed('before'));
      await bad.until('before');
      bad.socket.write(bytes);
      await bad.closed;
      expect((await good.ask('alive')).toString()).toBe('alive');
      expect(connections.size).toBe(1);
      expect(connections.memory.used).toBe(0);
      expect(bad.received.toString()).toBe('\u0000\u0000\u0000\u0006before');
      expect(reasons).toEqual([expect.stringMatching(reason)]);
    });
  }

  it('beyond max.connections are refused while others are served', async () => {
    const { listener, connections } = await start({ bounds: { connectionsMax: 5 } });
    const good = await TcpClient.open(listener);
    await good.ask('first');
    const flood = await Promise.all(
      Array.from({ length: 50 }, () => RawClient.open({ host: '127.0.0.1', port: listener.port })),
    );
    await Promise.all(flood.slice(4).map(({ closed }) => closed));
    expect(connections.size).toBe(5);
    expect((await good.ask('alive')).toString()).toBe('alive');
    for (const { socket } of flood) socket.destroy();
    while (connections.size > 1) await new Promise((resolve) => setImmediate(resolve));
    const next = await TcpClient.open(listener);
    expect((await next.ask('room again')).toString()).toBe('room again');
  });

  it('that never read cost bounded memory, are ended, and hold up nobody', async () => {
    let handled = 0;
    const { listener, connections } = await start({
      bounds: { outboundStuckMsMax: 1500 },
      handler: {
        handle(frame, context) {
          if (frame.byteLength > 10) return echoHandler.handle(frame, context);
          handled += 1;
          return Promise.resolve(bytesResponse(100_000));
        },
        whenWritable: () => undefined,
      },
    });
    const good = await TcpClient.open(listener);
    await good.ask('good and first');
    const raw = await RawClient.open({ host: '127.0.0.1', port: listener.port });
    raw.socket.pause();
    for (let i = 0; i < 2000; i++) raw.socket.write(framed('x'));
    const closed = new Promise((resolve) => {
      raw.socket.on('close', resolve);
      raw.socket.on('end', resolve);
    });
    while (connections.size < 2) await new Promise((resolve) => setImmediate(resolve));
    while (connections.size === 2) {
      expect(await good.ask('a request of the good')).toHaveLength(21);
      await new Promise((resolve) => setImmediate(resolve));
    }
    // What the kernel's socket buffers took, and 128 answers that were under way when the bound was met.
    expect(handled).toBeLessThan(400);
    expect(connections.memory.used).toBeLessThan(10_000);
    raw.socket.resume();
    await closed;
  });

  it('that pile up unfinished frames are evicted, and one that sends whole ones is not', async () => {
    const { listener, connections } = await start({ bounds: { queuedRequestBytesMax: 4_000_000 } });
    const good = await TcpClient.open(listener);
    await good.ask('connected');
    const hoarders = await Promise.all(
      Array.from({ length: 6 }, () => RawClient.open({ host: '127.0.0.1', port: listener.port })),
    );
    for (const hoarder of hoarders) hoarder.socket.write(framed(Buffer.alloc(1_500_000), 50_000_000));
    await Promise.race(hoarders.map(({ closed }) => closed));
    expect(await good.ask(Buffer.alloc(1_000_000))).toHaveLength(1_000_000);
    for (const { socket } of hoarders) socket.destroy();
    while (connections.memory.used > 0) await new Promise((resolve) => setImmediate(resolve));
  });

  it('that flood with more requests than may be in flight are read no further', async () => {
    const handler = new HeldHandler();
    const { listener, connections } = await start({ handler });
    const client = await TcpClient.open(listener);
    const frame = framed(Buffer.alloc(10_000, 'x'));
    let written = 0;
    let taken = 0;
    const flood = (): void => {
      while (written < 5000 && client.raw.socket.writableLength < 1_000_000) {
        written += 1;
        client.raw.socket.write(frame, () => {
          taken += 1;
        });
      }
    };
    flood();
    await handler.until(128);
    for (let idle = 0, before = -1; idle < 50; idle = taken === before ? idle + 1 : 0) {
      before = taken;
      flood();
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(handler.held.length).toBe(128);
    expect(connections.memory.used).toBeLessThan(3_000_000);
    expect(taken).toBeLessThan(5000);
    client.raw.socket.resetAndDestroy();
    await client.raw.closed;
    // Nothing is read, so that the end of the connection shows when the first answer is written.
    for (const { answer } of handler.held) answer();
    while (connections.size > 0) await new Promise((resolve) => setImmediate(resolve));
  });
});
