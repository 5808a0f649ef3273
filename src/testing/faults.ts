// Faults that a test asks for, between the connections of clients and the broker: refusals, delays, requests that are held,
// connections that end before or after a request took effect. The fixture's own requests do not pass here.

import type { ConnectionContext, RequestHandler, ResponseFrame } from '../broker/request-handler.ts';
import { present } from '../core/assert.ts';
import { LogFault } from '../core/fault.ts';
import type { Clock } from '../core/platform.ts';
import { ERROR_CODES, type ErrorName } from '../protocol/errors.ts';
import { offsetCommit } from '../protocol/messages/08-offset-commit.ts';
import { txnOffsetCommit } from '../protocol/messages/28-txn-offset-commit.ts';
import { APIS } from '../protocol/messages/registry.ts';
import { apiKeyOf, type Forward, type Refusal, refuseCommit, refuseProduce, refuseTransactionEnd } from './refusals.ts';

/** A fault that was asked for. */
export interface Fault {
  /** How many requests it has met. */
  readonly count: number;
  /** Ends it; requests that it holds go on. */
  clear(): void;
}

/** Requests that are held back. */
export interface Hold extends Fault {
  /** Resolves when a request is held. */
  readonly arrived: Promise<void>;
  /** Lets go of what is held; later requests pass. */
  release(): void;
}

interface Times {
  /** How many requests it meets. */
  readonly times?: number | undefined;
}

export interface RefuseProduceOptions extends Times {
  /** Kafka's name of the error, for example `NOT_LEADER_OR_FOLLOWER`. */
  readonly error: ErrorName;
  /** By default every topic. The other topics of a request are produced to. */
  readonly topic?: string | undefined;
}

export interface FailCommitOptions extends Times {
  /** By default `COORDINATOR_NOT_AVAILABLE`, which clients try again. */
  readonly error?: ErrorName | undefined;
  /** By default every group. */
  readonly groupId?: string | undefined;
}

export interface FailTransactionEndOptions extends Times {
  /** By default `COORDINATOR_NOT_AVAILABLE`, which clients try again. */
  readonly error?: ErrorName | undefined;
  /** By default every producer. */
  readonly transactionalId?: string | undefined;
}

export interface ApiOptions extends Times {
  /** Kafka's name of the API, for example `Produce` or `JoinGroup`; by default all. */
  readonly api?: string | undefined;
}

export interface DelayOptions extends ApiOptions {
  /** In the time of the test's clock. */
  readonly ms: number;
}

export interface DropOptions extends ApiOptions {
  /** `after`: the request took effect and its answer is lost. By default `before`. */
  readonly when?: 'before' | 'after' | undefined;
}

/** What it does with a request; undefined: it is none of its business. */
type Act = (frame: Uint8Array, forward: Forward) => (() => Promise<ResponseFrame | undefined>) | undefined;

interface Planned {
  /** Undefined for every API. */
  readonly keys: ReadonlySet<number> | undefined;
  readonly act: Act;
  left: number;
  count: number;
}

export interface FaultsOptions {
  readonly clock: Clock;
  /** The name of a topic by its id, as Kafka prints it. */
  readonly topicName: (topicId: string) => string | undefined;
}

export class Faults {
  readonly #options: FaultsOptions;
  readonly #planned = new Set<Planned>();
  readonly #holds = new Set<HeldRequests>();

  constructor(options: FaultsOptions) {
    this.#options = options;
  }

  /** Answers produce requests with an error, by default the next one alone. Nothing of what is refused is in the log. */
  refuseProduce({ error, topic, times = 1 }: RefuseProduceOptions): Fault {
    const isRefused = ({ name, topicId }: { readonly name: string; readonly topicId: string }): boolean =>
      topic === undefined || topic === name || topic === this.#options.topicName(topicId);
    return this.#plan(['Produce'], times, refuseProduce({ errorCode: codeOf(error), isRefused }));
  }

  /** Answers commits of offsets with an error, within transactions too, by default the next one alone. */
  failCommit({ error = 'COORDINATOR_NOT_AVAILABLE', groupId, times = 1 }: FailCommitOptions = {}): Fault {
    const refusal = refuseCommit({ errorCode: codeOf(error), groupId });
    return this.#plan([offsetCommit.name, txnOffsetCommit.name], times, refusal);
  }

