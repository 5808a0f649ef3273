// The sending side of a connection's socket, whatever its framing: frames are queued here and written whole.
// - the frames of one tick leave in one write, their small parts copied together and large ones referred to;
// - the queue is handed to the socket a piece at a time, so that progress of a slow reader can be seen.

import type { Duplex } from 'node:stream';
import { present } from '../../core/assert.ts';
import type { FileRange } from '../../core/file-range.ts';
import { FRAGMENT_BYTES_MAX } from '../../core/limits.ts';
import type { FileWrites } from './file-writes.ts';
import type { WriteNow } from './socket-writes.ts';
import type { WriteTurn } from './write-turn.ts';

/** Chunks up to this size are copied beside their neighbours: cheaper than one more buffer in the write. */
const COPY_BYTES_MAX = 4096;
const STAGING_BYTES = 64 * 1024;

/** Where reserved bytes are to be written. */
export interface Staged {
  readonly block: Buffer;
  readonly position: number;
}

/** Memory for small parts, shared by the connections of a listener; a piece lives as long as a write needs it. */
export class Staging {
  #block = Buffer.allocUnsafeSlow(STAGING_BYTES);
  #used = 0;

  /** The block and position where `bytes` (at most {@link STAGING_BYTES}) were reserved. */
  reserve(bytes: number): Staged {
    if (this.#used + bytes > STAGING_BYTES) {
      this.#block = Buffer.allocUnsafeSlow(STAGING_BYTES);
      this.#used = 0;
    }
    const position = this.#used;
    this.#used += bytes;
    return { block: this.#block, position };
  }
}

/** Whole frames that leave in one write. */
interface Piece {
  chunks: Uint8Array[];
  bytes: number;
  /** Staged bytes at the end that are not a chunk yet. */
  block: Buffer | undefined;
  stagedStart: number;
  stagedEnd: number;
  /** Where all of the piece lies instead. */
  readonly file: FileRange | undefined;
  /** To be called once the piece has left. */
  releases: (() => void)[] | undefined;
}

/** Written out: a spread costs a small answer more than all else that is done for it here. */
function pieceOf(file: FileRange | undefined, bytes: number): Piece {
  return { chunks: [], bytes, block: undefined, stagedStart: 0, stagedEnd: 0, file, releases: undefined };
}

/** A part of a frame that is too large for one write. */
export interface Fragment {
  readonly chunks: readonly Uint8Array[];
  readonly bytes: number;
  readonly isFirst: boolean;
  readonly isLast: boolean;
}

/** Cuts a frame into parts of at most {@link FRAGMENT_BYTES_MAX}. */
export function* fragmentsOf(chunks: readonly Uint8Array[], byteLength: number): Generator<Fragment> {
  let remaining = byteLength;
  let fragment: Uint8Array[] = [];
  let bytes = 0;
  for (const chunk of chunks) {
    let start = 0;
    while (start < chunk.byteLength) {
      const end = Math.min(chunk.byteLength, start + FRAGMENT_BYTES_MAX - bytes);
      fragment.push(chunk.subarray(start, end));
      bytes += end - start;
      start = end;
      if (bytes < FRAGMENT_BYTES_MAX && bytes < remaining) continue;
      yield { chunks: fragment, bytes, isFirst: remaining === byteLength, isLast: remaining === bytes };
      remaining -= bytes;
      fragment = [];
      bytes = 0;
    }
  }
}

export interface FrameWriterParts {
  readonly socket: Duplex;
  readonly staging: Staging;
  readonly turn: WriteTurn;
  /** Bytes have been taken by the operating system. */
  readonly onWritten: () => void;
  /** Everything queued has been written, after {@link FrameWriter.finish}. */
  readonly onFinished: () => void;
  /** For small frames, while nothing is under way in the socket; without it everything goes through the socket. */
  readonly writeNow?: WriteNow | undefined;
  /** For ranges of files; none may be queued without it. */
  readonly files?: FileWrites | undefined;
}

export class FrameWriter {
  readonly #parts: FrameWriterParts;
  #pieces: Piece[] = [];
  #writing: Piece | undefined;
  #isWriting = false;
  #isFlushScheduled = false;
  #isFinishing = false;
  #writingBytes = 0;
  /** Bytes queued that the operating system has not taken yet. */
  bufferedBytes = 0;
  /** Bytes that it has taken. */
  sentBytes = 0;

  readonly #flushSoon = (): void => {
    this.#isFlushScheduled = false;
    this.#flush();
  };
  readonly #written = (): void => this.#onWritten();

  constructor(parts: FrameWriterParts) {
    this.#parts = parts;
  }

  /** Queues a frame or fragment; its header of so many bytes is to be written where the result says, at once. */
  enqueue(headerBytes: number, chunks: readonly Uint8Array[], payloadBytes: number): Staged {
    const piece = this.#pieceFor(headerBytes + payloadBytes);
    const header = this.#stage(piece, headerBytes);
    for (const chunk of chunks) {
      if (chunk.byteLength <= COPY_BYTES_MAX) {
        const { block, position } = this.#stage(piece, chunk.byteLength);
        block.set(chunk, position);
      } else {
        sealStaged(piece);
        piece.chunks.push(chunk);
      }
    }
    piece.bytes += headerBytes + payloadBytes;
    this.bufferedBytes += headerBytes + payloadBytes;
    this.#flushLater();
    return header;
  }

