// What a transport needs from the broker, and nothing more: a frame in, a frame or nothing out.
// A frame is one Kafka request or response without the 4-byte length that TCP puts before it.

import type { FramePart } from '../core/file-range.ts';

/** A client's connection as the handlers see it; made by net/, one object for the life of the connection. */
export interface ConnectionContext {
  /** Unique while the process lives. */
  readonly id: number;
  /** Listener name, as in Kafka's `listeners`: `HTTP` for WebSocket, `PLAINTEXT` for TCP. */
  readonly listener: string;
  readonly clientHost: string;
  /** Host and port by which this client reached the broker, for answering Metadata where nothing is advertised. */
  readonly localHost: string;
  readonly localPort: number;
  /** Aborted when the connection ends: a long poll for nobody is given up. */
  readonly closed: AbortSignal;
  /** Whether record bytes of a response may be ranges of files: large ones cost less then. */
  readonly sendsFiles?: boolean | undefined;
}

export interface ResponseFrame {
  /** Parts of one frame, in order; record bytes are referred to, not copied. Files only where the connection sends them. */
  readonly chunks: readonly FramePart[];
  readonly byteLength: number;
  /** To be called once the chunks are not used any more, where it is there: what they show is then used again. */
  readonly release?: (() => void) | undefined;
}

/** Who waits for a response: exactly one of the two is called, once. */
export interface Responder {
  fulfilled(response: ResponseFrame | undefined): void;
  rejected(fault: unknown): void;
}

export interface RequestHandler {
  /**
   * Serves one request. Resolves with its response, or with undefined where the protocol has none (Produce with acks=0).
   * The frame must stay unchanged until then. Requests of one connection may be handled at the same time; the caller
   * sends the responses in the order of the requests.
   * @throws LogFault ERR_MALFORMED_FRAME when the frame cannot be understood: the connection is to be closed.
   */
  handle(frame: Uint8Array, context: ConnectionContext): Promise<ResponseFrame | undefined>;
  /** As {@link handle}, without a promise. The responder is never called before this returns. */
  serve?(frame: Uint8Array, context: ConnectionContext, responder: Responder): void;
  /** Undefined when bytes may be taken in now, else resolves when they may: readers pause meanwhile. */
  whenWritable(): Promise<void> | undefined;
}

/** One finished request, for metrics. */
export interface RequestObservation {
  readonly api: string;
  readonly version: number;
  readonly requestBytes: number;
  readonly responseBytes: number;
  readonly elapsedMs: number;
  /** Kafka error code of the response as a whole, or of its first failing part; 0 for none. */
  readonly errorCode: number;
}

export interface RequestObserver {
  observe(request: RequestObservation): void;
}
