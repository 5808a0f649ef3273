// One TCP socket of the Kafka listener as a FrameTransport: Kafka's framing in both directions, over FrameSplitter and
// FrameWriter. There is no closing handshake: an orderly close writes what was sent, then ends the stream.
// Where the socket can be adopted it is read into memory of the listener, which all of its sockets share, and large frames
// straight into their own; else by events.

import type { Socket } from 'node:net';
import { FileRange, type FramePart, inMemory } from '../../core/file-range.ts';
import { FILE_RANGE_BYTES_MIN, FRAGMENT_BYTES_MAX } from '../../core/limits.ts';
import type { WatchedTransport } from '../../net/connection-set.ts';
import type { FramePool } from '../../net/frame-memory.ts';
import { FrameProgress } from '../../net/frame-progress.ts';
import type { FrameSink } from '../../net/frame-transport.ts';
import { FrameSplitter, LENGTH_BYTES, writeLength } from '../../net/kafka-tcp.ts';
import type { RequestMemory } from '../../net/request-memory.ts';
import { adopt } from './adopted-socket.ts';
import { FileWrites } from './file-writes.ts';
import { FrameWriter, fragmentsOf, type Staging } from './frame-writer.ts';
import type { SocketCallLoader } from './socket-calls.ts';
import { writesPastStream } from './socket-writes.ts';
import type { WriteTurn } from './write-turn.ts';
import type { YoungCollector } from './young-collector.ts';

/** How long a peer may take to follow once everything has been written and the stream was ended. */
const LINGER_MS_MAX = 1000;
/** How long writing what was sent may take before. */
const CLOSE_MS_MAX = 5000;

export interface KafkaTransportParts {
  /** Accepted, and not read yet. */
  readonly socket: Socket;
  /** What sockets are read into, one after the other; undefined to read them by events. */
  readonly readBuffer: Uint8Array | undefined;
  readonly staging: Staging;
  readonly turn: WriteTurn;
  readonly memory: RequestMemory;
  readonly frameMemory: FramePool;
  readonly collector?: YoungCollector | undefined;
  readonly socketCalls: SocketCallLoader;
  /** socket.request.max.bytes */
  readonly requestBytesMax: number;
}

export class KafkaTransport implements WatchedTransport {
  /** The socket that has the connection: not always the one that was accepted. */
  readonly socket: Socket;
  readonly #readBuffer: Uint8Array | undefined;
  readonly #writer: FrameWriter;
  readonly #files: FileWrites | undefined;
  readonly #memory: RequestMemory;
  readonly #frameMemory: FramePool;
  readonly #collector: YoungCollector | undefined;
  readonly #splitter: FrameSplitter;
  readonly #progress = new FrameProgress();
  #sink: FrameSink | undefined;
  #refuse: ((reason: string) => void) | undefined;
  /** Bytes of the frame under way that the request memory has in its account. */
  #partialBytes = 0;
  /** The next read goes straight into the frame under way. */
  #fillsRoom = false;
  #isPaused = false;
  #isClosing = false;
  #force: NodeJS.Timeout | undefined;

