// The open connections of a broker, whichever listener they came by: their number and the request bytes they hold are
// bounded together, they are looked at once a second, and they end together. It knows no framing.

import {
  OUTBOUND_BYTES_HIGH,
  OUTBOUND_STUCK_MS_MAX,
  QUEUED_REQUEST_BYTES_MAX,
  REQUEST_BYTES_IN_FLIGHT_MAX,
  REQUEST_BYTES_WAITING_MAX,
  REQUESTS_IN_FLIGHT_MAX,
} from '../../core/limits.ts';
import type { Logger } from '../../core/logger.ts';
import type { ConnectionLimits } from '../../net/connection.ts';
import { CLOSE_CODES, type FrameSink, type FrameTransport } from '../../net/frame-transport.ts';
import { RequestMemory } from '../../net/request-memory.ts';
import { YoungCollector } from './young-collector.ts';

export interface ConnectionSetOptions {
  readonly logger: Logger;
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
  /** Returns why the connection must end, if it must. */
  tick(nowMs: number): string | undefined;
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
  readonly #timer: NodeJS.Timeout;
  #lastId = 0;
  #closing: Promise<void> | undefined;
  #whenEmpty: (() => void) | undefined;

  constructor(options: ConnectionSetOptions) {
    this.#logger = options.logger;
    this.connectionsMax = options.connectionsMax;
    const collector = new YoungCollector();
    const limit = boundOr(options.queuedRequestBytesMax, QUEUED_REQUEST_BYTES_MAX);
    this.memory = new RequestMemory(limit, (bytes, used) => collector.took(bytes, used));
    this.limits = {
      requestsInFlightMax: REQUESTS_IN_FLIGHT_MAX,
      requestBytesInFlightMax: REQUEST_BYTES_IN_FLIGHT_MAX,
      outboundBytesHigh: OUTBOUND_BYTES_HIGH,
      waitingBytesMax: REQUEST_BYTES_WAITING_MAX,
      outboundStuckMsMax: options.outboundStuckMsMax ?? OUTBOUND_STUCK_MS_MAX,
      idleMsMax: boundOr(options.idleMsMax, Number.POSITIVE_INFINITY),
    };
    this.#timer = setInterval(() => this.#tick(), TICK_MS).unref();
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
  }

  remove(id: number): void {
    this.#open.delete(id);
    if (this.#open.size === 0) this.#whenEmpty?.();
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
    const force = setTimeout(() => {
      for (const { transport } of this.#open.values()) transport.terminate();
    }, deadlineMs);
    if (this.#open.size > 0) await emptied;
    clearTimeout(force);
    clearInterval(this.#timer);
  }

  #tick(): void {
    const nowMs = performance.now();
    for (const [id, { clientHost, transport, sink }] of this.#open) {
      const reason = transport.tick(nowMs);
      if (reason === undefined) {
        sink.onTick(nowMs);
      } else {
        this.#logger.warn('connection closed', { connection: id, client: clientHost, reason });
        sink.close(CLOSE_CODES.policyViolation, reason);
      }
    }
  }
}
