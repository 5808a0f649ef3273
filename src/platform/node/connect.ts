// The client in a Node process: with the WebSocket of the `ws` package or over TCP, and the WebAssembly from the
// package's own files.

import { type Client, type ConnectOptions, connect as connectClient } from '../../client/index.ts';
import { REQUEST_BYTES_LIMIT, REQUEST_BYTES_MAX } from '../../core/limits.ts';
import { createClientCodecs } from './codecs.ts';
import { CorkedWebSocket } from './corked-web-socket.ts';
import { KafkaTcpOpener } from './kafka-tcp-transport.ts';
import { loadWasmModule } from './wasm-modules.ts';

const LOOPBACK = /^(localhost|127(\.\d+){3}|\[::1\])$/;
/** A response may be larger than any request: a fetch returns one batch whole, beside its own limit. */
const RESPONSE_BYTES_MAX = REQUEST_BYTES_LIMIT + REQUEST_BYTES_MAX;

const CONNECT_TIMEOUT_MS = 10_000;

/**
 * Connects to a broker: `ws://HOST:PORT`, or `kafka://HOST:PORT` for any Kafka broker over TCP, in plain text. Resolves
 * when it has answered. Options as in `millrace/client`; `webSocket`, `wasm` and `codecs` have defaults that fit Node:
 * every codec of Kafka's. Throws LogFault ERR_CONNECTION, ERR_TIMEOUT, ERR_UNSUPPORTED, ERR_USAGE.
 */
export async function connect(target: string | ConnectOptions): Promise<Client> {
  const options = typeof target === 'string' ? { url: target } : target;
  return await connectClient({
    wasm: loadWasmModule('plain'),
    codecs: createClientCodecs(),
    ...wayTo(options),
    ...options,
  });
}

function wayTo({ url, connectTimeoutMs = CONNECT_TIMEOUT_MS }: ConnectOptions): Partial<ConnectOptions> {
  if (url === undefined || !/^kafka:/i.test(url)) {
    return { webSocket: isLoopback(url) ? LoopbackWebSocket : RemoteWebSocket };
  }
  return { transport: new KafkaTcpOpener({ url, connectTimeoutMs, responseBytesMax: RESPONSE_BYTES_MAX }) };
}

function isLoopback(url: string | undefined): boolean {
  return url !== undefined && URL.canParse(url) && LOOPBACK.test(new URL(url).hostname);
}

class RemoteWebSocket extends CorkedWebSocket {
  constructor(url: string, protocols: string) {
    super(url, protocols, { perMessageDeflate: false, maxPayload: RESPONSE_BYTES_MAX });
  }
}

/**
 * Masking keeps scripts from writing chosen bytes through proxies that misread WebSocket (RFC 6455, 10.3). There is no
 * proxy on the way to the own machine, and a mask of zeros saves a pass over every byte.
 */
class LoopbackWebSocket extends CorkedWebSocket {
  constructor(url: string, protocols: string) {
    const generateMask = (mask: Buffer): void => void mask.fill(0);
    super(url, protocols, { perMessageDeflate: false, maxPayload: RESPONSE_BYTES_MAX, generateMask });
  }
}
