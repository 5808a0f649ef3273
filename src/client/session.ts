// One live transport to a broker: correlation ids, pipelining, timeouts, negotiated versions. It ends for good with its
// transport; connection.ts makes the next one. What the messages mean is not its business.

import { LogFault } from '../core/fault.ts';
import type { Clock, TimerHandle } from '../core/platform.ts';
import type { Api } from '../protocol/api.ts';
import { decodeResponseFrame, encodeRequestFrame } from '../protocol/headers.ts';
import { apiVersions } from '../protocol/messages/18-api-versions.ts';
import type { Decoded, Encodable, Fields } from '../protocol/schema.ts';
import { Writer } from '../protocol/writer.ts';
import { BrokerFault } from './broker-fault.ts';
import type { BrokerAddress, ClientTransport, TransportOpener } from './transport.ts';

/** How often the deadlines of waiting requests are looked at, in milliseconds. */
const DEADLINE_TICK_MS = 100;
const CORRELATION_ID_MASK = 0x7fffffff;
const CORRELATION_ID_BYTES = 4;
const UNSUPPORTED_VERSION = 35;

export interface SessionOptions {
  readonly opener: TransportOpener;
  readonly address: BrokerAddress | undefined;
  readonly clientId: string;
  readonly requestTimeoutMs: number;
  readonly clock: Clock;
}

export interface RequestOptions {
  /** How long the answer may take; by default the client's `requestTimeoutMs`. */
  readonly timeoutMs?: number;
  /** Newest version to use, where the body cannot be carried by newer ones. */
  readonly versionMax?: number;
}

/** A request that waits for its response. */
interface Pending {
  readonly correlationId: number;
  readonly deadlineMs: number;
  receive(frame: Uint8Array): void;
  fail(fault: LogFault): void;
}

interface VersionRange {
  readonly minVersion: number;
  readonly maxVersion: number;
}

/** Requests and responses over one transport; the broker answers in the order of the requests. */
export class Session {
  readonly #options: SessionOptions;
  readonly #writer = new Writer();
  readonly #ranges = new Map<number, VersionRange>();
  #transport: ClientTransport | undefined;
  #pending: Pending[] = [];
  /** Index of the oldest request in `#pending`; those before it are answered. */
  #oldest = 0;
  #correlationId = 0;
  #timer: TimerHandle | undefined;
  #fault: LogFault | undefined;
  /** Called once when the session has ended. */
  onEnd: (fault: LogFault) => void = () => undefined;

  private constructor(options: SessionOptions) {
    this.#options = options;
  }

