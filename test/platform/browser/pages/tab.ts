// A page that tests drive from outside: what it can do hangs at `tab`.

import { type BrowserBroker, type OpenBrokerOptions, openBroker } from '../../../../src/platform/browser/index.ts';

const CHUNK = 1000;

class Tab {
  #broker: BrowserBroker | undefined;
  readonly collected: string[] = [];

  async open(options: OpenBrokerOptions): Promise<string> {
    this.#broker = await openBroker({
      ...options,
      onUplink: (status) => console.info(`uplink ${JSON.stringify(status)}`),
    });
    return this.#broker.storage;
  }

  get #opened(): BrowserBroker {
    if (this.#broker === undefined) throw new Error('the tab has no broker open');
    return this.#broker;
  }

  isLeader(): boolean {
    return this.#opened.isLeader;
  }

  close(): Promise<void> {
    return this.#opened.close();
  }

  /** Produces numbers, and resolves when all are acknowledged. */
  async produce(topic: string, from: number, end: number): Promise<void> {
    const producer = this.#opened.client().producer();
    for (let at = from; at < end; at += CHUNK) {
      const count = Math.min(CHUNK, end - at);
      const messages = Array.from({ length: count }, (_, index) => ({ value: String(at + index) }));
      await producer.send({ topic, messages });
    }
    await producer.close();
  }

  /** Produces numbers without end, a few at a time, and says in the console up to which they are acknowledged. */
  async produceOn(topic: string, from: number): Promise<void> {
    const producer = this.#opened.client().producer({ lingerMs: 0 });
    for (let at = from; ; at += 3) {
      await producer.send({ topic, messages: [0, 1, 2].map((index) => ({ value: String(at + index) })) });
      console.info(`acked ${at + 2}`);
    }
  }

  /** Every value of the topic, in order. */
  async values(topic: string): Promise<string[]> {
    const client = this.#opened.client();
    const consumer = client.consumer();
    await consumer.assign([{ topic, from: 'beginning' }]);
    const values: string[] = [];
    for await (const record of consumer.records({ untilEnd: true })) values.push(record.text());
    await consumer.close();
    client.close();
    return values;
  }

  /** Collects what comes, from the beginning on. */
  async collect(topic: string): Promise<void> {
    const consumer = this.#opened.client().consumer();
    await consumer.assign([{ topic, from: 'beginning' }]);
    consumer
      .run({
        eachBatch: ({ batch }) => {
          for (const record of batch.records) this.collected.push(record.text());
          console.info(`collected ${this.collected.length}`);
        },
      })
      .catch((error: unknown) => console.error(String(error)));
  }
}

Object.assign(globalThis, { tab: new Tab() });
console.info('loaded');