  #flushLater(): void {
    if (this.#isFlushScheduled || this.#isWriting) return;
    this.#isFlushScheduled = true;
    this.#parts.turn.add(this.#flushSoon);
  }

  /** Queues bytes of a frame that lie in a file. */
  enqueueFile(file: FileRange): void {
    this.#pieces.push(pieceOf(file, file.length));
    this.bufferedBytes += file.length;
    this.#flushLater();
  }

  /** Calls `release` once everything queued so far has left, or never will. */
  releaseAfter(release: () => void): void {
    const last = this.#pieces.at(-1) ?? this.#writing;
    if (last === undefined) release();
    else if (last.releases === undefined) last.releases = [release];
    else last.releases.push(release);
  }

  /** Calls `onFinished` once everything queued has been written. */
  finish(): void {
    this.#isFinishing = true;
    this.#flush();
  }

  /** Forgets what is queued: the socket has ended. */
  discard(): void {
    this.#isFinishing = false;
    for (const piece of this.#pieces) releaseAll(piece);
    this.#pieces = [];
  }

  #pieceFor(bytes: number): Piece {
    const last = this.#pieces.at(-1);
    if (last !== undefined && last.file === undefined && last.bytes + bytes <= FRAGMENT_BYTES_MAX) return last;
    const piece = pieceOf(undefined, 0);
    this.#pieces.push(piece);
    return piece;
  }

  /** Reserves staging bytes at the end of the piece, growing its last staged run where they are adjacent. */
  #stage(piece: Piece, bytes: number): Staged {
    const reserved = this.#parts.staging.reserve(bytes);
    if (piece.block !== reserved.block || piece.stagedEnd !== reserved.position) {
      sealStaged(piece);
      piece.block = reserved.block;
      piece.stagedStart = reserved.position;
    }
    piece.stagedEnd = reserved.position + bytes;
    return reserved;
  }

  #flush(): void {
    if (this.#isWriting) return;
    const piece = this.#pieces.shift();
    if (piece === undefined) {
      if (!this.#isFinishing) return;
      this.#isFinishing = false;
      this.#parts.onFinished();
      return;
    }
    this.#isWriting = true;
    this.#writingBytes = piece.bytes;
    this.#writing = piece;
    if (piece.file !== undefined) {
      this.#sendFile(piece.file);
      return;
    }
    if (this.#wroteNow(piece)) {
      this.#onWritten();
      return;
    }
    sealStaged(piece);
    const { socket } = this.#parts;
    const last = piece.chunks.length - 1;
    if (last === 0) {
      socket.write(piece.chunks[0], this.#written);
      return;
    }
    socket.cork();
    for (let i = 0; i < last; i++) socket.write(piece.chunks[i]);
    socket.write(piece.chunks[last], this.#written);
    socket.uncork();
  }

  /** Whether a piece that lies together left at once; what is left of it is the socket's. */
  #wroteNow(piece: Piece): boolean {
    const { writeNow } = this.#parts;
    if (writeNow === undefined || piece.block === undefined || piece.chunks.length > 0) return false;
    piece.stagedStart +=
      this.#pieces.length > 0
        ? this.#writeBefore(piece.block, piece, writeNow)
        : writeNow(piece.block, piece.stagedStart, piece.stagedEnd - piece.stagedStart);
    return piece.stagedStart === piece.stagedEnd;
  }

  /** Others wait behind the piece: where they are a file it leaves together with them. */
  #writeBefore(block: Buffer, { stagedStart, stagedEnd }: Piece, writeNow: WriteNow): number {
    const { files } = this.#parts;
    const [next] = this.#pieces;
    return files === undefined || next?.file === undefined
      ? writeNow(block, stagedStart, stagedEnd - stagedStart)
      : files.sendBefore(block.subarray(stagedStart, stagedEnd));
  }

  #sendFile(file: FileRange): void {
    const files = present(this.#parts.files, 'a way to send files');
    files.send(file, {
      onProgress: (bytes) => {
        this.#writingBytes -= bytes;
        this.bufferedBytes -= bytes;
        this.sentBytes += bytes;
      },
      onDone: this.#written,
    });
  }

  #onWritten(): void {
    this.#isWriting = false;
    if (this.#writing !== undefined) releaseAll(this.#writing);
    this.#writing = undefined;
    this.bufferedBytes -= this.#writingBytes;
    this.sentBytes += this.#writingBytes;
    this.#flush();
    this.#parts.onWritten();
  }
}

function releaseAll({ releases }: Piece): void {
  if (releases !== undefined) for (const release of releases) release();
}

function sealStaged(piece: Piece): void {
  if (piece.block === undefined) return;
  piece.chunks.push(piece.block.subarray(piece.stagedStart, piece.stagedEnd));
  piece.block = undefined;
}
