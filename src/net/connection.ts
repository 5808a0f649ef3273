// One client's connection that speaks Kafka frames: requests in, responses out in the order of the requests, with
// bounds on everything a client can make the broker hold. It knows frames and the RequestHandler, not the socket.
//
// What is bounded: requests in flight, their bytes, fetches in flight (one: their answers are large), unsent response
// bytes, and time without progress. Beyond a bound requests wait, a few without stopping to read, so that the end of a
// connection is noticed while its long poll waits; beyond a few the connection stops reading.

import type { ConnectionContext, RequestHandler, Responder, ResponseFrame } from '../broker/request-handler.ts';
import { type FaultCode, LogFault } from '../core/fault.ts';
import type { Logger } from '../core/logger.ts';
import { isFetch, isProduce } from './frame-kinds.ts';
import { CLOSE_CODES, type FrameSink, type FrameTransport } from './frame-transport.ts';
import { Liveness, type LivenessLimits } from './liveness.ts';
import type { MemoryHolder, RequestMemory } from './request-memory.ts';
import { NOTHING_SAVED, type SavedSession } from './saved-session.ts';

export interface ConnectionLimits extends LivenessLimits {
  readonly requestsInFlightMax: number;
  readonly requestBytesInFlightMax: number;
  readonly outboundBytesHigh: number;
  /** Requests that wait for one of these bounds are held up to this many bytes; beyond, reading pauses. */
  readonly waitingBytesMax: number;
}

export interface ConnectionParts {
  readonly transport: FrameTransport;
  readonly handler: RequestHandler;
  /** `closed` is the signal of `lifetime`. */
  readonly context: ConnectionContext;
  /** Aborted by the connection when it ends. */
  readonly lifetime: AbortController;
  readonly limits: ConnectionLimits;
  readonly memory: RequestMemory;
  readonly logger: Logger;
  /** Whether something is under way beside requests, so that the connection is not idle however silent. */
  readonly isBusy?: (() => boolean) | undefined;
  /** Told of each response handed to the transport. */
  readonly onAnswered?: ((response: ResponseFrame) => void) | undefined;
}

/** Faults that the client is told of; every other is ours, and is logged and not told. */
const FAULT_CLOSE_CODES: Readonly<Partial<Record<FaultCode, number>>> = {
  ERR_MALFORMED_FRAME: CLOSE_CODES.invalidPayload,
  ERR_UNSUPPORTED: CLOSE_CODES.policyViolation,
  ERR_BROKER: CLOSE_CODES.policyViolation,
  ERR_CLOSED: CLOSE_CODES.goingAway,
};

/** One request under way. Pooled, so that a request costs no closures. */
class Exchange implements Responder {
  next: Exchange | undefined = undefined;
  requestBytes = 0;
  /** The frame, where its memory can be used again once it is answered. */
  frame: Uint8Array | undefined = undefined;
  isFetch = false;
  isSettled = false;
  response: ResponseFrame | undefined = undefined;
  fault: unknown = undefined;
  readonly fulfilled: (response: ResponseFrame | undefined) => void;
  readonly rejected: (fault: unknown) => void;

  constructor(settled: (exchange: Exchange) => void) {
    this.fulfilled = (response) => {
      this.response = response;
      settled(this);
    };
    this.rejected = (fault) => {
      this.fault = fault ?? new Error('rejected without a reason');
      settled(this);
    };
  }
}

export class Connection implements FrameSink, MemoryHolder {
  readonly #transport: FrameTransport;
  readonly #handler: RequestHandler;
  readonly #context: ConnectionContext;
  readonly #lifetime: AbortController;
  readonly #limits: ConnectionLimits;
  readonly #memory: RequestMemory;
  readonly #logger: Logger;
  readonly #isBusyBeside: (() => boolean) | undefined;
  readonly #onAnswered: ((response: ResponseFrame) => void) | undefined;

  /** Requests under way in order of arrival; the head is the next to be answered. */
  #head: Exchange | undefined;
  #tail: Exchange | undefined;
  #free: Exchange | undefined;
  #inFlight = 0;
  #inFlightBytes = 0;
  #fetchesInFlight = 0;
  /** Bytes of responses that wait for an earlier one. */
  #settledBytes = 0;

  /** Frames read but not handled yet; consumed from `#waitingStart`. */
  #waiting: Uint8Array[] = [];
  #waitingStart = 0;
  #waitingBytes = 0;
  #isPaused = false;
  #awaitsHandler = false;
  #hasEnded = false;
  /** Why the connection will be closed once what is in flight has been answered. */
  #draining: { readonly code: number; readonly reason: string } | undefined;

