// The client in a Bun process: with Bun's own WebSocket, and WebAssembly and codecs from the package's own files.

import { type Client, type ConnectOptions, connect as connectClient } from '../../client/index.ts';
import { bunHost } from './host.ts';

/**
 * Connects to a broker. Resolves when it has answered. Options as in `millrace/client`; `wasm` and `codecs` have defaults
 * that fit Bun: every codec of Kafka's. Throws LogFault ERR_CONNECTION, ERR_TIMEOUT, ERR_UNSUPPORTED, ERR_USAGE.
 */
export function connect(target: string | ConnectOptions): Promise<Client> {
  const options = typeof target === 'string' ? { url: target } : target;
  const host = bunHost();
  return connectClient({ wasm: host.loadWasm('plain'), codecs: host.createClientCodecs(), ...options });
}
