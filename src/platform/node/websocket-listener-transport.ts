// One WebSocket as a FrameTransport. Receiving, control frames and the closing handshake are the ws library's; data
// frames are framed here and written to the same socket, always whole, so that both may write to it.

import type { Duplex } from 'node:stream';
import type { RawData, WebSocket } from 'ws';
import { bytesOnly, type FramePart } from '../../core/file-range.ts';
import { FRAGMENT_BYTES_MAX } from '../../core/limits.ts';
import { FrameProgress } from '../../net/frame-progress.ts';
import { CLOSE_CODES, closeReason, type FrameSink, type FrameTransport } from '../../net/frame-transport.ts';
import type { RequestMemory } from '../../net/request-memory.ts';
import { frameHeaderBytes, OPCODES, writeFrameHeader } from '../../net/websocket-frame.ts';
import { FrameWriter, fragmentsOf, type Staging } from './frame-writer.ts';
import type { WriteTurn } from './write-turn.ts';
import type { YoungCollector } from './young-collector.ts';

/** How long an orderly close may take before the socket is destroyed. */
const CLOSE_MS_MAX = 5000;
const PING_INTERVAL_MS = 30_000;

export interface WebSocketTransportParts {
  readonly webSocket: WebSocket;
  readonly socket: Duplex;
  readonly staging: Staging;
  readonly turn: WriteTurn;
  readonly memory: RequestMemory;
  readonly collector?: YoungCollector | undefined;
  readonly opcode: typeof OPCODES.binary | typeof OPCODES.text;
}

export class WebSocketTransport implements FrameTransport {
  readonly #webSocket: WebSocket;
  readonly #socket: Duplex;
  readonly #writer: FrameWriter;
  readonly #memory: RequestMemory;
  readonly #collector: YoungCollector | undefined;
  readonly #opcode: number;
  #sink: FrameSink | undefined;

  #isClosing = false;
  #closing: { readonly code: number; readonly reason: string } | undefined;
  #force: NodeJS.Timeout | undefined;
  #isPaused = false;

  partialBytes = 0;
  /** Bytes received in all. */
  receivedBytes = 0;
  readonly #progress = new FrameProgress();
  #heardAtMs = -1;
  #receivedAtTick = 0;
  #isPinged = false;

  constructor(parts: WebSocketTransportParts) {
    this.#webSocket = parts.webSocket;
    this.#socket = parts.socket;
    this.#memory = parts.memory;
    this.#collector = parts.collector;
    this.#opcode = parts.opcode;
    this.#writer = new FrameWriter({
      socket: parts.socket,
      staging: parts.staging,
      turn: parts.turn,
      onWritten: () => this.#sink?.onDrain(),
      onFinished: () => this.#closeFlushed(),
    });
  }

  get bufferedBytes(): number {
    return this.#writer.bufferedBytes;
  }

  get sentBytes(): number {
    return this.#writer.sentBytes;
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
      else if (data instanceof Uint8Array) {
        this.#collector?.took(data.byteLength, this.#memory.used);
        sink.onFrame(data);
      }
    });
  }

  /** A message is whole, and its bytes are the sink's to account for. */
  #forgetPartial(): void {
    this.#memory.release(this.partialBytes);
    this.partialBytes = 0;
    this.#progress.reset();
  }

  send(parts: readonly FramePart[], byteLength: number, release?: () => void): void {
    if (this.#isClosing) {
      release?.();
      return;
    }
    const chunks = bytesOnly(parts);
    if (byteLength <= FRAGMENT_BYTES_MAX) this.#enqueue(chunks, byteLength, this.#opcode, true);
    else {
      for (const { chunks: some, bytes, isFirst, isLast } of fragmentsOf(chunks, byteLength))
        this.#enqueue(some, bytes, isFirst ? this.#opcode : OPCODES.continuation, isLast);
    }
    if (release !== undefined) this.#writer.releaseAfter(release);
  }

  pause(): void {
    this.#isPaused = true;
    this.#webSocket.pause();
  }

  resume(): void {
    this.#isPaused = false;
    this.#progress.reset();
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
    this.#writer.finish();
  }

  terminate(): void {
    this.#isClosing = true;
    this.#forgetPartial();
    this.#webSocket.terminate();
  }

  /** Once a second: dead peers, frames that do not end. Returns why the connection must end, if it must. */
  tick(nowMs: number): string | undefined {
    if (this.#isPaused || this.#isClosing) return undefined;
    if (this.#progress.isTooSlow(nowMs, this.partialBytes)) return 'a frame arrives too slowly';
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
    this.#collector?.took(bytes, this.#memory.used);
  }

  #enqueue(chunks: readonly Uint8Array[], payloadBytes: number, opcode: number, isFinal: boolean): void {
    const { block, position } = this.#writer.enqueue(frameHeaderBytes(payloadBytes), chunks, payloadBytes);
    writeFrameHeader(block, position, { opcode, isFinal, payloadBytes });
  }

  #closeFlushed(): void {
    if (this.#closing === undefined) return;
    this.#webSocket.close(this.#closing.code, this.#closing.reason);
    this.#closing = undefined;
  }

  #onClosed(): void {
    clearTimeout(this.#force);
    this.#isClosing = true;
    this.#closing = undefined;
    this.#writer.discard();
    this.#forgetPartial();
    this.#sink?.onClose();
  }
}

function wrongKind(isBinary: boolean): string {
  return isBinary ? 'binary messages are for the subprotocol kafka' : 'text messages are for the subprotocol json';
}
