// The line between a connection (order, limits, back-pressure) and what carries its frames (WebSocket now, TCP later).
// A transport knows sockets and their framing and nothing of requests; a sink knows requests and nothing of sockets.

import type { FramePart } from '../core/file-range.ts';
import type { SavedSession } from './saved-session.ts';

/** Where frames go out. Every method may be called after the end and then does nothing. */
export interface FrameTransport {
  /** Bytes handed to `send` that the operating system has not taken yet. */
  readonly bufferedBytes: number;
  /** Bytes the operating system has taken so far: it grows while the peer reads. */
  readonly sentBytes: number;
  /** Bytes received of a frame that has not arrived whole. */
  readonly partialBytes: number;
  /**
   * Sends one frame. The chunks must stay unchanged until `release` is called: once they have left, or never will.
   * Frames of one tick may leave in one write. Ranges of files are among the chunks only where the transport's connection
   * has said that it sends them.
   */
  send(chunks: readonly FramePart[], byteLength: number, release?: () => void): void;
  /** A frame that was received is not used any more: its memory may take the next one. */
  recycle?(frame: Uint8Array): void;
  /** Stops reading. Frames of bytes already read may still arrive. */
  pause(): void;
  resume(): void;
  /** Ends the connection in order after what was sent, by force when the peer does not follow soon. */
  close(code: number, reason: string): void;
  /** Ends the connection at once. */
  terminate(): void;
}

/** Where frames come in: called by the transport, on one thread, never from inside a transport's method. */
export interface FrameSink {
  onFrame(frame: Uint8Array): void;
  /** `bufferedBytes` went down. */
  onDrain(): void;
  /** The transport has ended, for whatever reason. Called once. */
  onClose(): void;
  /** Called about once a second with monotonic milliseconds, for all that depends on time. */
  onTick(nowMs: number): void;
  /** Ends the connection in order: no more frames are taken, and the peer is told why. */
  close(code: number, reason: string): void;
  /** Takes no more frames, gives up long polls, answers what is in flight, and then closes. */
  drain(code: number, reason: string): void;
  /** What the session needs to go on over another transport; undefined while requests are under way, or it has ended. */
  save?(): SavedSession | undefined;
}

/** WebSocket close codes in use (RFC 6455 section 7.4.1). */
export const CLOSE_CODES = {
  goingAway: 1001,
  protocolError: 1002,
  unsupportedData: 1003,
  invalidPayload: 1007,
  policyViolation: 1008,
  messageTooBig: 1009,
  internalError: 1011,
} as const;

/** Longest close reason in UTF-8 bytes: a control frame carries 125 bytes, two of them the code (RFC 6455 5.5). */
const CLOSE_REASON_BYTES_MAX = 123;

/** Cuts a close reason to what a control frame carries, never inside a character. */
export function closeReason(reason: string): string {
  if (reason.length * 3 <= CLOSE_REASON_BYTES_MAX) return reason;
  const target = new Uint8Array(CLOSE_REASON_BYTES_MAX);
  const { read } = new TextEncoder().encodeInto(reason, target);
  return reason.slice(0, read);
}
