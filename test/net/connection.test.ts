import { describe, expect, it } from 'vitest';
import { LogFault } from '../../src/core/fault.ts';
import { RequestMemory } from '../../src/net/request-memory.ts';
import { openConnection, settled } from './fake-transport.ts';

/** The first bytes of a Fetch request. */
const FETCH = '\u0000\u0001';

describe('order', () => {
  it('sends responses in the order of the requests, whichever is ready first', async () => {
    const { transport, handler, receive } = openConnection();
    for (const text of ['a', 'b', 'c']) receive(text);
    handler.answer(2);
    handler.answer(1);
    await settled();
    expect(transport.texts()).toEqual([]);
    handler.answer(0);
    await settled();
    expect(transport.texts()).toEqual(['re:a', 're:b', 're:c']);
  });

  it('leaves out requests that have no response', async () => {
    const { transport, handler, receive } = openConnection();
    for (const text of ['a', 'b', 'c']) receive(text);
    handler.requests[1]?.resolve(undefined);
    handler.answer(2);
    handler.answer(0);
    await settled();
    expect(transport.texts()).toEqual(['re:a', 're:c']);
  });

  it('keeps the order over many requests that finish at random', async () => {
    const { transport, handler, receive } = openConnection({ limits: { outboundBytesHigh: 1_000_000 } });
    const sent = Array.from({ length: 500 }, (_, index) => `request ${index}`);
    for (const text of sent) receive(text);
    let answered = 0;
    let state = 42;
    while (answered < sent.length) {
      const open = handler.requests.map((_, index) => index).slice(answered);
      expect(open.length).toBeLessThanOrEqual(4);
      for (let i = open.length - 1; i > 0; i--) {
        state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
        const other = state % (i + 1);
        [open[i], open[other]] = [open[other] ?? 0, open[i] ?? 0];
      }
      for (const index of open) handler.answer(index);
      answered += open.length;
      await settled();
    }
    expect(transport.texts()).toEqual(sent.map((text) => `re:${text}`));
  });
});

describe('bounds', () => {
  it('handles no more than the requests allowed in flight, pauses reading, and goes on', async () => {
    const { transport, handler, receive } = openConnection();
    for (const text of ['a', 'b', 'c', 'd', 'e', 'f']) receive(text);
    expect(handler.texts).toEqual(['a', 'b', 'c', 'd']);
    expect(transport.isPaused).toBe(true);
    handler.answer(0);
    await settled();
    expect(handler.texts).toEqual(['a', 'b', 'c', 'd', 'e']);
    expect(transport.isPaused).toBe(true);
    for (let index = 1; index < 5; index++) handler.answer(index);
    await settled();
    handler.answer(5);
    await settled();
    expect(transport.isPaused).toBe(false);
    expect(transport.sent).toHaveLength(6);
  });

  it('reads on while few bytes wait, and keeps their order', async () => {
    const { transport, handler, receive } = openConnection({ limits: { waitingBytesMax: 10, requestsInFlightMax: 1 } });
    for (const text of ['a', 'bbbb', 'cccc']) receive(text);
    expect(handler.texts).toEqual(['a']);
    expect(transport.isPaused).toBe(false);
    receive('dddd');
    expect(transport.isPaused).toBe(true);
    for (let index = 0; index < 4; index++) {
      handler.answer(index);
      await settled();
    }
    expect(transport.texts()).toEqual(['re:a', 're:bbbb', 're:cccc', 're:dddd']);
    expect(transport.isPaused).toBe(false);
  });

  it('holds back requests beyond the bytes in flight, but never a lone one', async () => {
    const { handler, receive } = openConnection();
    receive('x'.repeat(5000));
    receive('y');
    expect(handler.requests).toHaveLength(1);
    handler.answer(0, 'ok');
    await settled();
    expect(handler.requests).toHaveLength(2);
  });

  it('handles one fetch at a time', async () => {
    const { handler, receive } = openConnection();
    receive(`${FETCH}first`);
    receive(`${FETCH}second`);
    expect(handler.requests).toHaveLength(1);
    handler.answer(0);
    await settled();
    expect(handler.requests).toHaveLength(2);
  });

  it('handles nothing more while answers are not read, and goes on when they are', async () => {
    const { transport, connection, handler, receive } = openConnection();
    transport.readsAtOnce = false;
    receive('a');
    handler.answer(0, 'z'.repeat(200));
    await settled();
    receive('b');
    receive('c');
    expect(handler.requests).toHaveLength(1);
    expect(transport.isPaused).toBe(true);
    transport.read();
    connection.onDrain();
    expect(handler.requests).toHaveLength(3);
    expect(transport.isPaused).toBe(false);
  });

  it('counts finished answers that wait for an earlier one as unsent', async () => {
    const { handler, receive } = openConnection();
    receive('slow');
    receive('large');
    handler.answer(1, 'z'.repeat(200));
    await settled();
    receive('next');
    expect(handler.texts).toEqual(['slow', 'large']);
    handler.answer(0);
    await settled();
    expect(handler.texts).toEqual(['slow', 'large', 'next']);
  });

  it('waits for the handler to be writable', async () => {
    const { transport, handler, receive } = openConnection();
    let release = (): void => undefined;
    handler.writable = new Promise((resolve) => {
      release = resolve;
    });
    receive('a');
    receive('b');
    expect(handler.requests).toHaveLength(0);
    expect(transport.isPaused).toBe(true);
    handler.writable = undefined;
    release();
    await settled();
    expect(handler.texts).toEqual(['a', 'b']);
    expect(transport.isPaused).toBe(false);
  });

  it('pauses every connection while the listener holds too many request bytes', async () => {
    const memory = new RequestMemory(100);
    const busy = openConnection({ memory });
    const other = openConnection({ memory });
    busy.receive('x'.repeat(120));
    expect(busy.transport.isPaused).toBe(true);
    other.receive('a');
    expect(other.transport.isPaused).toBe(true);
    busy.handler.answer(0, 'ok');
    await settled();
    expect(busy.transport.isPaused).toBe(false);
    expect(other.transport.isPaused).toBe(false);
    other.handler.answer(0, 'ok');
    await settled();
    expect(memory.used).toBe(0);
  });

  it('evicts the connection that parks most when parked bytes fill the account', () => {
    const memory = new RequestMemory(100);
    const greedy = openConnection({ memory });
    const modest = openConnection({ memory });
    greedy.transport.partialBytes = 60;
    memory.take(60);
    modest.transport.partialBytes = 10;
    memory.take(10);
    expect(greedy.transport.isTerminated).toBe(false);
    memory.take(30);
    expect(greedy.transport.isTerminated).toBe(true);
    expect(modest.transport.isTerminated).toBe(false);
  });
});

