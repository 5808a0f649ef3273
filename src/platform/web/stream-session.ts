// One accepted TCP stream of a runtime that is not Node: Kafka's framing in both directions, back-pressure in both. The
// host passes what it reads on, and takes one write at a time.

import { bytesOnly, type FramePart } from '../../core/file-range.ts';
import { FRAGMENT_BYTES_MAX } from '../../core/limits.ts';
import type { Clock, TimerHandle } from '../../core/platform.ts';
import type { EmbeddedBroker } from '../../embedded/embedded-broker.ts';
import type { WatchedTransport } from '../../net/connection-set.ts';
import { FrameProgress } from '../../net/frame-progress.ts';
import { CLOSE_CODES, type FrameSink } from '../../net/frame-transport.ts';
import { FrameSplitter, LENGTH_BYTES, writeLength } from '../../net/kafka-tcp.ts';

/** What a session needs of a stream. */
export interface ServedStream {
  /** Hands bytes over, which must stay unchanged; resolves when the operating system has all of them, or the stream has ended. */
  write(bytes: Uint8Array): Promise<void>;
  /** Stops reading; what was read already may still be passed on. */
  pause(): void;
  resume(): void;
  /** Ends the writing side. */
  end(): void;
  /** Ends the stream at once. */
  terminate(): void;
}

export interface StreamSessionOptions {
  readonly broker: Pick<EmbeddedBroker, 'accept' | 'connections' | 'settings'>;
  readonly stream: ServedStream;
  /** Listener name, as in Kafka's `listeners`. */
  readonly listener: string;
  readonly clientHost: string;
  readonly localHost: string;
  readonly localPort: number;
  readonly clock: Clock;
  /** Told why bytes could not be frames. */
  readonly onRefused: (reason: string) => void;
}

/** How long writing what was sent may take before an orderly close. */
const CLOSE_MS_MAX = 5000;
/** How long a peer may take to follow once everything has been written and the stream was ended. */
const LINGER_MS_MAX = 1000;
/** A chunk from this size on is written by itself, where joining it with others would cost more than one more write. */
const OWN_WRITE_BYTES_MIN = 64 * 1024;

export class StreamSession implements WatchedTransport {
  readonly #options: StreamSessionOptions;
  readonly #splitter: FrameSplitter;
  readonly #progress = new FrameProgress();
  readonly #sink: FrameSink;
  #queue: Uint8Array[] = [];
  #isWriting = false;
  #isFlushDue = false;
  #isPaused = false;
  #isClosing = false;
  #hasEnded = false;
  #force: TimerHandle | undefined;
  bufferedBytes = 0;
  sentBytes = 0;
  partialBytes = 0;

