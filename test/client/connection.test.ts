// Sessions and connections over a transport made of two arrays: negotiation, order, time, and coming back.

import { expect, test } from 'vitest';
import { Connection } from '../../src/client/connection.ts';
import { Session } from '../../src/client/session.ts';
import type { ClientTransport, TransportEvents, TransportOpener } from '../../src/client/transport.ts';
import { LogFault } from '../../src/core/fault.ts';
import type { Clock, Random } from '../../src/core/platform.ts';
import { readRequestHeader, writeResponseHeader } from '../../src/protocol/headers.ts';
import { metadata } from '../../src/protocol/messages/03-metadata.ts';
import { apiVersions } from '../../src/protocol/messages/18-api-versions.ts';
import { Reader } from '../../src/protocol/reader.ts';
import { joined, Writer } from '../../src/protocol/writer.ts';

const UNSUPPORTED_VERSION = 35;
const RANDOM: Random = { uint32: () => 0x80000000, uuid: () => new Uint8Array(16) };

/** A clock that stands still until it is told. */
class ManualClock implements Clock {
  #now = 0;
  readonly #tasks = new Set<{ readonly at: number; readonly task: () => void }>();
  now = (): number => this.#now;
  monotonic = (): number => this.#now;

  schedule(delayMs: number, task: () => void): { cancel(): void } {
    const entry = { at: this.#now + delayMs, task };
    this.#tasks.add(entry);
    return { cancel: () => void this.#tasks.delete(entry) };
  }

  advance(ms: number): void {
    const until = this.#now + ms;
    for (;;) {
      const [next] = [...this.#tasks].filter(({ at }) => at <= until).sort((left, right) => left.at - right.at);
      if (next === undefined) break;
      this.#tasks.delete(next);
      this.#now = next.at;
      next.task();
    }
    this.#now = until;
  }

  get waits(): number[] {
    return [...this.#tasks].map(({ at }) => at - this.#now);
  }
}

/** The far end: what was sent, and answers on demand. */
class FakePeer implements TransportOpener {
  readonly name = 'peer';
  readonly sent: Uint8Array[] = [];
  opened = 0;
  closed = 0;
  aborted = 0;
  /** What the next attempts to open meet. */
  refusals: LogFault[] = [];
  /** Newest ApiVersions that the peer understands. */
  apiVersionsMax = 4;
  #events: TransportEvents | undefined;

  async open(_address: undefined, events: TransportEvents): Promise<ClientTransport> {
    const refusal = this.refusals.shift();
    if (refusal !== undefined) throw refusal;
    this.opened++;
    this.#events = events;
    return {
      send: (parts) => this.#take(joined(parts)),
      whenWritable: () => undefined,
      close: () => {
        this.closed++;
      },
      abort: () => {
        this.closed++;
        this.aborted++;
      },
    };
  }

  #take(frame: Uint8Array): void {
    const header = readRequestHeader(new Reader(frame), (key) => (key === apiVersions.key ? apiVersions : metadata));
    if (header.apiKey !== apiVersions.key) {
      this.sent.push(frame);
      return;
    }
    const known = header.apiVersion <= this.apiVersionsMax;
    const ranges = [apiVersions, metadata].map(({ key }) => ({
      apiKey: key,
      minVersion: 0,
      maxVersion: key === apiVersions.key ? this.apiVersionsMax : 1,
    }));
    const body = { errorCode: known ? 0 : UNSUPPORTED_VERSION, apiKeys: ranges };
    const writer = new Writer();
    writeResponseHeader(writer, header.correlationId, 0);
    apiVersions.writeResponse(writer, body, known ? header.apiVersion : 0);
    const response = writer.finishFlat();
    queueMicrotask(() => this.#events?.onFrame(response));
  }

  /** Answers the request that was sent as number `index`. */
  answer(index: number, correlationId?: number): void {
    const request = readRequestHeader(new Reader(this.sent[index] ?? new Uint8Array(0)), () => metadata);
    const writer = new Writer();
    writeResponseHeader(writer, correlationId ?? request.correlationId, 0);
    metadata.writeResponse(writer, { brokers: [], topics: [], controllerId: index }, request.apiVersion);
    this.#events?.onFrame(writer.finishFlat());
  }

  lose(): void {
    this.#events?.onClose(new LogFault('ERR_CONNECTION', 'lost'));
  }
}

const ASK = { topics: null };

async function sessionWith(peer: FakePeer, clock = new ManualClock()): Promise<Session> {
  return await Session.open({ opener: peer, address: undefined, clientId: 'test', requestTimeoutMs: 1000, clock });
}

function connectionTo(peer: FakePeer, clock = new ManualClock(), inFlightMax = 100): Connection {
  const reconnect = { initialMs: 100, maxMs: 1000 };
  return new Connection(
    { opener: peer, clientId: 'test', requestTimeoutMs: 1000, inFlightMax, reconnect, clock, random: RANDOM },
    undefined,
  );
}

/** Lets every promise that can settle do so. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 50; turn++) await Promise.resolve();
}

test.each([0, 1, 3, 4])('a broker whose newest ApiVersions is %i is understood', async (version) => {
  const peer = new FakePeer();
  peer.apiVersionsMax = version;
  const session = await sessionWith(peer);
  expect(session.version(metadata)).toBe(1);
});

test('an API that both sides have in no common version is a fault that names both ranges', async () => {
  const session = await sessionWith(new FakePeer());
  const newer = { ...metadata, key: 999, name: 'Newer' };
  expect(() => session.version(Object.assign(Object.create(metadata), newer))).toThrow(
    expect.objectContaining({ code: 'ERR_UNSUPPORTED', message: expect.stringContaining('Newer') }),
  );
});

test('requests are pipelined, and each gets its own answer', async () => {
  const peer = new FakePeer();
  const session = await sessionWith(peer);
  const answers = [0, 1, 2].map(() => session.request(metadata, ASK));
  expect(peer.sent).toHaveLength(3);
  for (const index of [0, 1, 2]) peer.answer(index);
  expect((await Promise.all(answers)).map(({ controllerId }) => controllerId)).toEqual([0, 1, 2]);
  expect(session.inFlight).toBe(0);
});

test('an answer that belongs to no request ends the session', async () => {
  const peer = new FakePeer();
  const session = await sessionWith(peer);
  const asked = session.request(metadata, ASK);
  peer.answer(0, 4711);
  await expect(asked).rejects.toMatchObject({ code: 'ERR_MALFORMED_FRAME' });
  expect(session.ended).toBe(true);
  // Nothing of what may be sent again elsewhere leaves here any more.
  expect([peer.closed, peer.aborted]).toEqual([1, 1]);
});

test('a request that is not answered in time fails, and those behind it with it', async () => {
  const peer = new FakePeer();
  const clock = new ManualClock();
  const session = await sessionWith(peer, clock);
  const patient = session.request(metadata, ASK, { timeoutMs: 5000 });
  const late = session.request(metadata, ASK);
  clock.advance(900);
  expect(session.ended).toBe(false);
  clock.advance(200);
  await expect(late).rejects.toMatchObject({ code: 'ERR_TIMEOUT' });
  await expect(patient).rejects.toMatchObject({ code: 'ERR_CONNECTION' });
  expect(session.ended).toBe(true);
});

test('no timer is left when every request is answered', async () => {
  const peer = new FakePeer();
  const clock = new ManualClock();
  const session = await sessionWith(peer, clock);
  const asked = session.request(metadata, ASK);
  peer.answer(0);
  await asked;
  clock.advance(1000);
  expect(clock.waits).toEqual([]);
});

test('requests beyond the bound wait for an answer, in their order', async () => {
  const peer = new FakePeer();
  const connection = connectionTo(peer, new ManualClock(), 2);
  await connection.open();
  const answers = [0, 1, 2, 3].map(() => connection.request(metadata, ASK));
  await settle();
  expect(peer.sent).toHaveLength(2);
  peer.answer(0);
  await settle();
  expect(peer.sent).toHaveLength(3);
  peer.answer(1);
  peer.answer(2);
  await settle();
  peer.answer(3);
  expect((await Promise.all(answers)).map(({ controllerId }) => controllerId)).toEqual([0, 1, 2, 3]);
});

test('a lost connection fails what was under way and is opened again after a wait', async () => {
  const peer = new FakePeer();
  const clock = new ManualClock();
  const connection = connectionTo(peer, clock);
  await connection.open();
  const lost = connection.request(metadata, ASK);
  peer.lose();
  await expect(lost).rejects.toMatchObject({ code: 'ERR_CONNECTION' });
  const next = connection.request(metadata, ASK);
  await settle();
  expect(peer.opened).toBe(1);
  expect(clock.waits).toContain(100);
  clock.advance(100);
  await settle();
  expect(peer.opened).toBe(2);
  peer.answer(1);
  expect(await next).toMatchObject({ controllerId: 1 });
});

test('the wait doubles with every attempt that fails, up to its bound', async () => {
  const peer = new FakePeer();
  const clock = new ManualClock();
  const connection = connectionTo(peer, clock);
  peer.refusals = Array.from({ length: 6 }, () => new LogFault('ERR_CONNECTION', 'refused'));
  const waits: number[] = [];
  for (let attempt = 0; attempt < 6; attempt++) {
    const opened = connection.open();
    const failed = expect(opened).rejects.toMatchObject({ message: 'refused' });
    await settle();
    waits.push(...clock.waits);
    clock.advance(2000);
    await failed;
  }
  expect(waits).toEqual([100, 200, 400, 800, 1000]);
});

test('a connection that is closed stays closed', async () => {
  const peer = new FakePeer();
  const connection = connectionTo(peer);
  await connection.open();
  const underWay = connection.request(metadata, ASK);
  connection.close();
  await expect(underWay).rejects.toMatchObject({ code: 'ERR_CLOSED' });
  await expect(connection.request(metadata, ASK)).rejects.toMatchObject({ code: 'ERR_CLOSED' });
});

test('no request goes before one that was made while the connection was being opened', async () => {
  const peer = new FakePeer();
  const connection = connectionTo(peer);
  const asked: Promise<unknown>[] = [];
  // One in every microtask, so that some fall between the opening and the first request's turn.
  for (let index = 0; index < 40; index++) {
    asked.push(connection.request(metadata, { topics: [{ name: String(index) }] }));
    await Promise.resolve();
  }
  await settle();
  const names = peer.sent.map((frame) => {
    const reader = new Reader(frame);
    const { apiVersion } = readRequestHeader(reader, () => metadata);
    return metadata.decodeRequest(reader, apiVersion).topics?.map(({ name }) => name)[0];
  });
  expect(names).toEqual(asked.map((_, index) => String(index)));
  connection.close();
  for (const each of asked) await expect(each).rejects.toMatchObject({ code: 'ERR_CLOSED' });
});
