import { describe, expect, it } from 'vitest';
import { LogFault } from '../../src/core/fault.ts';
import { listenHttp } from '../../src/platform/node/http-listener.ts';
import { silentLogger } from '../support/silent-logger.ts';
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

describe('HTTP resources', () => {
  it('answers /healthz, /metrics and the page, and 404 otherwise', async () => {
    const listener = await startListener();
    expect(await httpGet(listener, '/healthz')).toMatchObject({ status: 200, text: 'ok\n' });
    expect(await httpGet(listener, '/favicon.ico')).toMatchObject({ status: 204 });
    expect(await httpGet(listener, '/metrics?x=1')).toMatchObject({ status: 200, text: 'millrace_up 1\n' });
    const page = await httpGet(listener, '/');
    expect(page.text).toContain('Millrace 1.2.3');
    expect(page.text).toContain(`new WebSocket('ws://${listener.authority}/'`);
    expect(await httpGet(listener, '/nothing')).toMatchObject({ status: 404 });
  });

  it('answers /readyz with 503 and the reason until the broker serves', async () => {
    let reason: string | undefined = 'recovering 3 partitions';
    const service = {
      version: '1',
      notReady: () => reason,
      metrics: async () => ({ contentType: 'text/plain', body: '' }),
    };
    const listener = await startListener({ service });
    expect(await httpGet(listener, '/readyz')).toMatchObject({ status: 503, text: 'recovering 3 partitions\n' });
    reason = undefined;
    expect(await httpGet(listener, '/readyz')).toMatchObject({ status: 200 });
  });

  it('refuses other methods with 405 and bodies with 413', async () => {
    const listener = await startListener();
    const posted = await httpGet(listener, '/', { method: 'POST', body: 'x' });
    expect(posted.status).toBe(405);
    expect(posted.headers.get('allow')).toBe('GET, HEAD');
    const raw = await RawClient.open(listener);
    raw.socket.write('GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello');
    await raw.until('a request body is not accepted');
    expect(raw.received.toString()).toContain('413');
  });

  it('answers 500 and lives when the metrics fail', async () => {
    const service = {
      version: '1',
      notReady: () => undefined,
      metrics: () => Promise.reject(new Error('no metrics')),
    };
    const listener = await startListener({ service });
    expect(await httpGet(listener, '/metrics')).toMatchObject({ status: 500, text: 'internal error\n' });
    expect(await httpGet(listener, '/healthz')).toMatchObject({ status: 200 });
  });

  it('refuses a rebound host name and a foreign origin with 403', async () => {
    const listener = await startListener();
    expect((await httpGet(listener, '/metrics', { headers: { origin: 'https://evil.example' } })).status).toBe(403);
    const raw = await RawClient.open(listener);
    raw.socket.write('GET /metrics HTTP/1.1\r\nHost: evil.example:8092\r\n\r\n');
    await raw.until('loopback only');
    expect(raw.received.toString()).toContain('403');
  });
});

describe('upgrade', () => {
  async function refusal(headers: Readonly<Record<string, string>>, options = {}): Promise<string> {
    const listener = await startListener(options);
    const raw = await RawClient.open(listener);
    raw.socket.write(upgradeRequest(headers));
    await raw.closed;
    return raw.received.toString();
  }

  it('refuses a foreign origin with 403 before any WebSocket exists', async () => {
    expect(await refusal({ Origin: 'https://evil.example' })).toMatch(/^HTTP\/1.1 403 Forbidden[\s\S]*--allow-origin/);
  });

  it('lets a listed origin in', async () => {
    const listener = await startListener({ allowOrigins: ['https://app.example'] });
    const raw = await RawClient.open(listener);
    raw.socket.write(upgradeRequest({ Origin: 'https://app.example', 'Sec-WebSocket-Protocol': 'kafka' }));
    await raw.until('101 Switching Protocols');
    raw.socket.destroy();
  });

  it('refuses an unknown subprotocol with 400 and names those there are', async () => {
    expect(await refusal({ 'Sec-WebSocket-Protocol': 'mqtt, chat' })).toMatch(/^HTTP\/1.1 400[\s\S]*use kafka, json/);
  });

  it('serves a frame that came in one packet with the handshake', async () => {
    const listener = await startListener();
    const raw = await RawClient.open(listener);
    const request = Buffer.from(upgradeRequest({ 'Sec-WebSocket-Protocol': 'kafka' }));
    raw.socket.write(Buffer.concat([request, clientFrame(new TextEncoder().encode('eager'))]));
    await raw.until('eager');
    raw.socket.destroy();
  });

  it('takes the first subprotocol it knows', async () => {
    const listener = await startListener();
    const raw = await RawClient.open(listener);
    raw.socket.write(upgradeRequest({ 'Sec-WebSocket-Protocol': 'mqtt, kafka, json' }));
    await raw.until('\r\n\r\n');
    expect(raw.received.toString()).toContain('Sec-WebSocket-Protocol: kafka');
    raw.socket.destroy();
  });

  it('answers 426 to another protocol and 404 to another path', async () => {
    expect(await refusal({ Upgrade: 'h2c' })).toMatch(/^HTTP\/1.1 426 Upgrade Required[\s\S]*upgrade: websocket/);
    const listener = await startListener();
    const raw = await RawClient.open(listener);
    raw.socket.write(upgradeRequest({ 'Sec-WebSocket-Protocol': 'kafka' }).replace('GET / ', 'GET /elsewhere '));
    await raw.closed;
    expect(raw.received.toString()).toMatch(/^HTTP\/1.1 404/);
  });

  it('answers 426 where a proxy took the Upgrade header', async () => {
    const listener = await startListener();
    const { status, text } = await httpGet(listener, '/', {
      headers: { 'sec-websocket-key': 'AAAAAAAAAAAAAAAAAAAAAA==' },
    });
    expect(status).toBe(426);
    expect(text).toContain('proxy');
  });

  it('answers 503 above max.connections and serves again when one has gone', async () => {
    const listener = await startListener({ connectionsMax: 2 });
    const first = await EchoClient.open(listener);
    await EchoClient.open(listener);
    await expect(EchoClient.open(listener)).rejects.toThrow('503');
    expect(await httpGet(listener, '/healthz')).toMatchObject({ status: 200 });
    first.close();
    await first.closed;
    await (await EchoClient.open(listener)).ask('served');
  });
});

