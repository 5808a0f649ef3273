// When a connection must be ended because nothing moves: answers that nobody reads, and idleness. Looked at about once
// a second, so that it costs the requests nothing but a counter.

export interface LivenessLimits {
  /** How long unsent bytes may make no progress. */
  readonly outboundStuckMsMax: number;
  /** connections.max.idle.ms */
  readonly idleMsMax: number;
}

/** What is looked at. */
export interface LivenessView {
  readonly bufferedBytes: number;
  readonly sentBytes: number;
  /** Grows with every message received. */
  readonly messagesReceived: number;
  /** Something is under way for the client: it is not idle however silent. */
  readonly isBusy: boolean;
}

export class Liveness {
  readonly #limits: LivenessLimits;
  #sentBytes = -1;
  #progressAtMs = 0;
  #messages = -1;
  #activeAtMs = 0;

  constructor(limits: LivenessLimits) {
    this.#limits = limits;
  }

  /** Whether the connection is to be ended at this time of a monotonic clock. */
  check(nowMs: number, view: LivenessView): 'alive' | 'stuck' | 'idle' {
    if (view.bufferedBytes === 0 || view.sentBytes !== this.#sentBytes) {
      this.#sentBytes = view.sentBytes;
      this.#progressAtMs = nowMs;
    } else if (nowMs - this.#progressAtMs >= this.#limits.outboundStuckMsMax) {
      return 'stuck';
    }
    if (view.isBusy || view.messagesReceived !== this.#messages) {
      this.#messages = view.messagesReceived;
      this.#activeAtMs = nowMs;
    } else if (nowMs - this.#activeAtMs >= this.#limits.idleMsMax) {
      return 'idle';
    }
    return 'alive';
  }
}