  #framesReceived = 0;
  readonly #liveness: Liveness;

  readonly #settled = (exchange: Exchange): void => this.#settle(exchange);
  readonly #wake = (): void => {
    this.#awaitsHandler = false;
    this.#pump();
  };

  constructor(parts: ConnectionParts) {
    this.#transport = parts.transport;
    this.#handler = parts.handler;
    this.#context = parts.context;
    this.#lifetime = parts.lifetime;
    this.#limits = parts.limits;
    this.#memory = parts.memory;
    this.#logger = parts.logger;
    this.#isBusyBeside = parts.isBusy;
    this.#onAnswered = parts.onAnswered;
    this.#liveness = new Liveness(parts.limits);
    this.#memory.register(this);
  }

  /** A frame that is not whole, and requests that wait for this client to read its answers. */
  get parkedBytes(): number {
    return this.#transport.partialBytes + (this.#hasOutboundRoom() ? 0 : this.#waitingBytes);
  }

  evict(): void {
    this.#closeFor(CLOSE_CODES.policyViolation, 'request memory is exhausted');
    this.#transport.terminate();
  }

  onRoom(): void {
    this.#pump();
  }

  onFrame(frame: Uint8Array): void {
    if (this.#hasEnded || this.#draining !== undefined) return;
    this.#framesReceived += 1;
    this.#memory.take(frame.byteLength);
    if (this.#holdsBack || !this.#admits(frame)) {
      this.#waiting.push(frame);
      this.#waitingBytes += frame.byteLength;
      if (this.#waitingBytes > this.#limits.waitingBytesMax) this.#pause();
      return;
    }
    this.#start(frame);
    if (this.#memory.isFull) {
      this.#memory.waitForRoom(this);
      this.#pause();
    }
  }

  onDrain(): void {
    if (this.#holdsBack) this.#pump();
  }

  onClose(): void {
    if (!this.#hasEnded) this.#end();
  }

  onTick(nowMs: number): void {
    if (this.#hasEnded) return;
    const { bufferedBytes, sentBytes } = this.#transport;
    const isBusy = this.#inFlight > 0 || this.#isBusyBeside?.() === true;
    const view = { bufferedBytes, sentBytes, isBusy, messagesReceived: this.#framesReceived };
    const verdict = this.#liveness.check(nowMs, view);
    if (verdict === 'stuck') {
      this.#closeFor(CLOSE_CODES.policyViolation, 'responses are not read');
      this.#transport.terminate();
    } else if (verdict === 'idle') {
      this.close(CLOSE_CODES.goingAway, `idle for ${this.#limits.idleMsMax} ms`);
    }
  }

  close(code: number, reason: string): void {
    if (this.#hasEnded) return;
    this.#end();
    this.#transport.close(code, reason);
  }

  drain(code: number, reason: string): void {
    if (this.#hasEnded) return;
    this.#draining = { code, reason };
    this.#memory.release(this.#waitingBytes);
    this.#forgetWaiting();
    this.#lifetime.abort();
    this.#closeWhenDrained();
  }

  save(): SavedSession | undefined {
    const isEnding = this.#hasEnded || this.#draining !== undefined;
    const isBusy = this.#head !== undefined || this.#holdsBack || this.#transport.bufferedBytes > 0;
    return isEnding || isBusy ? undefined : NOTHING_SAVED;
  }

  #closeWhenDrained(): void {
    if (this.#draining !== undefined && this.#head === undefined)
      this.close(this.#draining.code, this.#draining.reason);
  }

  #closeFor(code: number, reason: string): void {
    this.#logger.warn('connection closed', { connection: this.#context.id, client: this.#context.clientHost, reason });
    this.close(code, reason);
  }

  #end(): void {
    this.#hasEnded = true;
    this.#memory.forget(this);
    this.#memory.release(this.#waitingBytes);
    this.#forgetWaiting();
    this.#lifetime.abort();
  }

  #forgetWaiting(): void {
    this.#waiting = [];
    this.#waitingStart = 0;
    this.#waitingBytes = 0;
  }

  /** Whether a frame that comes now has to wait for those before it. */
  get #holdsBack(): boolean {
    return this.#isPaused || this.#waiting.length > 0;
  }

  #hasOutboundRoom(): boolean {
    return this.#settledBytes + this.#transport.bufferedBytes <= this.#limits.outboundBytesHigh;
  }

  /** Whether this frame may be handled now. Where the handler is the one to wait for, it is waited for. */
  #admits(frame: Uint8Array): boolean {
    const limits = this.#limits;
    if (this.#inFlight > 0) {
      if (this.#inFlight >= limits.requestsInFlightMax) return false;
      if (this.#inFlightBytes + frame.byteLength > limits.requestBytesInFlightMax) return false;
      if (this.#fetchesInFlight > 0 && isFetch(frame)) return false;
    }
    if (this.#awaitsHandler || !this.#hasOutboundRoom()) return false;
    const writable = this.#handler.whenWritable();
    if (writable === undefined) return true;
    this.#awaitsHandler = true;
    writable.then(this.#wake, this.#wake);
    return false;
  }

  #start(frame: Uint8Array): void {
    const exchange = this.#takeExchange();
    exchange.requestBytes = frame.byteLength;
    exchange.isFetch = isFetch(frame);
    exchange.frame = isProduce(frame) ? frame : undefined;
    this.#inFlight += 1;
    this.#inFlightBytes += frame.byteLength;
    if (exchange.isFetch) this.#fetchesInFlight += 1;
    if (this.#tail === undefined) this.#head = exchange;
    else this.#tail.next = exchange;
    this.#tail = exchange;
    const handler = this.#handler;
    if (handler.serve !== undefined) handler.serve(frame, this.#context, exchange);
    else handler.handle(frame, this.#context).then(exchange.fulfilled, exchange.rejected);
  }

  #takeExchange(): Exchange {
    const free = this.#free;
    if (free === undefined) return new Exchange(this.#settled);
    this.#free = free.next;
    free.next = undefined;
    return free;
  }

  #settle(exchange: Exchange): void {
    exchange.isSettled = true;
    this.#memory.release(exchange.requestBytes);
    // After a fault an append may be under way still.
    if (exchange.frame !== undefined && exchange.fault === undefined) this.#transport.recycle?.(exchange.frame);
    exchange.frame = undefined;
    this.#settledBytes += exchange.response?.byteLength ?? 0;
    if (exchange !== this.#head) return;
    let settled: Exchange | undefined = exchange;
    while (settled?.isSettled) settled = this.#answer(settled);
    if (this.#draining !== undefined) this.#closeWhenDrained();
    else if (this.#holdsBack) this.#pump();
  }

  /** Sends the head's response, or closes for its fault; returns the next head. */
  #answer(exchange: Exchange): Exchange | undefined {
    const next = exchange.next;
    const { response, fault } = exchange;
    this.#head = next;
    if (next === undefined) this.#tail = undefined;
    this.#inFlight -= 1;
    this.#inFlightBytes -= exchange.requestBytes;
    if (exchange.isFetch) this.#fetchesInFlight -= 1;
    exchange.isSettled = false;
    exchange.response = undefined;
    exchange.fault = undefined;
    exchange.next = this.#free;
    this.#free = exchange;
    if (response !== undefined) {
      this.#settledBytes -= response.byteLength;
      if (this.#hasEnded) response.release?.();
      else this.#send(response);
    }
    if (fault !== undefined && !this.#hasEnded) this.#fail(fault);
    return next;
  }

  #send(response: ResponseFrame): void {
    this.#transport.send(response.chunks, response.byteLength, response.release);
    this.#onAnswered?.(response);
  }

  #fail(fault: unknown): void {
    const code = fault instanceof LogFault ? FAULT_CLOSE_CODES[fault.code] : undefined;
    if (fault instanceof LogFault && code !== undefined) {
      this.#closeFor(code, fault.message);
      return;
    }
    this.#logger.error('request failed', { connection: this.#context.id, error: fault });
    this.#closeFor(CLOSE_CODES.internalError, 'internal error');
  }

  /** Handles what waits, as far as the limits allow, and reads on once nothing does. */
  #pump(): void {
    while (this.#waitingStart < this.#waiting.length) {
      const frame = this.#waiting[this.#waitingStart];
      if (frame === undefined || !this.#admits(frame)) return;
      this.#waitingStart += 1;
      this.#waitingBytes -= frame.byteLength;
      this.#start(frame);
    }
    if (this.#hasEnded) return;
    this.#forgetWaiting();
    if (!this.#isPaused) return;
    if (this.#memory.isFull) {
      this.#memory.waitForRoom(this);
      return;
    }
    this.#isPaused = false;
    this.#transport.resume();
  }

  #pause(): void {
    if (this.#isPaused) return;
    this.#isPaused = true;
    this.#transport.pause();
  }
}
