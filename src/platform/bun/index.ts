// The public entry for Bun, and nothing else.

/**
 * Millrace in Bun: a broker on Bun's own files, sockets and workers, and the client.
 *
 *     import { openBroker, whenSignalled } from 'millrace/bun';
 *
 *     const signal = whenSignalled();
 *     const broker = await openBroker({ directory: './data', http: { port: 8092 }, kafka: { port: 9092 }, workers: 1 });
 *     console.log(broker.url, broker.kafkaAddress);
 *     await signal;
 *     await broker.close();
 *
 * @module
 */

import { type OpenBroker, type OpenBrokerOptions, openServedBroker } from '../web/served-broker.ts';
import { bunHost } from './host.ts';

export * from '../../client/index.ts';
export type { LogFields, Logger } from '../../core/logger.ts';
export type { OpenAddress, OpenBroker, OpenBrokerOptions } from '../web/served-broker.ts';
export { connect } from './connect.ts';

/**
 * Opens a broker in this process, and resolves when it serves. Throws LogFault ERR_CONFIG, ERR_LISTEN,
 * ERR_DATA_DIRECTORY_LOCKED, ERR_DATA_DIRECTORY_UNREADABLE, ERR_STORAGE, ERR_USAGE.
 */
export function openBroker(options: OpenBrokerOptions = {}): Promise<OpenBroker> {
  return openServedBroker(bunHost(), options);
}

/** Resolves at the first SIGINT or SIGTERM, with its name; a second one ends the process as it always does. */
export function whenSignalled(): Promise<'SIGINT' | 'SIGTERM'> {
  return new Promise((resolve) => {
    const listener = (signal: NodeJS.Signals): void => {
      process.off('SIGINT', listener);
      process.off('SIGTERM', listener);
      resolve(signal === 'SIGINT' ? 'SIGINT' : 'SIGTERM');
    };
    process.on('SIGINT', listener);
    process.on('SIGTERM', listener);
  });
}
