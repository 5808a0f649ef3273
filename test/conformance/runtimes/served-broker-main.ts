// A broker in a process of its own, for tests that kill it: opened as the argument says, ready with one line of JSON, closed
// by SIGTERM with another.

import type { OpenBroker, OpenBrokerOptions } from '../../../src/platform/web/served-broker.ts';

export type ServedBrokerOptions = Omit<OpenBrokerOptions, 'logger'>;

export interface BrokerRuntime {
  openBroker(options: OpenBrokerOptions): Promise<OpenBroker>;
  whenSignalled(): Promise<unknown>;
}

export async function serveBroker({ openBroker, whenSignalled }: BrokerRuntime, argument: string): Promise<void> {
  const options: ServedBrokerOptions = JSON.parse(argument);
  const signalled = whenSignalled();
  const say =
    (level: string) =>
    (message: string, fields: object = {}) =>
      console.error(JSON.stringify({ level, message, ...fields }));
  const logger = { debug: () => undefined, info: () => undefined, warn: say('warn'), error: say('error') };
  const broker = await openBroker({ ...options, logger });
  console.log(JSON.stringify({ url: broker.url, http: broker.httpAddress, kafka: broker.kafkaAddress }));
  await signalled;
  await broker.close();
  console.log(JSON.stringify({ closed: true }));
}