describe('listening', () => {
  it('reports the port it got, and says that a port is taken with ERR_LISTEN', async () => {
    const listener = await startListener();
    expect(listener.port).toBeGreaterThan(0);
    const again = listenHttp({
      host: '127.0.0.1',
      port: listener.port,
      handler: echoHandler,
      logger: silentLogger,
      service: { version: '1', notReady: () => undefined, metrics: async () => ({ contentType: '', body: '' }) },
    });
    const fault = await again.catch((error: unknown) => error);
    expect(fault).toBeInstanceOf(LogFault);
    expect(fault).toMatchObject({ code: 'ERR_LISTEN', message: expect.stringContaining('port is taken') });
  });

  it('listens on IPv6 and writes its address as a URL needs it', async () => {
    const listener = await startListener({ host: '[::1]' });
    expect(listener.authority).toBe(`[::1]:${listener.port}`);
    const client = await EchoClient.open(listener);
    expect(await client.ask('six')).toEqual(Buffer.from('six'));
  });

  it('tells the handler by which host and port the client reached it', async () => {
    const seen: string[] = [];
    const listener = await startListener({
      handler: {
        handle(_frame, context) {
          seen.push(`${context.listener} ${context.localHost} ${context.localPort} ${context.clientHost}`);
          return Promise.resolve(bytesResponse(1));
        },
        whenWritable: () => undefined,
      },
    });
    await (await EchoClient.open(listener)).ask('x');
    expect(seen).toEqual([`HTTP 127.0.0.1 ${listener.port} 127.0.0.1`]);
  });

  it('answers what is in flight and closes with 1001 when it ends', async () => {
    const listener = await startListener({
      handler: {
        handle: (_frame, { closed }) =>
          new Promise((resolve) => {
            closed.addEventListener('abort', () => resolve(bytesResponse(3)));
          }),
        whenWritable: () => undefined,
      },
    });
    const client = await EchoClient.open(listener);
    const longPoll = client.ask('answered when the connection is to end');
    const pong = new Promise((resolve) => client.webSocket.once('pong', resolve));
    client.webSocket.ping();
    await pong;
    const closing = listener.close(2000);
    expect(await longPoll).toHaveLength(3);
    expect(await client.closed).toEqual({ code: 1001, reason: 'the broker is shutting down' });
    await closing;
    await expect(EchoClient.open(listener)).rejects.toThrow();
  });

  it('notices that a client has gone while its long poll waits and another is behind it', async () => {
    let given: (reason: string) => void = () => undefined;
    const givenUp = new Promise<string>((resolve) => {
      given = resolve;
    });
    const listener = await startListener({
      handler: {
        handle: (_frame, { closed }) =>
          new Promise((resolve) => {
            closed.addEventListener('abort', () => {
              given('given up');
              resolve(bytesResponse(1));
            });
          }),
        whenWritable: () => undefined,
      },
    });
    const raw = await RawClient.open(listener);
    await raw.upgrade();
    const fetch = Uint8Array.from([0, 1, 0, 12]);
    raw.socket.write(Buffer.concat([clientFrame(fetch), clientFrame(fetch)]));
    raw.socket.end();
    expect(await givenUp).toBe('given up');
    await raw.closed;
  });

  it('ends by force at the deadline when a client does not follow', async () => {
    const listener = await startListener();
    const raw = await RawClient.open(listener);
    await raw.upgrade();
    await Promise.all([listener.close(50), raw.closed]);
    expect(listener.webSockets.connectionCount).toBe(0);
  });
});
