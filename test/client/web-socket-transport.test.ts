// Frames over real WebSockets of the `ws` package, and over a fake one where time and buffers matter.

import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { STANDARD_CLOCK } from '../../src/client/client-clock.ts';
import { connect } from '../../src/client/index.ts';
import type { ClientTransport, TransportEvents } from '../../src/client/transport.ts';
import { type WebSocketConstructor, WebSocketOpener } from '../../src/client/web-socket-transport.ts';
import type { LogFault } from '../../src/core/fault.ts';
import { bytesOnly } from '../../src/core/file-range.ts';
import { FakeBroker } from './fake-broker.ts';
import { all, plainWasm } from './fixture.ts';

const servers: WebSocketServer[] = [];

afterEach(() => {
  for (const server of servers.splice(0)) {
    for (const socket of server.clients) socket.terminate();
    server.close();
  }
});

async function serve(onSocket: (socket: WebSocket) => void): Promise<string> {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0, handleProtocols: () => 'kafka' });
  servers.push(server);
  server.on('connection', onSocket);
  await once(server, 'listening');
  const address = server.address();
  return `ws://127.0.0.1:${typeof address === 'object' && address !== null ? (address satisfies AddressInfo).port : 0}`;
}

function opener(url: string, webSocket: WebSocketConstructor = WebSocket, connectTimeoutMs = 60_000): WebSocketOpener {
  return new WebSocketOpener({ url, webSocket, clock: STANDARD_CLOCK, connectTimeoutMs });
}

/** Opens a transport; `closed` resolves with the fault of its end. */
async function open(
  of: WebSocketOpener,
  onFrame: TransportEvents['onFrame'] = () => undefined,
): Promise<{ transport: ClientTransport; closed: Promise<LogFault> }> {
  let end = (_fault: LogFault): void => undefined;
  const closed = new Promise<LogFault>((resolve) => {
    end = resolve;
  });
  const transport = await of.open(undefined, { onFrame, onClose: end });
  return { transport, closed };
}

test('a client sends and reads through a WebSocket', async () => {
  const broker = new FakeBroker();
  const url = await serve((socket) => {
    socket.on('message', (data: Buffer) => {
      broker.handle(new Uint8Array(data)).then((response) => {
        if (response !== undefined) socket.send(Buffer.concat(bytesOnly(response.chunks)));
      });
    });
  });
  const client = await connect({ url, webSocket: WebSocket, wasm: plainWasm() });
  const producer = client.producer();
  await producer.send({ topic: 't', messages: [{ value: 'hello' }] });
  const consumer = client.consumer();
  await consumer.assign([{ topic: 't' }]);
  expect((await all(consumer.records({ untilEnd: true }))).map((record) => record.text())).toEqual(['hello']);
  await producer.close();
  await consumer.close();
  client.close();
});

test('a broker that is not there is named with the reason', async () => {
  const url = await serve(() => undefined);
  for (const server of servers.splice(0)) server.close();
  await expect(connect({ url, webSocket: WebSocket })).rejects.toMatchObject({
    code: 'ERR_CONNECTION',
    message: expect.stringMatching(/^cannot reach ws:\/\/127.0.0.1:\d+: .*ECONNREFUSED/),
  });
});

test('an end of the connection is told with its reason', async () => {
  const url = await serve((socket) => socket.close(1008, 'go away'));
  const { closed } = await open(opener(url));
  expect(await closed).toMatchObject({ code: 'ERR_CONNECTION', message: expect.stringContaining('go away (1008)') });
});

test('text where a frame is due ends the connection', async () => {
  const url = await serve((socket) => socket.send('hello'));
  const { closed } = await open(opener(url));
  expect(await closed).toMatchObject({ code: 'ERR_MALFORMED_FRAME' });
});

test('closing is told as such, once', async () => {
  const url = await serve(() => undefined);
  const { transport, closed } = await open(opener(url));
  transport.close();
  transport.close();
  expect(await closed).toMatchObject({ code: 'ERR_CLOSED' });
});

/** A socket that never answers, or that never drains. */
class StuckSocket {
  binaryType = '';
  bufferedAmount = 0;
  isClosed = false;

  send(data: Uint8Array): void {
    this.bufferedAmount += data.length;
  }

  close(): void {
    this.isClosed = true;
  }

  addEventListener(type: string, listener: (event: never) => void): void {
    const open: () => void = listener as () => void;
    if (type === 'open') queueMicrotask(open);
  }
}

test('a broker that does not answer the handshake is given up in time', async () => {
  class Silent extends StuckSocket {
    override addEventListener(): void {}
  }
  await expect(open(opener('ws://nowhere', Silent, 10))).rejects.toMatchObject({ code: 'ERR_TIMEOUT' });
});

test('an error that no close follows ends the attempt all the same', async () => {
  class Failing extends StuckSocket {
    override addEventListener(type: string, listener: (event: never) => void): void {
      const fail: (event: object) => void = listener as (event: object) => void;
      if (type === 'error') queueMicrotask(() => fail({ message: 'bad port' }));
    }
  }
  await expect(open(opener('ws://nowhere', Failing))).rejects.toMatchObject({
    code: 'ERR_CONNECTION',
    message: 'cannot reach ws://nowhere: bad port',
  });
});

test('a socket that does not drain holds senders back until it does', async () => {
  const sockets: StuckSocket[] = [];
  class Recorded extends StuckSocket {
    constructor() {
      super();
      sockets.push(this);
    }
  }
  const { transport } = await open(opener('ws://nowhere', Recorded));
  expect(transport.whenWritable()).toBeUndefined();
  transport.send([new Uint8Array(9 * 1024 * 1024)]);
  const writable = transport.whenWritable();
  expect(writable).toBeInstanceOf(Promise);
  const [socket] = sockets;
  if (socket !== undefined) socket.bufferedAmount = 0;
  await writable;
  expect(transport.whenWritable()).toBeUndefined();
});

test('an address that is no URL is a usage error', async () => {
  await expect(connect({ url: 'nonsense', webSocket: WebSocket })).rejects.toMatchObject({ code: 'ERR_USAGE' });
});

test('other brokers of a cluster are reached with the scheme and path of the first', async () => {
  const urls: string[] = [];
  class Recorded extends StuckSocket {
    constructor(url: string) {
      super();
      urls.push(url);
    }
  }
  const first = opener('wss://gateway.example:99/kafka', Recorded);
  const events = { onFrame: () => undefined, onClose: () => undefined };
  await first.open({ host: 'b2.example', port: 8092 }, events);
  await first.open({ host: '::1', port: 8093 }, events);
  expect(urls).toEqual(['wss://b2.example:8092/kafka', 'wss://[::1]:8093/kafka']);
});