describe('ends', () => {
  it('closes with 1007 and the reason for a malformed frame, after the answers before it', async () => {
    const { transport, lifetime, handler, receive } = openConnection();
    receive('good');
    receive('bad');
    handler.requests[1]?.reject(new LogFault('ERR_MALFORMED_FRAME', 'topic name is cut off'));
    await settled();
    expect(transport.closed).toBeUndefined();
    handler.answer(0);
    await settled();
    expect(transport.texts()).toEqual(['re:good']);
    expect(transport.closed).toEqual({ code: 1007, reason: 'topic name is cut off' });
    expect(lifetime.signal.aborted).toBe(true);
  });

  it('tells the client of an unsupported request with 1008', async () => {
    const { transport, handler, receive } = openConnection();
    receive('a');
    handler.requests[0]?.reject(new LogFault('ERR_UNSUPPORTED', 'API key 99 is not served'));
    await settled();
    expect(transport.closed).toEqual({ code: 1008, reason: 'API key 99 is not served' });
  });

  it('closes with 1011 and without details when the handler fails', async () => {
    const { transport, handler, receive } = openConnection();
    receive('a');
    handler.requests[0]?.reject(new Error('secret'));
    await settled();
    expect(transport.closed).toEqual({ code: 1011, reason: 'internal error' });
  });

  it('gives its memory back when it ends with requests waiting and in flight', async () => {
    const { connection, handler, memory, receive } = openConnection();
    for (const text of ['a', 'b', 'c', 'd', 'e', 'f']) receive(text);
    expect(memory.used).toBe(6);
    connection.onClose();
    expect(memory.used).toBe(4);
    for (let index = 0; index < 4; index++) handler.answer(index);
    await settled();
    expect(memory.used).toBe(0);
    expect(handler.requests).toHaveLength(4);
  });

  it('is terminated when its answers are not read for too long, and not while they move', async () => {
    const { transport, connection, handler, receive } = openConnection();
    transport.readsAtOnce = false;
    receive('a');
    handler.answer(0);
    await settled();
    connection.onTick(0);
    connection.onTick(4000);
    transport.sentBytes += 1;
    connection.onTick(6000);
    connection.onTick(10_000);
    expect(transport.isTerminated).toBe(false);
    connection.onTick(11_000);
    expect(transport.isTerminated).toBe(true);
  });

  it('is closed when idle, and not while a request is in flight', async () => {
    const { transport, connection, handler, receive } = openConnection();
    receive('a');
    connection.onTick(0);
    connection.onTick(100_000);
    expect(transport.closed).toBeUndefined();
    handler.answer(0);
    await settled();
    connection.onTick(159_000);
    expect(transport.closed).toBeUndefined();
    connection.onTick(160_000);
    expect(transport.closed?.code).toBe(1001);
  });
});
