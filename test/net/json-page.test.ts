import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { JsonGateway } from '../../src/net/json-gateway.ts';
import { JsonTester, type Message, makeGateway } from './json-fixture.ts';
import { type MemoryBroker, startMemoryBroker } from './memory-broker.ts';

const page = readFileSync(new URL('../../src/net/JSON.md', import.meta.url), 'utf8');

/** The lines `> ...` and `< ...` of the page's examples, in order. */
function exampleLines(): { readonly isRequest: boolean; readonly text: string }[] {
  return [...page.matchAll(/```json\n([\s\S]*?)```/g)].flatMap(([, block = '']) =>
    block
      .trim()
      .split('\n')
      .map((line) => ({ isRequest: line.startsWith('> '), text: line.slice(2) })),
  );
}

/** The example with "…" standing for any text. */
function expected(value: unknown): unknown {
  if (value === '…') return expect.any(String);
  if (Array.isArray(value)) return value.map(expected);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, expected(each)]));
}

/** Messages of records joined and split are the same to a client: each record by itself, with what was left then. */
function single(message: Message): Message[] {
  if (message.op !== 'records' || !Array.isArray(message.records)) return [message];
  const { records, credit } = message;
  return records.map((record, index) => ({
    ...message,
    records: [record],
    credit: Number(credit) + records.length - 1 - index,
  }));
}

describe('JSON.md', () => {
  let running: MemoryBroker;
  let gateway: JsonGateway;

  beforeAll(async () => {
    running = await startMemoryBroker();
    gateway = makeGateway(running);
  });

  afterAll(async () => {
    gateway.close();
    await running.close();
  });

  it('tells what the broker does, example by example', async () => {
    const session = new JsonTester(gateway);
    const lines = exampleLines();
    expect(lines.length).toBeGreaterThan(30);
    const received: Message[] = [];
    for (const { isRequest, text } of lines) {
      if (isRequest) {
        session.send(text);
        continue;
      }
      if (received.length === 0) received.push(...single(await session.next()));
      expect(received.shift(), text).toEqual(expected(JSON.parse(text)));
    }
    expect(received).toEqual([]);
    expect(session.waitingCount).toBe(0);
    session.end();
  });

  it('has an example of every operation', () => {
    const shown = new Set(exampleLines().flatMap(({ text }) => /"op": "([a-z-]+)"/.exec(text)?.[1] ?? []));
    const all = [
      'create-topic',
      'list-topics',
      'describe-topic',
      'delete-topic',
      'produce',
      'subscribe',
      'credit',
      'unsubscribe',
    ];
    for (const op of all) expect(shown, op).toContain(op);
  });
});
