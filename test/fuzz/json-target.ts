// Hostile messages of the json subprotocol: built from what its requests may hold, then often damaged as values or as
// text. Whatever they are, each gets its answer, in order, and the session goes on.

import type { JsonGateway } from '../../src/net/json-gateway.ts';
import { JsonTester, type Message, makeGateway } from '../net/json-fixture.ts';
import { startMemoryBroker } from '../net/memory-broker.ts';
import { SeededRandom } from '../protocol/frame-fuzzer.ts';

const ODD_VALUES: readonly unknown[] = [
  null,
  true,
  0,
  -1,
  1.5,
  1e308,
  2 ** 53,
  '',
  'alpha',
  '__proto__',
  'x'.repeat(10_000),
  '\ud800',
  [],
  [[]],
  [null],
  {},
  { length: 5 },
  { toString: 1 },
];
const ENCODINGS: readonly unknown[] = ['text', 'json', 'base64', 'TEXT', 1];
const TOPICS: readonly string[] = ['alpha', 'beta', 'made-by-produce', 'bad name', 'missing'];

type Fields = Record<string, unknown>;

export class HostileMessages {
  readonly #random: SeededRandom;

  constructor(seed: number) {
    this.#random = new SeededRandom(seed);
  }

  next(): string {
    const random = this.#random;
    const message = this.#message();
    if (random.next(3) === 0) this.#damage(message);
    const text = JSON.stringify(message);
    return random.next(4) === 0 ? this.#damagedText(text) : text;
  }

  #message(): Fields {
    const random = this.#random;
    const topic = random.pick(TOPICS);
    const subscription = random.pick(['a', 'b', 'c']);
    const makers: readonly (() => Fields)[] = [
      () => ({
        op: 'create-topic',
        topic,
        partitions: 1 + random.next(3),
        configs: { 'retention.ms': random.next(100) },
      }),
      () => ({ op: 'list-topics' }),
      () => ({ op: 'describe-topic', topic }),
      () => ({ op: 'delete-topic', topic }),
      () => ({ op: 'produce', topic, ...this.#record() }),
      () => ({ op: 'produce', topic, acks: random.pick([0, 1, 'all']), records: [this.#record(), this.#record()] }),
      () => ({ op: 'subscribe', topic, subscription, from: this.#start(), credit: random.next(50) }),
      () => ({ op: 'unsubscribe', subscription }),
      () => ({ id: 1, op: 'credit', subscription, credit: 1 + random.next(100) }),
    ];
    return random.pick(makers)();
  }

  #record(): Fields {
    const random = this.#random;
    return {
      key: random.pick(['k', null, 5, { a: 1 }]),
      value: random.pick<unknown>(['v', null, 'dmFsdWU=', { deep: [1, { er: true }] }]),
      valueEncoding: random.pick(ENCODINGS),
      ...random.pick<Fields>([{}, { headers: { a: 'b' } }, { headers: { a: [null, { base64: '/w==' }] } }]),
      ...random.pick<Fields>([{}, { timestamp: 0 }, { timestamp: 1_750_000_000_000 }, { timestamp: '2025-01-01' }]),
    };
  }

  #start(): unknown {
    const random = this.#random;
    return random.pick<unknown>([
      'beginning',
      'end',
      { offset: random.next(3) },
      { offsets: { 0: 1 } },
      { timestamp: 5 },
    ]);
  }

  #damage(message: Fields): void {
    const random = this.#random;
    const names = Object.keys(message);
    for (let changes = 1 + random.next(2); changes > 0; changes--) {
      message[random.pick([...names, 'id', 'partition', 'credit', 'partitions'])] = random.pick(ODD_VALUES);
    }
  }

  #damagedText(text: string): string {
    const random = this.#random;
    const at = random.next(text.length);
    const inserted = random.pick(['', '"', '{', '}', '[', ',', '\u0000', '\\u', '9'.repeat(400), '['.repeat(5000)]);
    return text.slice(0, at) + inserted + text.slice(at + random.next(4));
  }
}

/** Sends messages over one session, waiting for all answers; returns how many came. Throws where the order is broken. */
export async function attackSession(gateway: JsonGateway, texts: readonly string[]): Promise<number> {
  const session = new JsonTester(gateway);
  for (const text of texts) session.send(text);
  session.send({ id: 'the last one', op: 'list-topics' });
  let answers = 0;
  for (;;) {
    const message: Message = await session.next();
    if (message.id === 'the last one') break;
    if (typeof message.ok === 'boolean') answers += 1;
    else if (message.op !== 'records' && message.op !== 'subscription-ended') throw new Error(JSON.stringify(message));
  }
  session.end();
  if (session.transport.closed !== undefined) throw new Error(`closed: ${session.transport.closed.reason}`);
  return answers;
}

export interface JsonFuzzReport {
  readonly messages: number;
  readonly answers: number;
}

/** Attacks a broker over one session after another until the time is over. */
export async function fuzzJson({
  seed,
  seconds,
}: {
  readonly seed: number;
  readonly seconds: number;
}): Promise<JsonFuzzReport> {
  const hostile = new HostileMessages(seed);
  const running = await startMemoryBroker();
  const gateway = makeGateway(running);
  const endMs = performance.now() + seconds * 1000;
  let messages = 0;
  let answers = 0;
  do {
    const texts = Array.from({ length: 50 }, () => hostile.next());
    answers += await attackSession(gateway, texts);
    messages += texts.length;
  } while (performance.now() < endMs);
  gateway.close();
  await running.close();
  return { messages, answers };
}
