// The broker with worker threads, loaded when it is started: who embeds one without threads does not pay for them.

import type { RunningBroker, StartBrokerOptions } from './broker.ts';

/**
 * Starts a broker with worker threads over a data directory, as `millrace start` does, and resolves when it serves.
 * HTTP answers from the beginning, `/readyz` with 503 until then.
 * @throws LogFault ERR_CONFIG, ERR_LISTEN, ERR_DATA_DIRECTORY_LOCKED, ERR_DATA_DIRECTORY_UNREADABLE, ERR_STORAGE
 */
export async function startBroker(options: StartBrokerOptions): Promise<RunningBroker> {
  const broker = await import('./broker.ts');
  return broker.startBroker(options);
}
