// Ranges of files on their way through a socket: slice by slice by the operating system, as fast as the peer takes them.
// Where it takes none a few bytes go through the socket's stream, which waits for room as it does for everything.

import { readSync } from 'node:fs';
import { isIPv4, type Socket } from 'node:net';
import type { FileRange } from '../../core/file-range.ts';
import { FRAGMENT_BYTES_MAX } from '../../core/limits.ts';
import type { SocketCallLoader, SocketCalls } from './socket-calls.ts';
import { descriptorOf } from './socket-writes.ts';

/** What goes by the stream, where the socket has no room. */
const WAIT_BYTES = 16 * 1024;
const IPV4_IN_IPV6 = '::ffff:';

export interface FileProgress {
  /** So many bytes have been taken by the operating system. */
  readonly onProgress: (bytes: number) => void;
  /** All have, or the socket has ended. Never called before {@link FileWrites.send} returns. */
  readonly onDone: () => void;
}

interface Transfer {
  readonly file: FileRange;
  sent: number;
  readonly progress: FileProgress;
}

export class FileWrites {
  readonly #socket: Socket;
  readonly #descriptor: number;
  readonly #loader: SocketCallLoader;
  #isPrepared = false;

  private constructor(socket: Socket, descriptor: number, loader: SocketCallLoader) {
    this.#socket = socket;
    this.#descriptor = descriptor;
    this.#loader = loader;
  }

  /** Undefined where the socket tells no descriptor. */
  static over(socket: Socket, loader: SocketCallLoader): FileWrites | undefined {
    const descriptor = descriptorOf(socket);
    return descriptor === undefined ? undefined : new FileWrites(socket, descriptor, loader);
  }

  /** Whether files can be sent. Once they can they always can. */
  get areReady(): boolean {
    return this.#loader.calls !== undefined;
  }

  /** Something large was sent that could have come from a file: the next may. */
  want(): void {
    this.#loader.want();
  }

  /** Sends what comes right before a range; returns how many bytes the socket took. Nothing may be under way in its stream. */
  sendBefore(bytes: Uint8Array): number {
    const { calls } = this.#loader;
    if (calls === undefined || this.#hasEnded()) return 0;
    try {
      return calls.sendBefore(this.#descriptor, bytes);
    } catch {
      // What is wrong with the socket its stream finds out.
      return 0;
    }
  }

  /** Sends a range. Nothing may be under way in the socket's stream. */
  send(file: FileRange, progress: FileProgress): void {
    this.#step({ file, sent: 0, progress });
  }

  #step(transfer: Transfer): void {
    const { file, progress } = transfer;
    const left = file.length - transfer.sent;
    const { calls } = this.#loader;
    if (left === 0 || this.#hasEnded() || calls === undefined) {
      setImmediate(progress.onDone);
      return;
    }
    const place = { descriptor: file.descriptor, position: file.position + transfer.sent };
    try {
      if (!this.#isPrepared) this.#prepare(calls);
      const bytes = calls.sendFile(this.#descriptor, place, Math.min(left, FRAGMENT_BYTES_MAX));
      if (bytes === 0) this.#waitForRoom(transfer);
      else this.#advance(transfer, bytes);
    } catch (error) {
      this.#fail(transfer, error);
    }
  }

  #prepare(calls: SocketCalls): void {
    this.#isPrepared = true;
    if (isLoopback(this.#socket.remoteAddress ?? '')) calls.unpace(this.#descriptor);
  }

  /** A slice at a time, so that others are read and written in between. */
  #advance(transfer: Transfer, bytes: number): void {
    transfer.sent += bytes;
    transfer.progress.onProgress(bytes);
    if (transfer.sent === transfer.file.length) setImmediate(transfer.progress.onDone);
    else setImmediate(() => this.#step(transfer));
  }

  #waitForRoom(transfer: Transfer): void {
    const { descriptor, position, length } = transfer.file;
    const bytes = Buffer.allocUnsafe(Math.min(WAIT_BYTES, length - transfer.sent));
    const read = readSync(descriptor, bytes, 0, bytes.length, position + transfer.sent);
    if (read === 0) throw new Error('the file ends inside of the range');
    this.#socket.write(bytes.subarray(0, read), () => {
      transfer.sent += read;
      transfer.progress.onProgress(read);
      this.#step(transfer);
    });
  }

  /** The peer waits for bytes that do not come: its connection is of no use any more. */
  #fail({ progress }: Transfer, error: unknown): void {
    this.#socket.destroy(error instanceof Error ? error : new Error(String(error)));
    setImmediate(progress.onDone);
  }

  /** The descriptor of a socket that was destroyed may be another one's by now. */
  #hasEnded(): boolean {
    return this.#socket.destroyed || this.#socket.writableEnded;
  }
}

function isLoopback(address: string): boolean {
  const bare = address.startsWith(IPV4_IN_IPV6) ? address.slice(IPV4_IN_IPV6.length) : address;
  return isIPv4(bare) ? bare.startsWith('127.') : bare === '::1';
}
