// One broker process for the suites of a client, with quick groups, and small helpers that every suite needs.

import { afterAll, beforeAll } from 'vitest';
import { BrokerProcess, temporaryDirectory } from '../support/broker-process.ts';
import { freePort } from '../support/free-port.ts';

/** Kafka's habit is to wait seconds for members that start together, and between heartbeats; tests have little time. */
export const QUICK_GROUPS: readonly string[] = [
  'group.initial.rebalance.delay.ms=0',
  'group.min.session.timeout.ms=1000',
  'offsets.topic.num.partitions=4',
];

export interface ClientBroker {
  /** `HOST:PORT` of the Kafka listener. */
  readonly kafka: string;
  /** `HOST:PORT` of WebSocket and HTTP. */
  readonly http: string;
  /** Ends the process by SIGKILL and starts another one on the same data and ports. */
  killAndRestart(): Promise<void>;
}

/** Starts a broker before the tests of the file, and ends it after them. */
export function useBroker(
  label: string,
  { configuration = [], kafka }: { readonly configuration?: readonly string[]; readonly kafka?: string } = {},
): ClientBroker {
  const directory = temporaryDirectory(label);
  const settings = configuration.flatMap((entry) => ['--set', entry]);
  let broker: BrokerProcess | undefined;
  beforeAll(async () => {
    // Ports that are still free when the broker comes back to them.
    const address = { kafka: kafka ?? `127.0.0.1:${await freePort()}`, http: `127.0.0.1:${await freePort()}` };
    broker = await BrokerProcess.start({ dataDirectory: directory.path, arguments: settings, ...address });
  });
  afterAll(async () => {
    await broker?.stop('SIGTERM');
    directory.remove();
  });
  const running = (): BrokerProcess => {
    if (broker === undefined) throw new Error('the broker has not started');
    return broker;
  };
  return {
    get kafka() {
      return running().kafka;
    },
    get http() {
      return running().address;
    },
    async killAndRestart() {
      const before = running();
      const { address: http, kafka } = before;
      await before.stop('SIGKILL');
      broker = await BrokerProcess.start({ dataDirectory: directory.path, arguments: settings, kafka, http });
    },
  };
}

/** Names that no other test of the run uses. */
export class Names {
  readonly #label: string;
  #count = 0;

  constructor(label: string) {
    this.#label = label;
  }

  next(): string {
    this.#count += 1;
    return `${this.#label}-${this.#count}`;
  }
}

/** Collects values until a condition holds of them. */
export class Collector<Value> {
  readonly values: Value[] = [];
  #watchers: { readonly holds: (values: readonly Value[]) => boolean; readonly resolve: () => void }[] = [];

  add(value: Value): void {
    this.values.push(value);
    const met = this.#watchers.filter(({ holds }) => holds(this.values));
    this.#watchers = this.#watchers.filter((watcher) => !met.includes(watcher));
    for (const { resolve } of met) resolve();
  }

  /** Resolves with the values when the condition holds. */
  until(holds: (values: readonly Value[]) => boolean): Promise<readonly Value[]> {
    if (holds(this.values)) return Promise.resolve(this.values);
    return new Promise((resolve) => {
      this.#watchers.push({ holds, resolve: () => resolve(this.values) });
    });
  }

  /** Resolves when there are so many. */
  count(count: number): Promise<readonly Value[]> {
    return this.until((values) => values.length >= count);
  }
}
