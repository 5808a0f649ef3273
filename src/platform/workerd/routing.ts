// The ways from a Worker to a broker: requests to the Durable Object that their path names, and WebSockets of the client
// over anything that has `fetch`.

import type { WebSocketConstructor, WebSocketLike } from '../../client/web-socket-transport.ts';
import { LogFault } from '../../core/fault.ts';

/** As much of a Durable Object namespace as is used. */
export interface BrokerNamespace<Id> {
  idFromName(name: string): Id;
  get(id: Id): Fetcher;
}

/** A Durable Object's stub, a service binding, or `{ fetch }` of the runtime itself. */
export interface Fetcher {
  fetch(request: Request): Promise<Response>;
}

export interface RouteOptions {
  /** Names the object of a URL; undefined for a URL that has none. By default the first part of the path names it. */
  readonly name?: (url: URL) => string | undefined;
}

/** A name is part of a path that needs no escapes. */
const NAME = /^[A-Za-z0-9._~-]{1,200}$/;

/**
 * Passes a request on to the broker that it names, `wss://example.com/NAME`; 404 where it names none. Every name has a
 * broker, which comes into being when it is first used: look at names before, where not everybody may make one.
 */
export async function routeToBroker<Id>(
  request: Request,
  namespace: BrokerNamespace<Id>,
  options: RouteOptions = {},
): Promise<Response> {
  const { name = firstOfPath } = options;
  const found = name(new URL(request.url));
  if (found === undefined || !NAME.test(found)) {
    return new Response('not found: the path names a broker, of letters, digits and . _ ~ -\n', { status: 404 });
  }
  return namespace.get(namespace.idFromName(found)).fetch(request);
}

function firstOfPath(url: URL): string | undefined {
  return url.pathname.split('/')[1];
}

/** What listeners are told: as much of the events of the standard as the client reads. */
interface SocketEvent {
  readonly data: unknown;
  readonly code: number;
  readonly reason: string;
  /** Why a socket could not be opened. */
  readonly message: string;
}

/** A WebSocket that a request was answered with. */
interface AnsweredSocket {
  binaryType: string;
  readonly bufferedAmount?: number;
  accept(): void;
  send(data: Uint8Array): void;
  close(): void;
  addEventListener(type: string, listener: (event: Partial<SocketEvent>) => void): void;
}

/**
 * A WebSocket class whose sockets are opened by `fetcher`, for `connect` of `millrace/client` in a Worker:
 *
 *     const broker = env.LOG.get(env.LOG.idFromName('orders'));
 *     const client = await connect({ url: 'ws://broker/orders', webSocket: webSocketOver(broker), wasm });
 *
 * For a broker at a URL the runtime's own `WebSocket` does, and needs nothing of this.
 */
export function webSocketOver(fetcher: Fetcher): WebSocketConstructor {
  return class extends FetchedWebSocket {
    constructor(url: string, protocol: string) {
      super(fetcher, url, protocol);
    }
  };
}

const ABNORMAL_CLOSURE = 1006;

class FetchedWebSocket implements WebSocketLike {
  binaryType = 'arraybuffer';
  readonly #listeners = new Map<string, ((event: SocketEvent) => void)[]>();
  #socket: AnsweredSocket | undefined;
  #isClosed = false;

  constructor(fetcher: Fetcher, url: string, protocol: string) {
    this.#open(fetcher, url, protocol).catch((error: unknown) => this.#fail(error));
  }

  get bufferedAmount(): number {
    return this.#socket?.bufferedAmount ?? 0;
  }

  send(data: Uint8Array): void {
    this.#socket?.send(data);
  }

  close(): void {
    this.#isClosed = true;
    this.#socket?.close();
  }

  addEventListener(type: string, listener: (event: SocketEvent) => void): void {
    this.#listeners.set(type, [...(this.#listeners.get(type) ?? []), listener]);
  }

  async #open(fetcher: Fetcher, url: string, protocol: string): Promise<void> {
    const headers = { upgrade: 'websocket', 'sec-websocket-protocol': protocol };
    const request = new Request(url.replace(/^ws/, 'http'), { headers });
    const response: Response & { readonly webSocket?: AnsweredSocket | null } = await fetcher.fetch(request);
    const socket = response.webSocket;
    if (socket === undefined || socket === null) {
      throw new LogFault('ERR_CONNECTION', `${url} answered ${response.status}: ${await response.text()}`);
    }
    this.#socket = socket;
    socket.binaryType = this.binaryType;
    for (const type of ['message', 'close', 'error']) {
      socket.addEventListener(type, (event) => this.#tell(type, event));
    }
    socket.accept();
    if (this.#isClosed) socket.close();
    else this.#tell('open', {});
  }

  #fail(error: unknown): void {
    const message = error instanceof Error ? error.message : String(error);
    this.#tell('error', { message });
    this.#tell('close', { code: ABNORMAL_CLOSURE, reason: message });
  }

  #tell(type: string, { data, code = ABNORMAL_CLOSURE, reason = '', message = '' }: Partial<SocketEvent>): void {
    for (const listener of this.#listeners.get(type) ?? []) listener({ data, code, reason, message });
  }
}
