// One accepted WebSocket of a runtime whose sockets are those of the standard (Deno, workerd, and with drain events Bun):
// whole messages in and out, no reading that could be stopped, and no word of what has been sent. The host passes the
// socket's events on.

import { bytesOnly, type FramePart } from '../core/file-range.ts';
import { REQUEST_BYTES_IN_FLIGHT_MAX } from '../core/limits.ts';
import type { Clock, TimerHandle } from '../core/platform.ts';
import type { WatchedTransport } from '../net/connection-set.ts';
import { CLOSE_CODES, closeReason, type FrameSink } from '../net/frame-transport.ts';
import type { SavedSession } from '../net/saved-session.ts';
import type { Subprotocol } from '../net/subprotocol.ts';
import type { EmbeddedBroker } from './embedded-broker.ts';

/** What a session needs of a socket. Its `binaryType` is `arraybuffer`. */
export interface ServedSocket {
  /** Bytes that have not left yet; undefined where the runtime does not tell. */
  readonly bufferedAmount?: number | undefined;
  send(message: string | Uint8Array<ArrayBuffer>): unknown;
  close(code: number, reason: string): void;
  /** Ends the connection at once, where the runtime can. */
  terminate?(): void;
}

export interface WebSocketSessionOptions {
  readonly broker: Pick<EmbeddedBroker, 'accept' | 'messageBytesMax'>;
  readonly socket: ServedSocket;
  /** As it was selected in the handshake. */
  readonly subprotocol: Subprotocol;
  readonly clientHost: string;
  /** By what the client reached the broker. */
  readonly localHost: string;
  readonly localPort: number;
  /** Times the end of a close, and looks whether what was sent has left. */
  readonly clock: Clock;
  /** The host calls {@link WebSocketSession.onDrain}: nothing needs to be looked at by time. */
  readonly announcesDrain?: boolean | undefined;
  /** What {@link WebSocketSession.save} gave, for the same socket. */
  readonly saved?: SavedSession | undefined;
}

/** Bytes that a client may send on while the broker takes nothing in. */
const HELD_BYTES_MAX = 2 * REQUEST_BYTES_IN_FLIGHT_MAX;
const CLOSE_MS_MAX = 5000;
const DRAIN_LOOK_MS = 20;
/** Runtimes that keep 1001 to 1015 for themselves still send 3000 to 4999. */
const PRIVATE_CODES = 3000;
const UTF8_ENCODER = new TextEncoder();
const UTF8_DECODER = new TextDecoder();

export class WebSocketSession implements WatchedTransport {
  readonly #socket: ServedSocket;
  readonly #subprotocol: Subprotocol;
  readonly #clock: Clock;
  readonly #announcesDrain: boolean;
  readonly #messageBytesMax: number;
  readonly #sink: FrameSink;
  #handedBytes = 0;
  #heldBytes = 0;
  #isPaused = false;
  #isClosing = false;
  #hasEnded = false;
  #force: TimerHandle | undefined;
  #look: TimerHandle | undefined;
  readonly partialBytes = 0;

  /** Opens the session. @throws LogFault ERR_CONNECTION where the broker accepts no connection now */
  constructor(options: WebSocketSessionOptions) {
    const { broker, socket, subprotocol } = options;
    this.#socket = socket;
    this.#subprotocol = subprotocol;
    this.#clock = options.clock;
    this.#announcesDrain = options.announcesDrain ?? false;
    this.#messageBytesMax = broker.messageBytesMax(subprotocol);
    this.#sink = broker.accept({ ...options, transport: this });
  }

  get bufferedBytes(): number {
    return this.#hasEnded ? 0 : (this.#socket.bufferedAmount ?? 0);
  }

  get sentBytes(): number {
    return this.#handedBytes - this.bufferedBytes;
  }

  /** The host's: a message has come. */
  onMessage(message: string | ArrayBuffer | Uint8Array): void {
    if (this.#isClosing || this.#hasEnded) return;
    const isText = typeof message === 'string';
    if (isText !== (this.#subprotocol === 'json')) {
      this.#sink.close(CLOSE_CODES.unsupportedData, wrongKind(isText));
      return;
    }
    const frame = isText ? UTF8_ENCODER.encode(message) : new Uint8Array(message);
    if (frame.byteLength > this.#messageBytesMax) {
      this.#sink.close(CLOSE_CODES.messageTooBig, 'message is too large');
      return;
    }
    if (this.#isPaused) this.#heldBytes += frame.byteLength;
    if (this.#heldBytes > HELD_BYTES_MAX) {
      this.#sink.close(CLOSE_CODES.policyViolation, 'more is sent than the broker takes in');
      return;
    }
    this.#sink.onFrame(frame);
  }

  /** The host's, where it knows: what was sent has left, or some of it. */
  onDrain(): void {
    if (!this.#hasEnded) this.#sink.onDrain();
  }

  /** What a later session of this socket needs to go on; undefined while requests are under way, or it has ended. */
  save(): SavedSession | undefined {
    return this.#isClosing || this.#hasEnded ? undefined : this.#sink.save?.();
  }

  /** The host's: the session ends and leaves its socket open, for a later one. */
  detach(): void {
    this.#isClosing = true;
    this.onClose();
  }

  /** The host's: the socket has ended, for whatever reason. */
  onClose(): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#force?.cancel();
    this.#look?.cancel();
    this.#sink.onClose();
  }

  send(parts: readonly FramePart[], byteLength: number, release?: () => void): void {
    if (!this.#isClosing && !this.#hasEnded) this.#send(joined(bytesOnly(parts), byteLength));
    release?.();
  }

  #send(message: Uint8Array<ArrayBuffer>): void {
    this.#handedBytes += message.byteLength;
    this.#socket.send(this.#subprotocol === 'json' ? UTF8_DECODER.decode(message) : message);
    if (!this.#announcesDrain && this.bufferedBytes > 0) this.#lookLater();
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    this.#heldBytes = 0;
  }

  close(code: number, reason: string): void {
    if (this.#isClosing || this.#hasEnded) return;
    this.#isClosing = true;
    this.#force = this.#clock.schedule(CLOSE_MS_MAX, () => this.terminate());
    try {
      this.#socket.close(code, closeReason(reason));
    } catch {
      this.#socket.close(PRIVATE_CODES + code, closeReason(reason));
    }
  }

  terminate(): void {
    if (this.#hasEnded) return;
    this.#isClosing = true;
    if (this.#socket.terminate === undefined) this.#socket.close(PRIVATE_CODES + CLOSE_CODES.policyViolation, '');
    else this.#socket.terminate();
    // A peer that is gone for good may never be told of.
    queueMicrotask(() => this.onClose());
  }

  #lookLater(): void {
    this.#look ??= this.#clock.schedule(DRAIN_LOOK_MS, () => {
      this.#look = undefined;
      if (this.#hasEnded) return;
      if (this.bufferedBytes > 0) this.#lookLater();
      this.#sink.onDrain();
    });
  }
}

function joined(chunks: readonly Uint8Array[], byteLength: number): Uint8Array<ArrayBuffer> {
  const message = new Uint8Array(byteLength);
  let at = 0;
  for (const chunk of chunks) {
    message.set(chunk, at);
    at += chunk.byteLength;
  }
  return message;
}

function wrongKind(isText: boolean): string {
  return isText ? 'text messages are for the subprotocol json' : 'binary messages are for the subprotocol kafka';
}
