// Calls of the operating system that Node has none for, made in the C library that the process is linked with, by koffi:
// - sendfile(2) takes bytes of a file to a socket, where reading and writing copies them twice;
// - send(2) with MSG_MORE joins the few bytes before them to them;
// - setsockopt(2) takes the pacing off connections of this machine. Where BBR is what it uses for all, every 64 KiB to
//   itself wait for a timer: half of the throughput, twice the processor time (bench/README.md has the figures).
// Linux alone, of 64 bits: elsewhere they have other shapes. Where koffi is not installed, or has nothing for the machine,
// what is large is copied.

import { createRequire } from 'node:module';
import { constants } from 'node:os';
import type { Logger } from '../../core/logger.ts';

/** Sockets and files by the operating system's numbers. Each throws where the operating system refuses. */
export interface SocketCalls {
  /** Sends up to so many bytes of a file from a position on: as many as the socket takes now, 0 where it takes none. */
  sendFile(socket: number, file: { readonly descriptor: number; readonly position: number }, bytes: number): number;
  /** Sends bytes that others follow at once; as many as the socket takes now. */
  sendBefore(socket: number, bytes: Uint8Array): number;
  /** Sends as fast as the peer takes it, from now on. */
  unpace(socket: number): void;
}

const IPPROTO_TCP = 6;
const TCP_CONGESTION = 13;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const MSG_MORE = 0x8000;
/** The one that every kernel has, and lets everybody use. */
const RENO = Buffer.from('reno');

/** Loads the calls when they are first wanted, which takes some ten milliseconds and two megabytes. */
export class SocketCallLoader {
  readonly #logger: Logger;
  #isWanted = false;
  #calls: SocketCalls | undefined;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** Undefined before they were wanted, and where there are none. */
  get calls(): SocketCalls | undefined {
    return this.#calls;
  }

  want(): void {
    if (this.#isWanted) return;
    this.#isWanted = true;
    if (process.platform === 'linux') setImmediate(() => this.#load());
  }

  #load(): void {
    try {
      this.#calls = loadSocketCalls();
    } catch (cause) {
      this.#logger.info('large answers are copied, because sendfile cannot be called', { cause: String(cause) });
    }
  }
}

/** Throws where there is no koffi for this machine. */
export function loadSocketCalls(): SocketCalls {
  const koffi: typeof import('koffi') = createRequire(import.meta.url)('koffi');
  if (koffi.sizeof('size_t') !== 8) throw new Error('not a machine of 64 bits');
  const library = koffi.load(null);
  const sendfile = library.func('int64_t sendfile(int out_fd, int in_fd, int64_t *offset, size_t count)');
  const send = library.func('int64_t send(int socket, const uint8_t *bytes, size_t length, int flags)');
  const setsockopt = library.func(
    'int setsockopt(int socket, int level, int name, const char *value, uint32_t length)',
  );
  const offset = new BigInt64Array(1);

  const taken = (call: string, result: number): number => {
    if (result >= 0) return result;
    const code = koffi.errno();
    if (code === constants.errno.EAGAIN || code === constants.errno.EINTR) return 0;
    throw new Error(`${call} failed with error number ${code}`);
  };
  return {
    sendFile(socket, { descriptor, position }, bytes) {
      offset[0] = BigInt(position);
      const result = Number(sendfile(socket, descriptor, offset, bytes));
      if (result === 0) throw new Error(`the file ends before position ${position}`);
      return taken('sendfile', result);
    },
    sendBefore(socket, bytes) {
      return taken('send', Number(send(socket, bytes, bytes.length, MSG_DONTWAIT | MSG_NOSIGNAL | MSG_MORE)));
    },
    unpace(socket) {
      taken('setsockopt', Number(setsockopt(socket, IPPROTO_TCP, TCP_CONGESTION, RENO, RENO.length)));
    },
  };
}
