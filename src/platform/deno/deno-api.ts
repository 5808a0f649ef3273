// As much of Deno's namespace as this host uses, by structure: no types of Deno's own are needed, neither here nor by those
// who import the package.

export interface DenoFile {
  readSync(target: Uint8Array): number | null;
  writeSync(source: Uint8Array): number;
  /** `whence` 0 is the beginning of the file. */
  seekSync(offset: number, whence: 0): number;
  truncateSync(size: number): void;
  statSync(): { readonly size: number };
  syncSync(): void;
  syncData(): Promise<void>;
  syncDataSync(): void;
  close(): void;
}

export interface DenoAddress {
  readonly hostname: string;
  readonly port: number;
}

export interface DenoConnection {
  readonly localAddr: DenoAddress;
  readonly remoteAddr: DenoAddress;
  /** Null at the end. */
  read(target: Uint8Array): Promise<number | null>;
  write(source: Uint8Array): Promise<number>;
  closeWrite(): Promise<void>;
  close(): void;
  setNoDelay(noDelay: boolean): void;
  setKeepAlive(keepAlive: boolean): void;
}

export interface DenoListener extends AsyncIterable<DenoConnection> {
  readonly addr: DenoAddress;
  close(): void;
}

export interface DenoHttpServer {
  readonly addr: DenoAddress;
  readonly finished: Promise<void>;
}

/** The standard's WebSocket, as the server has it. */
export interface DenoWebSocket {
  binaryType: string;
  readonly bufferedAmount: number;
  send(message: string | Uint8Array<ArrayBuffer>): void;
  close(code: number, reason: string): void;
  onmessage: ((event: { readonly data: unknown }) => void) | null;
  onopen: (() => void) | null;
  onclose: (() => void) | null;
  onerror: ((event: object) => void) | null;
}

interface OpenFlags {
  readonly read?: boolean;
  readonly write?: boolean;
  readonly create?: boolean;
  readonly truncate?: boolean;
}

export interface DenoApi {
  readonly pid: number;
  readonly errors: object;
  hostname(): string;
  openSync(path: string, flags: OpenFlags): DenoFile;
  readFileSync(path: string | URL): Uint8Array<ArrayBuffer>;
  readTextFileSync(path: string | URL): string;
  readDirSync(path: string): Iterable<{ readonly name: string; readonly isDirectory: boolean }>;
  statSync(path: string): { readonly size: number };
  mkdirSync(path: string, options: { readonly recursive: boolean }): void;
  removeSync(path: string, options?: { readonly recursive: boolean }): void;
  renameSync(from: string, to: string): void;
  unrefTimer(timer: ReturnType<typeof setTimeout>): void;
  addSignalListener(signal: 'SIGINT' | 'SIGTERM', listener: () => void): void;
  removeSignalListener(signal: 'SIGINT' | 'SIGTERM', listener: () => void): void;
  listen(options: DenoAddress): DenoListener;
  serve(
    options: DenoAddress & { readonly signal: AbortSignal; readonly onListen: () => void },
    handler: (request: Request, info: { readonly remoteAddr: DenoAddress }) => Promise<Response>,
  ): DenoHttpServer;
  upgradeWebSocket(
    request: Request,
    options: { readonly protocol?: string; readonly idleTimeout: number },
  ): { readonly socket: DenoWebSocket; readonly response: Response };
}

/** Deno's namespace. Throws where this is not Deno. */
export function denoApi(): DenoApi {
  const found: unknown = Reflect.get(globalThis, 'Deno');
  if (!isDeno(found)) throw new Error('millrace/deno runs in Deno alone');
  return found;
}

function isDeno(value: unknown): value is DenoApi {
  return typeof value === 'object' && value !== null && 'openSync' in value && 'upgradeWebSocket' in value;
}
