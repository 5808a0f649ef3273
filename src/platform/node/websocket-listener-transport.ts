// One WebSocket as a FrameTransport. Receiving, control frames and the closing handshake are the ws library's; data
// frames are framed and queued here and written to the same socket, always whole, so that both may write to it:
// - the responses of one tick leave in one write, their small parts copied together and large ones referred to;
// - the queue is handed to the socket a piece at a time, so that progress of a slow reader can be seen.

import type { Duplex } from 'node:stream';
import type { RawData, WebSocket } from 'ws';
import { FRAGMENT_BYTES_MAX } from '../../core/limits.ts';
import { CLOSE_CODES, closeReason, type FrameSink, type FrameTransport } from '../../net/frame-transport.ts';
import type { RequestMemory } from '../../net/request-memory.ts';
import { frameHeaderBytes, OPCODES, writeFrameHeader } from '../../net/websocket-frame.ts';

/** Chunks up to this size are copied beside their neighbours: cheaper than one more buffer in the write. */
const COPY_BYTES_MAX = 4096;
const STAGING_BYTES = 64 * 1024;
/** How long an orderly close may take before the socket is destroyed. */
const CLOSE_MS_MAX = 5000;
/** A frame under way must have moved on by this rate, on top of a grace that any frame gets. */
const FRAME_BYTES_PER_MS_MIN = 16;
const FRAME_GRACE_MS = 30_000;
const PING_INTERVAL_MS = 30_000;

/** Memory for small parts, shared by the connections of a listener; a piece lives as long as a write needs it. */
export class Staging {
  #block = Buffer.allocUnsafeSlow(STAGING_BYTES);
  #used = 0;

  /** The block and position where `bytes` (at most {@link STAGING_BYTES}) were reserved. */
  reserve(bytes: number): { readonly block: Buffer; readonly position: number } {
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
}

export interface WebSocketTransportParts {
  readonly webSocket: WebSocket;
  readonly socket: Duplex;
  readonly staging: Staging;
  readonly memory: RequestMemory;
  readonly opcode: typeof OPCODES.binary | typeof OPCODES.text;
}

export class WebSocketTransport implements FrameTransport {
  readonly #webSocket: WebSocket;
  readonly #socket: Duplex;
  readonly #staging: Staging;
  readonly #memory: RequestMemory;
  readonly #opcode: number;
  #sink: FrameSink | undefined;

  #pieces: Piece[] = [];
  #isWriting = false;
  #isFlushScheduled = false;
  #writingBytes = 0;
  #isClosing = false;
  #closing: { readonly code: number; readonly reason: string } | undefined;
  #force: NodeJS.Timeout | undefined;
  #isPaused = false;

  bufferedBytes = 0;
  sentBytes = 0;
  partialBytes = 0;
  /** Bytes received in all. */
  receivedBytes = 0;
  #frameSinceMs = -1;
  #heardAtMs = -1;
  #receivedAtTick = 0;
  #isPinged = false;

  readonly #flushSoon = (): void => {
    this.#isFlushScheduled = false;
    this.#flush();
  };
  readonly #written = (): void => this.#onWritten();

  constructor(parts: WebSocketTransportParts) {
    this.#webSocket = parts.webSocket;
    this.#socket = parts.socket;
    this.#staging = parts.staging;
    this.#memory = parts.memory;
    this.#opcode = parts.opcode;
  }