  /** Opens the session. @throws LogFault ERR_CONNECTION where the broker accepts no connection now */
  constructor(options: StreamSessionOptions) {
    const { broker } = options;
    this.#options = options;
    this.#splitter = new FrameSplitter({
      bytesMax: broker.settings.socketRequestMaxBytes,
      onFrame: (frame) => this.#onFrame(frame),
      onObjection: (reason) => this.#refuse(reason),
    });
    this.#sink = broker.accept({ ...options, transport: this, subprotocol: 'kafka' });
  }

  /** The host's: bytes were read, and are the session's from now on. */
  onBytes(chunk: Uint8Array): void {
    if (this.#isClosing || this.#hasEnded) return;
    this.#splitter.push(chunk);
    const grown = this.#splitter.partialBytes - this.partialBytes;
    this.partialBytes += grown;
    const { memory } = this.#options.broker.connections;
    if (grown > 0) memory.take(grown);
    else if (grown < 0) memory.release(-grown);
  }

  /** The host's: the peer sends nothing more, and takes no answer any more. */
  onEnd(): void {
    if (this.#hasEnded) return;
    this.#stopReading();
    this.#isClosing = true;
    if (!this.#isWriting && this.#queue.length === 0) this.#endStream();
  }

  /** The host's: the stream has ended, for whatever reason. */
  onClose(): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#isClosing = true;
    this.#force?.cancel();
    this.#stopReading();
    this.#queue = [];
    this.bufferedBytes = 0;
    this.#sink.onClose();
  }

  send(parts: readonly FramePart[], byteLength: number): void {
    if (this.#isClosing || this.#hasEnded) return;
    const header = new Uint8Array(LENGTH_BYTES);
    writeLength(header, 0, byteLength);
    this.#queue.push(header, ...bytesOnly(parts));
    this.bufferedBytes += LENGTH_BYTES + byteLength;
    this.#flushSoon();
  }

  pause(): void {
    this.#isPaused = true;
    this.#options.stream.pause();
  }

  resume(): void {
    this.#isPaused = false;
    this.#progress.reset();
    if (!this.#hasEnded) this.#options.stream.resume();
  }

  /** Kafka has no closing code: the reason is for the log of whoever calls. */
  close(_code: number, _reason: string): void {
    if (this.#isClosing || this.#hasEnded) return;
    this.#isClosing = true;
    this.#stopReading();
    this.#options.stream.resume();
    this.#force = this.#options.clock.schedule(CLOSE_MS_MAX, () => this.terminate());
    if (!this.#isWriting && this.#queue.length === 0) this.#endStream();
    else this.#flushSoon();
  }

  terminate(): void {
    if (this.#hasEnded) return;
    this.#isClosing = true;
    this.#options.stream.terminate();
    // Never from inside of a method that the sink has called.
    queueMicrotask(() => this.onClose());
  }

  tick(nowMs: number): string | undefined {
    if (this.#isPaused || this.#isClosing) return undefined;
    return this.#progress.isTooSlow(nowMs, this.partialBytes) ? 'a frame arrives too slowly' : undefined;
  }

  #onFrame(frame: Uint8Array): void {
    this.#progress.reset();
    // The frame is the sink's to account for from here on.
    this.#forgetPartial();
    this.#sink.onFrame(frame);
  }

  #refuse(reason: string): void {
    this.#options.onRefused(reason);
    this.#sink.close(CLOSE_CODES.messageTooBig, reason);
  }

  #forgetPartial(): void {
    const bytes = this.partialBytes;
    this.partialBytes = 0;
    if (bytes > 0) this.#options.broker.connections.memory.release(bytes);
  }

  #stopReading(): void {
    this.#splitter.end();
    this.#forgetPartial();
    this.#isPaused = false;
  }

  /** A microtask later, so that answers which were ready together leave in one write. */
  #flushSoon(): void {
    if (this.#isFlushDue || this.#isWriting) return;
    this.#isFlushDue = true;
    queueMicrotask(() => {
      this.#isFlushDue = false;
      void this.#flush();
    });
  }

  async #flush(): Promise<void> {
    if (this.#isWriting) return;
    this.#isWriting = true;
    while (this.#queue.length > 0 && !this.#hasEnded) {
      const piece = this.#nextPiece();
      await this.#options.stream.write(piece);
      this.bufferedBytes = Math.max(0, this.bufferedBytes - piece.length);
      this.sentBytes += piece.length;
      if (!this.#hasEnded) this.#sink.onDrain();
    }
    this.#isWriting = false;
    if (this.#isClosing && !this.#hasEnded) this.#endStream();
  }

  /** The next bytes to write: small chunks joined, large ones as they are and in parts whose progress can be seen. */
  #nextPiece(): Uint8Array {
    const [first] = this.#queue;
    if (first !== undefined && first.length >= OWN_WRITE_BYTES_MIN) {
      if (first.length <= FRAGMENT_BYTES_MAX) this.#queue.shift();
      else this.#queue[0] = first.subarray(FRAGMENT_BYTES_MAX);
      return first.subarray(0, FRAGMENT_BYTES_MAX);
    }
    let count = 0;
    let bytes = 0;
    for (const chunk of this.#queue) {
      if (chunk.length >= OWN_WRITE_BYTES_MIN || bytes + chunk.length > FRAGMENT_BYTES_MAX) break;
      bytes += chunk.length;
      count += 1;
    }
    const piece = new Uint8Array(bytes);
    let position = 0;
    for (const chunk of this.#queue.splice(0, count)) {
      piece.set(chunk, position);
      position += chunk.length;
    }
    return piece;
  }

  #endStream(): void {
    this.#options.stream.end();
    this.#force?.cancel();
    this.#force = this.#options.clock.schedule(LINGER_MS_MAX, () => this.terminate());
  }
}
