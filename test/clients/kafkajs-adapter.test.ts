// The adapter of kafkajs itself: what it does with bytes, ends and runtimes, over a WebSocket that the test plays.

import { describe, expect, it } from 'vitest';
import type { WebSocketLike } from '../../src/client/web-socket-transport.ts';
import { type WebSocketFactoryOptions, webSocketFactory } from '../../src/net/kafkajs.ts';

type Listener = (event: { readonly data: unknown; readonly code: number; readonly reason: string }) => void;

class PlayedWebSocket implements WebSocketLike {
  binaryType = 'blob';
  bufferedAmount = 0;
  readonly url: string;
  readonly protocols: string;
  readonly sent: string[] = [];
  isClosed = false;
  readonly #listeners = new Map<string, Listener>();

  constructor(url: string, protocols: string) {
    this.url = url;
    this.protocols = protocols;
  }

  send(data: Uint8Array): void {
    this.sent.push(Buffer.from(data).toString());
  }

  close(): void {
    this.isClosed = true;
  }

  addEventListener(type: string, listener: Listener): void {
    this.#listeners.set(type, listener);
  }

  play(type: string, event: Partial<Parameters<Listener>[0]> = {}): void {
    this.#listeners.get(type)?.({ data: undefined, code: 1006, reason: '', ...event });
  }
}

function open(
  given: { readonly ssl?: boolean; readonly host?: string; readonly options?: WebSocketFactoryOptions } = {},
) {
  const made: PlayedWebSocket[] = [];
  class Recorded extends PlayedWebSocket {
    constructor(url: string, protocols: string) {
      super(url, protocols);
      made.push(this);
    }
  }
  const seen: string[] = [];
  const factory = webSocketFactory({ webSocket: Recorded, ...given.options });
  const { host = 'broker.example', ssl = false } = given;
  const socket = factory({ host, port: 8092, ssl, onConnect: () => seen.push('connect') });
  socket
    .on('data', (data) => seen.push(`data ${Buffer.isBuffer(data)} ${Buffer.from(data).toString('hex')}`))
    .on('end', () => seen.push('end'))
    .on('timeout', () => seen.push('timeout'))
    .on('error', (error) => seen.push(`error ${error.message}`));
  const [webSocket] = made;
  if (webSocket === undefined) throw new Error('no WebSocket was made');
  return { socket, webSocket, seen };
}

function frame(text: string): Buffer {
  const length = Buffer.alloc(4);
  length.writeInt32BE(text.length);
  return Buffer.concat([length, Buffer.from(text)]);
}

describe('the WebSocket socket of kafkajs', () => {
  it.each([
    [{}, 'ws://broker.example:8092/'],
    [{ ssl: true }, 'wss://broker.example:8092/'],
    [{ host: '::1' }, 'ws://[::1]:8092/'],
    [{ options: { url: (host: string) => `wss://proxy.example/${host}` } }, 'wss://proxy.example/broker.example'],
  ])('goes where it is told: %o', (given, url) => {
    const { webSocket } = open(given);
    expect([webSocket.url, webSocket.protocols, webSocket.binaryType]).toEqual([url, 'kafka', 'arraybuffer']);
  });

  it('takes the length from what goes, however it is cut, and puts it before what comes', () => {
    const { socket, webSocket, seen } = open();
    webSocket.play('open');
    const bytes = Buffer.concat([frame('first'), frame('second')]);
    for (const [start, end] of [
      [0, 3],
      [3, 11],
      [11, bytes.length],
    ]) {
      socket.write(bytes.subarray(start, end), 'binary');
    }
    expect(webSocket.sent).toEqual(['first', 'second']);
    webSocket.play('message', { data: Uint8Array.of(1, 2, 3).buffer });
    expect(seen).toEqual(['connect', 'data true 00000003010203']);
  });

  it('ends once when the broker closes, without an error', () => {
    const { webSocket, seen } = open();
    webSocket.play('open');
    webSocket.play('close', { code: 1001, reason: 'the broker is shutting down' });
    webSocket.play('message', { data: new ArrayBuffer(1) });
    expect(seen).toEqual(['connect', 'end']);
  });

  it('says why it could not connect', () => {
    const refused = open();
    refused.webSocket.play('close', { code: 1008, reason: 'too many connections' });
    expect(refused.seen).toEqual([
      'error ws://broker.example:8092/ closed the connection (1008: too many connections)',
      'end',
    ]);
    const unreachable = open();
    unreachable.webSocket.play('error');
    unreachable.webSocket.play('close');
    expect(unreachable.seen).toEqual(['error cannot reach ws://broker.example:8092/', 'end']);
  });

  it('takes no text for frames, and sends nothing after its end', () => {
    const { socket, webSocket, seen } = open();
    webSocket.play('open');
    webSocket.play('message', { data: '{}' });
    socket.write(frame('late'));
    expect(seen.at(1)).toMatch(/^error the server sent text/);
    expect([webSocket.sent, webSocket.isClosed]).toEqual([[], true]);
  });

  it('says what the runtime lacks', () => {
    const factory = webSocketFactory();
    const given = { host: 'h', port: 1, onConnect: () => undefined };
    if (!('WebSocket' in globalThis)) expect(() => factory(given)).toThrow(/has no WebSocket/);
    const own = webSocketFactory({ webSocket: PlayedWebSocket, Buffer: { from: (memory) => new Uint8Array(memory) } });
    expect(own(given).unref()).toBeDefined();
  });
});
