// The metrics of a broker in a process of Deno or Bun, by the same counters as Node's: both runtimes have what those look
// at. prom-client is loaded when somebody scrapes.

import type { BrokerMetrics } from './node/metrics.ts';
import { RequestTally } from './node/metrics-tally.ts';
import type { HostMetrics } from './web/served-broker.ts';

export function createProcessMetrics(version: string): HostMetrics {
  const tally = new RequestTally();
  let opened: Promise<BrokerMetrics> | undefined;
  return {
    observer: tally,
    scrape: async (broker) => {
      opened ??= import('./node/metrics.ts').then(
        ({ BrokerMetrics }) =>
          new BrokerMetrics(version, tally, {
            partitions: () => broker.broker?.partitions() ?? [],
            queueLengths: () => broker.queueLengths(),
            connections: () => {
              const { size, acceptedCount, memory } = broker.connections;
              return { open: size, accepted: acceptedCount, requestBytesHeld: memory.used };
            },
          }),
      );
      return (await opened).scrape();
    },
    close: async () => (await opened)?.close(),
  };
}