  /** Opens a transport and negotiates versions. Throws ERR_CONNECTION, ERR_TIMEOUT, ERR_UNSUPPORTED. */
  static async open(options: SessionOptions): Promise<Session> {
    const session = new Session(options);
    session.#transport = await options.opener.open(options.address, {
      onFrame: (frame) => session.#receive(frame),
      onClose: (fault) => session.#end(fault),
    });
    try {
      await session.#negotiate();
    } catch (error) {
      session.close();
      throw error;
    }
    return session;
  }

  get ended(): boolean {
    return this.#fault !== undefined;
  }

  /** Requests that wait for their responses. */
  get inFlight(): number {
    return this.#pending.length - this.#oldest;
  }

  /** Undefined while the transport takes more, else resolves when it does. */
  whenWritable(): Promise<void> | undefined {
    return this.#transport?.whenWritable();
  }

  /** The newest version that both sides speak. Throws ERR_UNSUPPORTED where there is none. */
  version(api: Api<Fields, Fields>, versionMax = Number.POSITIVE_INFINITY): number {
    const range = this.#ranges.get(api.key);
    const version = Math.min(api.versions[1], range?.maxVersion ?? -1, versionMax);
    if (range === undefined || version < Math.max(api.versions[0], range.minVersion)) {
      const theirs = range === undefined ? 'none' : `${range.minVersion} to ${range.maxVersion}`;
      const ours = `${api.versions[0]} to ${Math.min(api.versions[1], versionMax)}`;
      throw new LogFault('ERR_UNSUPPORTED', `${api.name}: the broker speaks versions ${theirs}, this client ${ours}`);
    }
    return version;
  }

  /** Sends a request at once, before this method returns; resolves with its decoded response. */
  request<Req extends Fields, Res extends Fields>(
    api: Api<Req, Res>,
    body: Encodable<Req>,
    options: RequestOptions = {},
  ): Promise<Decoded<Res>> {
    const version = this.version(api, options.versionMax);
    return this.#exchange(api, body, { version, timeoutMs: options.timeoutMs ?? this.#options.requestTimeoutMs });
  }

  /** Sends a request that has no response (Produce with acks=0). */
  post<Req extends Fields>(api: Api<Req, Fields>, body: Encodable<Req>, options: RequestOptions = {}): void {
    if (this.#fault !== undefined) throw this.#fault;
    const version = this.version(api, options.versionMax);
    this.#send(api, body, { version, correlationId: this.#nextCorrelationId() });
  }

  #exchange<Req extends Fields, Res extends Fields>(
    api: Api<Req, Res>,
    body: Encodable<Req>,
    { version, timeoutMs }: { readonly version: number; readonly timeoutMs: number },
  ): Promise<Decoded<Res>> {
    if (this.#fault !== undefined) return Promise.reject(this.#fault);
    return new Promise((resolve, reject) => {
      const correlationId = this.#nextCorrelationId();
      this.#send(api, body, { version, correlationId });
      this.#await({
        correlationId,
        deadlineMs: this.#options.clock.monotonic() + timeoutMs,
        receive: (frame) => resolve(decode(api, version, frame)),
        fail: reject,
      });
    });
  }

  #send<Req extends Fields>(
    api: Api<Req, Fields>,
    body: Encodable<Req>,
    { version, correlationId }: { readonly version: number; readonly correlationId: number },
  ): void {
    const clientId = this.#options.clientId;
    const parts = encodeRequestFrame(api, body, { version, correlationId, clientId, writer: this.#writer });
    this.#transport?.send(parts);
  }

  #nextCorrelationId(): number {
    this.#correlationId = (this.#correlationId + 1) & CORRELATION_ID_MASK;
    return this.#correlationId;
  }

  #await(pending: Pending): void {
    this.#pending.push(pending);
    this.#timer ??= this.#options.clock.schedule(DEADLINE_TICK_MS, () => this.#checkDeadlines());
  }

  /** A request that is late ends the session: what follows it on the wire waits behind it. */
  #checkDeadlines(): void {
    this.#timer = undefined;
    if (this.inFlight === 0) return;
    const now = this.#options.clock.monotonic();
    const late = this.#pending.findIndex((pending, index) => index >= this.#oldest && pending.deadlineMs <= now);
    if (late >= 0) this.#timeOut(late);
    else this.#timer = this.#options.clock.schedule(DEADLINE_TICK_MS, () => this.#checkDeadlines());
  }

  #timeOut(late: number): void {
    const name = this.#options.opener.name;
    const [pending] = this.#pending.splice(late, 1);
    pending?.fail(new LogFault('ERR_TIMEOUT', `${name} did not answer in time`));
    this.#end(new LogFault('ERR_CONNECTION', `${name} was given up: a request before this one was not answered`));
  }

  #receive(frame: Uint8Array): void {
    const pending = this.#pending[this.#oldest];
    if (
      pending === undefined ||
      frame.length < CORRELATION_ID_BYTES ||
      correlationIdOf(frame) !== pending.correlationId
    ) {
      const name = this.#options.opener.name;
      this.#end(new LogFault('ERR_MALFORMED_FRAME', `${name} sent a response that belongs to no request`));
      return;
    }
    this.#advance();
    try {
      pending.receive(frame);
    } catch (error) {
      const fault = error instanceof LogFault ? error : new LogFault('ERR_MALFORMED_FRAME', String(error), error);
      pending.fail(fault);
      this.#end(fault);
    }
  }

  /** The oldest request is answered; the list is cut down once half of it is done with. */
  #advance(): void {
    this.#oldest++;
    if (this.#oldest * 2 < this.#pending.length) return;
    this.#pending = this.#pending.slice(this.#oldest);
    this.#oldest = 0;
  }

  #end(fault: LogFault): void {
    if (this.#fault !== undefined) return;
    this.#fault = fault;
    this.#timer?.cancel();
    // After a failure requests are sent again elsewhere: this path must not bring them too, late and perhaps changed.
    if (fault.code === 'ERR_CLOSED') this.#transport?.close();
    else this.#transport?.abort();
    const waiting = this.#pending.slice(this.#oldest);
    this.#pending = [];
    this.#oldest = 0;
    for (const pending of waiting) pending.fail(fault);
    this.onEnd(fault);
  }

  close(): void {
    this.#end(new LogFault('ERR_CLOSED', `the connection to ${this.#options.opener.name} was closed`));
  }

  /** Learns the broker's versions, beginning with the newest request that this client knows (KIP-511). */
  async #negotiate(): Promise<void> {
    const newest = apiVersions.versions[1];
    const timeoutMs = this.#options.requestTimeoutMs;
    const body = { clientSoftwareName: 'millrace-client', clientSoftwareVersion: '0.1.0' };
    let response = await this.#exchange(apiVersions, body, { version: newest, timeoutMs });
    if (response.errorCode === UNSUPPORTED_VERSION) {
      const theirs = response.apiKeys.find((range) => range.apiKey === apiVersions.key)?.maxVersion ?? 0;
      response = await this.#exchange(apiVersions, body, { version: Math.min(theirs, newest), timeoutMs });
    }
    if (response.errorCode !== 0) throw new BrokerFault(response.errorCode, 'ApiVersions');
    for (const range of response.apiKeys) this.#ranges.set(range.apiKey, range);
  }
}

function correlationIdOf(frame: Uint8Array): number {
  return (((frame[0] ?? 0) << 24) | ((frame[1] ?? 0) << 16) | ((frame[2] ?? 0) << 8) | (frame[3] ?? 0)) & 0xffffffff;
}

function decode<Res extends Fields>(api: Api<Fields, Res>, version: number, frame: Uint8Array): Decoded<Res> {
  return decodeResponseFrame(api, refusesVersion(api, frame) ? 0 : version, frame).body;
}

/** Whether the frame is a broker's "I do not know this ApiVersions": its body is of version 0, whatever was asked. */
function refusesVersion(api: Api<Fields, Fields>, frame: Uint8Array): boolean {
  if (api.key !== apiVersions.key) return false;
  return ((frame[4] ?? 0) << 8) + (frame[5] ?? 0) === UNSUPPORTED_VERSION;
}