  constructor(parts: KafkaTransportParts) {
    this.#memory = parts.memory;
    this.#frameMemory = parts.frameMemory;
    this.#collector = parts.collector;
    this.#splitter = new FrameSplitter({
      bytesMax: parts.requestBytesMax,
      onFrame: (frame) => this.#onFrame(frame),
      onObjection: (reason) => this.#refuse?.(reason),
      memory: parts.frameMemory,
    });
    const adopted = parts.readBuffer === undefined ? undefined : this.#adopt(parts.socket, parts.readBuffer);
    this.#readBuffer = adopted === undefined ? undefined : parts.readBuffer;
    this.socket = adopted ?? parts.socket;
    this.#files = adopted === undefined ? undefined : FileWrites.over(adopted, parts.socketCalls);
    this.#writer = new FrameWriter({
      files: this.#files,
      socket: this.socket,
      staging: parts.staging,
      turn: parts.turn,
      writeNow: adopted === undefined ? undefined : writesPastStream(adopted),
      onWritten: () => this.#sink?.onDrain(),
      onFinished: () => this.#endStream(),
    });
  }

  get bufferedBytes(): number {
    return this.#writer.bufferedBytes;
  }

  get sentBytes(): number {
    return this.#writer.sentBytes;
  }

  get partialBytes(): number {
    return this.#partialBytes;
  }

  /** Whether what is sent may be ranges of files. */
  get sendsFiles(): boolean {
    return this.#files?.areReady === true;
  }

  /** Binds the receiving side; frames flow from now on. `refuse` is told of bytes that cannot be frames. */
  attach(sink: FrameSink, refuse: (reason: string) => void): void {
    this.#sink = sink;
    this.#refuse = refuse;
    if (this.#readBuffer === undefined) this.socket.on('data', (chunk: Uint8Array) => this.#onChunk(chunk));
    this.socket.on('end', () => this.#onEnd());
    this.socket.on('close', () => this.#onClosed());
    this.socket.resume();
  }

  send(chunks: readonly FramePart[], byteLength: number, release?: () => void): void {
    if (this.#isClosing) {
      release?.();
      return;
    }
    if (byteLength >= FILE_RANGE_BYTES_MIN) this.#files?.want();
    const bytes = inMemory(chunks);
    if (bytes === undefined) this.#sendMixed(chunks, byteLength);
    else this.#sendBytes(bytes, byteLength);
    if (release !== undefined) this.#writer.releaseAfter(release);
  }

  #sendBytes(chunks: readonly Uint8Array[], byteLength: number): void {
    if (byteLength + LENGTH_BYTES <= FRAGMENT_BYTES_MAX) {
      const { block, position } = this.#writer.enqueue(LENGTH_BYTES, chunks, byteLength);
      writeLength(block, position, byteLength);
      return;
    }
    const { block, position } = this.#writer.enqueue(LENGTH_BYTES, [], 0);
    writeLength(block, position, byteLength);
    for (const fragment of fragmentsOf(chunks, byteLength)) this.#writer.enqueue(0, fragment.chunks, fragment.bytes);
  }

  #sendMixed(parts: readonly FramePart[], byteLength: number): void {
    const { block, position } = this.#writer.enqueue(LENGTH_BYTES, [], 0);
    writeLength(block, position, byteLength);
    for (const part of parts) {
      if (part instanceof FileRange) this.#writer.enqueueFile(part);
      else for (const { chunks, bytes } of fragmentsOf([part], part.length)) this.#writer.enqueue(0, chunks, bytes);
    }
  }

  recycle(frame: Uint8Array): void {
    this.#frameMemory.give(frame);
  }

  pause(): void {
    this.#isPaused = true;
    this.socket.pause();
  }

  resume(): void {
    this.#isPaused = false;
    this.#progress.reset();
    this.socket.resume();
  }

  /** Kafka has no closing code: the reason is for the log of whoever calls. */
  close(_code: number, _reason: string): void {
    if (this.#isClosing) return;
    this.#isClosing = true;
    this.#stopReading();
    this.#force = setTimeout(() => this.socket.destroy(), CLOSE_MS_MAX).unref();
    this.#writer.finish();
  }

  terminate(): void {
    this.#isClosing = true;
    this.#stopReading();
    this.socket.destroy();
  }

  tick(nowMs: number): string | undefined {
    if (this.#isPaused || this.#isClosing) return undefined;
    return this.#progress.isTooSlow(nowMs, this.#partialBytes) ? 'a frame arrives too slowly' : undefined;
  }

  #adopt(accepted: Socket, readBuffer: Uint8Array): Socket | undefined {
    return adopt(accepted, {
      nextBuffer: () => {
        const room = this.#splitter.room();
        this.#fillsRoom = room !== undefined;
        return room ?? readBuffer;
      },
      onBytes: (bytes) => {
        if (this.#isClosing) return true;
        if (this.#fillsRoom) this.#splitter.filled(bytes);
        else this.#splitter.pushLent(readBuffer, bytes, this.#frameMemory);
        this.#accountPartial();
        return !this.#isPaused;
      },
    });
  }

  #onChunk(chunk: Uint8Array): void {
    if (this.#isClosing) return;
    this.#collector?.took(chunk.byteLength);
    this.#splitter.push(chunk);
    this.#accountPartial();
  }

  #accountPartial(): void {
    const grown = this.#splitter.partialBytes - this.#partialBytes;
    if (grown === 0) return;
    this.#partialBytes += grown;
    if (grown > 0) this.#memory.take(grown);
    else this.#memory.release(-grown);
  }

  #onFrame(frame: Uint8Array): void {
    this.#progress.reset();
    // The frame is the sink's to account for from here on.
    this.#forgetPartial();
    this.#sink?.onFrame(frame);
  }

  #forgetPartial(): void {
    const bytes = this.#partialBytes;
    this.#partialBytes = 0;
    if (bytes > 0) this.#memory.release(bytes);
  }

  /** What still arrives is read and forgotten, so that the end of the stream is seen. */
  #stopReading(): void {
    this.#splitter.end();
    this.#forgetPartial();
    this.#isPaused = false;
    this.socket.resume();
  }

  #endStream(): void {
    this.socket.end();
    clearTimeout(this.#force);
    this.#force = setTimeout(() => this.socket.destroy(), LINGER_MS_MAX).unref();
  }

  /** The peer takes no answer any more: what was written leaves, and the socket ends by itself. */
  #onEnd(): void {
    this.#isClosing = true;
    this.#stopReading();
  }

  #onClosed(): void {
    clearTimeout(this.#force);
    this.#isClosing = true;
    this.#splitter.end();
    this.#forgetPartial();
    this.#writer.discard();
    this.#sink?.onClose();
  }
}
