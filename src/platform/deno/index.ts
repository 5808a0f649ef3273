// The public entry for Deno, and nothing else.

/**
 * Millrace in Deno: a broker on Deno's own files, sockets and workers, and the client.
 *
 *     import { openBroker, whenSignalled } from 'millrace/deno';
 *
 *     const signal = whenSignalled();
 *     const broker = await openBroker({ directory: './data', http: { port: 8092 }, kafka: { port: 9092 }, workers: 1 });
 *     console.log(broker.url, broker.kafkaAddress);
 *     await signal;
 *     await broker.close();
 *     Deno.exit(); // Deno's own timers of WebSockets that broke would keep the process for half a minute
 *
 * Deno's permissions: net, read and write of the directory, read of the package, `sys=hostname` if it is to be known by
 * that name, and `env` for the codecs.
 *
 * @module
 */

import { type OpenBroker, type OpenBrokerOptions, openServedBroker } from '../web/served-broker.ts';
import { denoApi } from './deno-api.ts';
import { denoHost } from './host.ts';

export * from '../../client/index.ts';
export type { LogFields, Logger } from '../../core/logger.ts';
// Deno's own WebSocket leaves Nagle's algorithm on: a request of 1 KiB then takes 45 ms in place of 0.3.
export { connect } from '../node/connect.ts';
export type { OpenAddress, OpenBroker, OpenBrokerOptions } from '../web/served-broker.ts';

/**
 * Opens a broker in this process, and resolves when it serves. Throws LogFault ERR_CONFIG, ERR_LISTEN,
 * ERR_DATA_DIRECTORY_LOCKED, ERR_DATA_DIRECTORY_UNREADABLE, ERR_STORAGE, ERR_USAGE.
 */
export function openBroker(options: OpenBrokerOptions = {}): Promise<OpenBroker> {
  return openServedBroker(denoHost(), options);
}

/** Resolves at the first SIGINT or SIGTERM, with its name; a second one ends the process as it always does. */
export function whenSignalled(): Promise<'SIGINT' | 'SIGTERM'> {
  const deno = denoApi();
  return new Promise((resolve) => {
    const listeners = (['SIGINT', 'SIGTERM'] as const).map((signal) => {
      const listener = (): void => {
        for (const each of listeners) deno.removeSignalListener(each.signal, each.listener);
        resolve(signal);
      };
      deno.addSignalListener(signal, listener);
      return { signal, listener };
    });
  });
}
