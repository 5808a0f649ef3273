// As much of Bun's namespace as this host uses, by structure: no types of Bun's own are needed, neither here nor by those
// who import the package.

/** A WebSocket as Bun's server has it. `Data` is what the upgrade gave it. */
export interface BunWebSocket<Data> {
  readonly data: Data;
  /** Bytes sent; -1 where they wait for the peer to read, 0 where they were dropped. */
  send(message: string | Uint8Array<ArrayBuffer>): number;
  getBufferedAmount(): number;
  close(code: number, reason: string): void;
  terminate(): void;
}

export interface BunServer<Data> {
  readonly hostname: string;
  readonly port: number;
  upgrade(request: Request, options: { readonly data: Data; readonly headers: Record<string, string> }): boolean;
  requestIP(request: Request): { readonly address: string } | null;
  stop(closeActiveConnections: boolean): Promise<void>;
}

export interface BunServeOptions<Data> {
  readonly hostname: string;
  readonly port: number;
  fetch(request: Request, server: BunServer<Data>): Promise<Response | undefined>;
  readonly websocket: {
    readonly maxPayloadLength: number;
    readonly backpressureLimit: number;
    readonly perMessageDeflate: boolean;
    /** Seconds. */
    readonly idleTimeout: number;
    readonly sendPings: boolean;
    open(socket: BunWebSocket<Data>): void;
    message(socket: BunWebSocket<Data>, message: string | Uint8Array): void;
    drain(socket: BunWebSocket<Data>): void;
    close(socket: BunWebSocket<Data>): void;
  };
}

/** A TCP socket. `data` is the owner's to set. */
export interface BunSocket<Data> {
  data: Data;
  readonly remoteAddress: string;
  readonly localAddress: string;
  readonly localPort: number;
  /** Bytes taken, fewer than given where the peer does not read; -1 where the socket has ended. */
  write(bytes: Uint8Array): number;
  pause(): void;
  resume(): void;
  setNoDelay(noDelay: boolean): void;
  setKeepAlive(keepAlive: boolean): void;
  end(): void;
  terminate(): void;
}

export interface BunListener {
  readonly port: number;
  stop(closeActiveConnections: boolean): void;
}

export interface BunListenOptions<Data> {
  readonly hostname: string;
  readonly port: number;
  readonly allowHalfOpen: boolean;
  readonly socket: {
    open(socket: BunSocket<Data>): void;
    data(socket: BunSocket<Data>, bytes: Uint8Array): void;
    drain(socket: BunSocket<Data>): void;
    end(socket: BunSocket<Data>): void;
    close(socket: BunSocket<Data>): void;
    error(socket: BunSocket<Data>, error: Error): void;
  };
}

export interface BunApi {
  serve<Data>(options: BunServeOptions<Data>): BunServer<Data>;
  listen<Data>(options: BunListenOptions<Data>): BunListener;
}

/** Bun's namespace. Throws where this is not Bun. */
export function bunApi(): BunApi {
  const found: unknown = Reflect.get(globalThis, 'Bun');
  if (!isBun(found)) throw new Error('millrace/bun runs in Bun alone');
  return found;
}

function isBun(value: unknown): value is BunApi {
  return typeof value === 'object' && value !== null && 'serve' in value && 'listen' in value;
}