  /** Answers the end of a transaction with an error: it stays open. By default the next one alone. */
  failTransactionEnd(options: FailTransactionEndOptions = {}): Fault {
    const { error = 'COORDINATOR_NOT_AVAILABLE', transactionalId, times = 1 } = options;
    const refusal: Refusal = refuseTransactionEnd({ errorCode: codeOf(error), transactionalId });
    return this.#plan(['EndTxn'], times, refusal);
  }

  /** Lets requests wait before they take effect, by default all from now on. */
  delay({ api, ms, times = Number.POSITIVE_INFINITY }: DelayOptions): Fault {
    const wait = (): Promise<void> =>
      new Promise((resolve) => {
        this.#options.clock.schedule(ms, resolve);
      });
    return this.#plan(namesOf(api), times, (frame, forward) => () => wait().then(() => forward(frame)));
  }

  /** Holds requests until the test lets go of them, by default the next one alone. */
  hold({ api, times = 1 }: ApiOptions = {}): Hold {
    const held = new HeldRequests();
    this.#holds.add(held);
    const fault = this.#plan(namesOf(api), times, (frame, forward) => () => held.add().then(() => forward(frame)));
    const release = (): void => {
      fault.clear();
      this.#holds.delete(held);
      held.release();
    };
    return {
      get count() {
        return fault.count;
      },
      arrived: held.arrived,
      release,
      clear: release,
    };
  }

  /** Ends the connection of a request, by default of the next one and before it took effect. */
  dropConnection({ api, when = 'before', times = 1 }: DropOptions = {}): Fault {
    const drop = (): never => {
      throw new LogFault('ERR_CLOSED', 'the test drops the connection');
    };
    return this.#plan(
      namesOf(api),
      times,
      (frame, forward) => async () => (when === 'before' ? drop() : forward(frame).then(drop)),
    );
  }

  /** Ends every fault; requests that are held go on. */
  clear(): void {
    this.#planned.clear();
    for (const held of this.#holds) held.release();
    this.#holds.clear();
  }

  /** The broker as its clients meet it, faults included. */
  over(handler: RequestHandler): RequestHandler {
    return {
      handle: (frame, context) => this.#handle(handler, frame, context),
      whenWritable: () => handler.whenWritable(),
    };
  }

  #handle(handler: RequestHandler, frame: Uint8Array, context: ConnectionContext): Promise<ResponseFrame | undefined> {
    const forward: Forward = (request) => handler.handle(request, context);
    const key = apiKeyOf(frame);
    for (const planned of this.#planned) {
      if (planned.keys?.has(key) === false) continue;
      const answer = planned.act(frame, forward);
      if (answer === undefined) continue;
      planned.count += 1;
      planned.left -= 1;
      if (planned.left <= 0) this.#planned.delete(planned);
      return answer();
    }
    return forward(frame);
  }

  #plan(names: readonly string[] | undefined, times: number, act: Act): Fault {
    if (!(times >= 1)) throw new LogFault('ERR_USAGE', `a fault meets at least one request, not ${times}`);
    const keys = names && new Set(names.map(keyOf));
    const planned: Planned = { keys, act, left: times, count: 0 };
    this.#planned.add(planned);
    return {
      get count() {
        return planned.count;
      },
      clear: () => void this.#planned.delete(planned),
    };
  }
}

function codeOf(error: ErrorName): number {
  if (Object.hasOwn(ERROR_CODES, error)) return ERROR_CODES[error];
  throw new LogFault('ERR_USAGE', `Kafka has no error ${error}: take its name, such as NOT_LEADER_OR_FOLLOWER`);
}

function namesOf(api: string | undefined): readonly string[] | undefined {
  return api === undefined ? undefined : [api];
}

function keyOf(name: string): number {
  const found = APIS.find((api) => api.name === name);
  if (found !== undefined) return found.key;
  throw new LogFault(
    'ERR_USAGE',
    `Kafka has no API ${name} here: take one of ${APIS.map((api) => api.name).join(', ')}`,
  );
}

class HeldRequests {
  readonly arrived: Promise<void>;
  readonly #released: Promise<void>;
  #arrive: (() => void) | undefined;
  #release: (() => void) | undefined;

  constructor() {
    this.arrived = new Promise((resolve) => {
      this.#arrive = resolve;
    });
    this.#released = new Promise((resolve) => {
      this.#release = resolve;
    });
  }

  add(): Promise<void> {
    present(this.#arrive, 'resolver')();
    return this.#released;
  }

  release(): void {
    present(this.#release, 'resolver')();
  }
}
