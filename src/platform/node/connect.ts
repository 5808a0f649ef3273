// The client in a Node process: with the WebSocket of the `ws` package or over TCP, and the WebAssembly from the
// package's own files. What carries its frames is loaded when it is known.

import { type Client, type ConnectOptions, connect as connectClient } from '../../client/index.ts';
import { RESPONSE_BYTES_MAX } from '../../core/limits.ts';
import { createClientCodecs } from './codecs.ts';
import { loadWasmModule } from './wasm-modules.ts';

const LOOPBACK = /^(localhost|127(\.\d+){3}|\[::1\])$/;
const CONNECT_TIMEOUT_MS = 10_000;

/**
 * Connects to a broker: `ws://HOST:PORT`, or `kafka://HOST:PORT` for any Kafka broker over TCP, in plain text. Resolves
 * when it has answered. Options as in `millrace/client`; `webSocket`, `wasm` and `codecs` have defaults that fit Node:
 * every codec of Kafka's. Throws LogFault ERR_CONNECTION, ERR_TIMEOUT, ERR_UNSUPPORTED, ERR_USAGE.
 */
export async function connect(target: string | ConnectOptions): Promise<Client> {
  const options = typeof target === 'string' ? { url: target } : target;
  const isGiven = options.transport !== undefined || options.webSocket !== undefined;
  return await connectClient({
    wasm: loadWasmModule('plain'),
    codecs: createClientCodecs(),
    ...(isGiven ? {} : await wayTo(options)),
    ...options,
  });
}

async function wayTo({ url, connectTimeoutMs = CONNECT_TIMEOUT_MS }: ConnectOptions): Promise<Partial<ConnectOptions>> {
  if (url !== undefined && /^kafka:/i.test(url)) {
    const { KafkaTcpOpener } = await import('./kafka-tcp-transport.ts');
    return { transport: new KafkaTcpOpener({ url, connectTimeoutMs, responseBytesMax: RESPONSE_BYTES_MAX }) };
  }
  const { LoopbackWebSocket, RemoteWebSocket } = await import('./client-web-sockets.ts');
  return { webSocket: isLoopback(url) ? LoopbackWebSocket : RemoteWebSocket };
}

function isLoopback(url: string | undefined): boolean {
  return url !== undefined && URL.canParse(url) && LOOPBACK.test(new URL(url).hostname);
}
