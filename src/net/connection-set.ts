// The open connections of a broker, whichever listener they came by: their number and the request bytes they hold are
// bounded together, they are looked at once a second, and they end together. It knows no framing, and no runtime.

import {
  OUTBOUND_BYTES_HIGH,
  OUTBOUND_STUCK_MS_MAX,
  QUEUED_REQUEST_BYTES_MAX,
  REQUEST_BYTES_IN_FLIGHT_MAX,
  REQUEST_BYTES_WAITING_MAX,
  REQUESTS_IN_FLIGHT_MAX,
} from '../core/limits.ts';
import type { Logger } from '../core/logger.ts';
import type { Clock, TimerHandle } from '../core/platform.ts';
import type { ConnectionLimits } from './connection.ts';
import { CLOSE_CODES, type FrameSink, type FrameTransport } from './frame-transport.ts';
import { RequestMemory } from './request-memory.ts';

export interface ConnectionSetOptions {
  readonly logger: Logger;
  /** The time in which peers live: idleness, answers that are not read, the end of a close. */
  readonly clock: Clock;
  /** max.connections */
  readonly connectionsMax: number;
  /** connections.max.idle.ms; below 0 is without bound. */
  readonly idleMsMax: number;
  /** queued.max.request.bytes; below 0 is the set's own bound, because there has to be one. */
  readonly queuedRequestBytesMax: number;
  /** How long unsent responses may make no progress; given by tests alone. */
  readonly outboundStuckMsMax?: number | undefined;
}

/** A transport that looks at its peer once a second. */
export interface WatchedTransport extends FrameTransport {
  /** Returns why the connection must end, if it must. Absent where the runtime looks after its peers itself. */
  tick?(nowMs: number): string | undefined;
}

interface OpenConnection {
  readonly clientHost: string;
  readonly transport: WatchedTransport;
  readonly sink: FrameSink;
}

const TICK_MS = 1000;

/** Kafka writes -1 for "no bound" in some of its configs. */
function boundOr(value: number, unbounded: number): number {
  return value < 0 ? unbounded : value;
}

export class ConnectionSet {
  readonly memory: RequestMemory;
  /** max.connections */
  readonly connectionsMax: number;
  /** Bounds of each connection. */
  readonly limits: ConnectionLimits;
  readonly #logger: Logger;
  readonly #open = new Map<number, OpenConnection>();
  readonly #clock: Clock;
  /** Runs while there are connections: a set without any leaves its runtime in peace. */
  #timer: TimerHandle | undefined;
  #lastId = 0;
  #closing: Promise<void> | undefined;
  #whenEmpty: (() => void) | undefined;

  constructor(options: ConnectionSetOptions) {
    this.#logger = options.logger;
    this.#clock = options.clock;
    this.connectionsMax = options.connectionsMax;
    const limit = boundOr(options.queuedRequestBytesMax, QUEUED_REQUEST_BYTES_MAX);
    this.memory = new RequestMemory(limit);
    this.limits = {
      requestsInFlightMax: REQUESTS_IN_FLIGHT_MAX,
      requestBytesInFlightMax: REQUEST_BYTES_IN_FLIGHT_MAX,
      outboundBytesHigh: OUTBOUND_BYTES_HIGH,
      waitingBytesMax: REQUEST_BYTES_WAITING_MAX,
      outboundStuckMsMax: options.outboundStuckMsMax ?? OUTBOUND_STUCK_MS_MAX,
      idleMsMax: boundOr(options.idleMsMax, Number.POSITIVE_INFINITY),
    };
  }

  /** Connections open now. */
  get size(): number {
    return this.#open.size;
  }

  /** Connections opened since the start. */
  get acceptedCount(): number {
    return this.#lastId;
  }

  get isClosing(): boolean {
    return this.#closing !== undefined;
  }

  /** max.connections is reached: no other may be opened. */
  get isFull(): boolean {
    return this.#open.size >= this.connectionsMax;
  }

  /** An id for a connection that is about to be added. */
  nextId(): number {
    this.#lastId += 1;
    return this.#lastId;
  }

  add(id: number, connection: OpenConnection): void {
    this.#open.set(id, connection);
    this.#timer ??= this.#clock.schedule(TICK_MS, () => this.#tick());
  }

  remove(id: number): void {
    this.#open.delete(id);
    if (this.#open.size > 0) return;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#whenEmpty?.();
  }

  /** Ends every connection at once, without a word; returns how many there were. */
  terminateAll(): number {
    const open = [...this.#open.values()];
    for (const { transport } of open) transport.terminate();
    return open.length;
  }

  /** Answers what is in flight and closes all, by force after `deadlineMs`; resolves when all have ended. */
  close(deadlineMs: number): Promise<void> {
    this.#closing ??= this.#close(deadlineMs);
    return this.#closing;
  }

  async #close(deadlineMs: number): Promise<void> {
    const emptied = new Promise<void>((resolve) => {
      this.#whenEmpty = resolve;
    });
    for (const { sink } of this.#open.values()) sink.drain(CLOSE_CODES.goingAway, 'the broker is shutting down');
    if (this.#open.size === 0) return;
    const force = this.#clock.schedule(deadlineMs, () => {
      for (const { transport } of this.#open.values()) transport.terminate();
    });
    await emptied;
    force.cancel();
  }

  #tick(): void {
    this.#timer = this.#clock.schedule(TICK_MS, () => this.#tick());
    const nowMs = this.#clock.monotonic();
    for (const [id, { clientHost, transport, sink }] of this.#open) {
      const reason = transport.tick?.(nowMs);
      if (reason === undefined) {
        sink.onTick(nowMs);
      } else {
        this.#logger.warn('connection closed', { connection: id, client: clientHost, reason });
        sink.close(CLOSE_CODES.policyViolation, reason);
      }
    }
  }
}