  /** Binds the receiving side; frames flow from now on. */
  attach(sink: FrameSink): void {
    this.#sink = sink;
    const isBinaryExpected = this.#opcode === OPCODES.binary;
    this.#socket.prependListener('data', (chunk: Uint8Array) => this.#onBytes(chunk.byteLength));
    this.#webSocket.on('close', () => this.#onClosed());
    this.#webSocket.on('message', (data: RawData, isBinary: boolean) => {
      this.#forgetPartial();
      if (isBinary !== isBinaryExpected) sink.close(CLOSE_CODES.unsupportedData, wrongKind(isBinary));
      else if (data instanceof Uint8Array) sink.onFrame(data);
    });
  }

  /** A message is whole, and its bytes are the sink's to account for. */
  #forgetPartial(): void {
    this.#memory.release(this.partialBytes);
    this.partialBytes = 0;
    this.#frameSinceMs = -1;
  }

  send(chunks: readonly Uint8Array[], byteLength: number): void {
    if (this.#isClosing) return;
    if (byteLength <= FRAGMENT_BYTES_MAX) this.#enqueue(chunks, byteLength, this.#opcode, true);
    else this.#enqueueFragments(chunks, byteLength);
    if (!this.#isFlushScheduled && !this.#isWriting) {
      this.#isFlushScheduled = true;
      process.nextTick(this.#flushSoon);
    }
  }

  pause(): void {
    this.#isPaused = true;
    this.#webSocket.pause();
  }

  resume(): void {
    this.#isPaused = false;
    this.#frameSinceMs = -1;
    this.#heardAtMs = -1;
    this.#webSocket.resume();
  }

  close(code: number, reason: string): void {
    if (this.#isClosing) return;
    this.#isClosing = true;
    this.#closing = { code, reason: closeReason(reason) };
    // The closing handshake needs the peer's Close frame to be read.
    this.#isPaused = false;
    this.#webSocket.resume();
    this.#force = setTimeout(() => this.#webSocket.terminate(), CLOSE_MS_MAX).unref();
    this.#flush();
  }

  terminate(): void {
    this.#isClosing = true;
    this.#forgetPartial();
    this.#webSocket.terminate();
  }

  /** Once a second: dead peers, frames that do not end. Returns why the connection must end, if it must. */
  tick(nowMs: number): string | undefined {
    if (this.#isPaused || this.#isClosing) return undefined;
    if (this.partialBytes > 0) {
      if (this.#frameSinceMs < 0) this.#frameSinceMs = nowMs;
      const allowedMs = FRAME_GRACE_MS + this.partialBytes / FRAME_BYTES_PER_MS_MIN;
      if (nowMs - this.#frameSinceMs > allowedMs) return 'a frame arrives too slowly';
    }
    if (this.receivedBytes !== this.#receivedAtTick || this.#heardAtMs < 0) {
      this.#receivedAtTick = this.receivedBytes;
      this.#heardAtMs = nowMs;
      this.#isPinged = false;
      return undefined;
    }
    const silentMs = nowMs - this.#heardAtMs;
    if (silentMs >= 2 * PING_INTERVAL_MS) return 'the peer does not answer pings';
    if (silentMs >= PING_INTERVAL_MS && !this.#isPinged) {
      this.#isPinged = true;
      this.#webSocket.ping();
    }
    return undefined;
  }

  #onBytes(bytes: number): void {
    this.receivedBytes += bytes;
    if (this.#isClosing) return;
    this.partialBytes += bytes;
    this.#memory.take(bytes);
  }

  #enqueueFragments(chunks: readonly Uint8Array[], byteLength: number): void {
    let remaining = byteLength;
    let fragment: Uint8Array[] = [];
    let fragmentBytes = 0;
    let opcode = this.#opcode;
    for (const chunk of chunks) {
      let start = 0;
      while (start < chunk.byteLength) {
        const end = Math.min(chunk.byteLength, start + FRAGMENT_BYTES_MAX - fragmentBytes);
        fragment.push(chunk.subarray(start, end));
        fragmentBytes += end - start;
        start = end;
        if (fragmentBytes < FRAGMENT_BYTES_MAX && fragmentBytes < remaining) continue;
        remaining -= fragmentBytes;
        this.#enqueue(fragment, fragmentBytes, opcode, remaining === 0);
        fragment = [];
        fragmentBytes = 0;
        opcode = OPCODES.continuation;
      }
    }
  }

  #enqueue(chunks: readonly Uint8Array[], payloadBytes: number, opcode: number, isFinal: boolean): void {
    const headerBytes = frameHeaderBytes(payloadBytes);
    const piece = this.#pieceFor(headerBytes + payloadBytes);
    const at = this.#stage(piece, headerBytes);
    writeFrameHeader(at.block, at.position, { opcode, isFinal, payloadBytes });
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
  }

  #pieceFor(bytes: number): Piece {
    const last = this.#pieces.at(-1);
    if (last !== undefined && last.bytes + bytes <= FRAGMENT_BYTES_MAX) return last;
    const piece = { chunks: [], bytes: 0, block: undefined, stagedStart: 0, stagedEnd: 0 };
    this.#pieces.push(piece);
    return piece;
  }

  /** Reserves staging bytes at the end of the piece, growing its last staged run where they are adjacent. */
  #stage(piece: Piece, bytes: number): { readonly block: Buffer; readonly position: number } {
    const reserved = this.#staging.reserve(bytes);
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
      this.#closeWhenFlushed();
      return;
    }
    sealStaged(piece);
    this.#isWriting = true;
    this.#writingBytes = piece.bytes;
    const last = piece.chunks.length - 1;
    if (last === 0) {
      this.#socket.write(piece.chunks[0], this.#written);
      return;
    }
    this.#socket.cork();
    for (let i = 0; i < last; i++) this.#socket.write(piece.chunks[i]);
    this.#socket.write(piece.chunks[last], this.#written);
    this.#socket.uncork();
  }

  #onWritten(): void {
    this.#isWriting = false;
    this.bufferedBytes -= this.#writingBytes;
    this.sentBytes += this.#writingBytes;
    this.#flush();
    this.#sink?.onDrain();
  }

  #closeWhenFlushed(): void {
    if (this.#closing === undefined) return;
    this.#webSocket.close(this.#closing.code, this.#closing.reason);
    this.#closing = undefined;
  }

  #onClosed(): void {
    clearTimeout(this.#force);
    this.#isClosing = true;
    this.#closing = undefined;
    this.#pieces = [];
    this.#forgetPartial();
    this.#sink?.onClose();
  }
}

function sealStaged(piece: Piece): void {
  if (piece.block === undefined) return;
  piece.chunks.push(piece.block.subarray(piece.stagedStart, piece.stagedEnd));
  piece.block = undefined;
}

function wrongKind(isBinary: boolean): string {
  return isBinary ? 'binary messages are for the subprotocol kafka' : 'text messages are for the subprotocol json';
}
