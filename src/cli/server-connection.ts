// How the command reaches a broker.

import type { Client } from '../client/index.ts';
import { LogFault } from '../core/fault.ts';
import { connect } from '../platform/node/connect.ts';

/** Connects to `ws://HOST:PORT` (`HOST:PORT` alone will do) or `kafka://HOST:PORT`. Throws ERR_USAGE, ERR_CONNECTION, ERR_TIMEOUT. */
export async function connectToServer(server: string): Promise<Client> {
  return await connect({ url: parseServer(server), clientId: 'millrace-cli' });
}

function parseServer(server: string): string {
  const text = server.includes('://') ? server : `ws://${server}`;
  if (!URL.canParse(text) || !/^(wss?|kafka):/.test(text)) {
    throw new LogFault('ERR_USAGE', `--server takes ws://, wss:// or kafka://HOST:PORT, not ${server}`);
  }
  return text;
}
