// How the command reaches a broker: the client of this package over the WebSocket of the `ws` package.

import WebSocket from 'ws';
import { type Client, connect } from '../client/index.ts';
import { LogFault } from '../core/fault.ts';
import { REQUEST_BYTES_MAX } from '../core/limits.ts';
import { loadWasmModule } from '../platform/node/wasm-modules.ts';

const LOOPBACK = /^(localhost|127(\.\d+){3}|\[::1\])$/;
/** A response may be larger than any request: a fetch returns one batch whole, beside its own limit. */
const RESPONSE_BYTES_MAX = 2 * REQUEST_BYTES_MAX;

/** Connects to `ws://HOST:PORT`; `HOST:PORT` alone will do. Throws ERR_USAGE, ERR_CONNECTION, ERR_TIMEOUT. */
export async function connectToServer(server: string): Promise<Client> {
  const url = parseServer(server);
  return await connect({
    url,
    webSocket: LOOPBACK.test(new URL(url).hostname) ? LoopbackWebSocket : RemoteWebSocket,
    wasm: loadWasmModule('plain'),
    clientId: 'millrace-cli',
  });
}

function parseServer(server: string): string {
  const text = server.includes('://') ? server : `ws://${server}`;
  if (!URL.canParse(text) || !/^wss?:/.test(text)) {
    throw new LogFault('ERR_USAGE', `--server takes ws://HOST:PORT or wss://HOST:PORT, not ${server}`);
  }
  return text;
}

class RemoteWebSocket extends WebSocket {
  constructor(url: string, protocols: string) {
    super(url, protocols, { perMessageDeflate: false, maxPayload: RESPONSE_BYTES_MAX });
  }
}

/**
 * Masking keeps scripts from writing chosen bytes through proxies that misread WebSocket (RFC 6455, 10.3). There is no
 * proxy on the way to the own machine, and a mask of zeros saves a pass over every byte.
 */
class LoopbackWebSocket extends WebSocket {
  constructor(url: string, protocols: string) {
    const generateMask = (mask: Buffer): void => void mask.fill(0);
    super(url, protocols, { perMessageDeflate: false, maxPayload: RESPONSE_BYTES_MAX, generateMask });
  }
}
