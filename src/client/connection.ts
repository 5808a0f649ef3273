// A lasting connection to one broker: a session that is opened when it is needed, and again with back-off after it was
// lost. Requests that were under way fail with a retriable fault; sending them again is the caller's decision.

import { LogFault } from '../core/fault.ts';
import type { Clock, Random } from '../core/platform.ts';
import type { Api } from '../protocol/api.ts';
import type { Decoded, Encodable, Fields } from '../protocol/schema.ts';
import { type BackoffOptions, backoffMs } from './backoff.ts';
import { delay } from './client-clock.ts';
import { type RequestOptions, Session } from './session.ts';
import type { BrokerAddress, TransportOpener } from './transport.ts';

/** What all connections of a client have in common. */
export interface ConnectionOptions {
  readonly opener: TransportOpener;
  readonly clientId: string;
  readonly requestTimeoutMs: number;
  /** Requests that may wait for their responses at once; more are held back. */
  readonly inFlightMax: number;
  readonly reconnect: BackoffOptions;
  readonly clock: Clock;
  readonly random: Random;
}

export class Connection {
  readonly #options: ConnectionOptions;
  readonly #address: BrokerAddress | undefined;
  readonly #closing = new AbortController();
  #session: Session | undefined;
  #opening: Promise<Session> | undefined;
  /** Attempts in a row that failed. */
  #failures = 0;
  /** Whoever waits for a place among the requests in flight. */
  #waiting: (() => void)[] = [];
  /** Requests that could not go out at once and have not yet, oldest first. */
  readonly #held: { readonly go: (session: Session) => void; readonly fail: (error: unknown) => void }[] = [];
  #isPumping = false;

  /** `address` is undefined for the broker that the client was pointed at. Nothing is opened yet. */
  constructor(options: ConnectionOptions, address: BrokerAddress | undefined) {
    this.#options = options;
    this.#address = address;
  }

  /** Opens the connection unless it is open. Throws ERR_CONNECTION, ERR_TIMEOUT, ERR_UNSUPPORTED, ERR_CLOSED. */
  async open(): Promise<void> {
    await this.#ready();
  }

  /**
   * Sends a request, after those that were sent before it, and resolves with its response. Throws ERR_CONNECTION and
   * ERR_TIMEOUT, after which nobody knows whether the broker has acted on it.
   */
  request<Req extends Fields, Res extends Fields>(
    api: Api<Req, Res>,
    body: Encodable<Req>,
    options: RequestOptions = {},
  ): Promise<Decoded<Res>> {
    const session = this.#free();
    if (session === undefined) return this.#later((ready) => this.#exchange(() => ready.request(api, body, options)));
    return this.#exchange(() => session.request(api, body, options));
  }

  /** Sends a request that has no response (Produce with acks=0); resolves when the transport has taken it. */
  post<Req extends Fields>(api: Api<Req, Fields>, body: Encodable<Req>, options: RequestOptions = {}): Promise<void> {
    return this.#later(async (session) => {
      session.post(api, body, options);
      await session.whenWritable();
    });
  }

  /** The newest version of an API that both sides speak; opens the connection where it is not open. */
  async version(api: Api<Fields, Fields>): Promise<number> {
    return (await this.#ready()).version(api);
  }

  /** Ends the connection for good; requests under way fail with ERR_CLOSED. */
  close(): void {
    this.#closing.abort();
    this.#session?.close();
    this.#release(Number.POSITIVE_INFINITY);
  }

  /** The open session, where a request may go out on it at once. */
  #free(): Session | undefined {
    const session = this.#session;
    return session !== undefined && this.#held.length === 0 && this.#takes(session) ? session : undefined;
  }

  /** Requests that cannot go out at once do so in the order of their calls, and none that comes later goes before. */
  #later<T>(send: (session: Session) => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const go = (session: Session): void => {
        try {
          resolve(send(session));
        } catch (error) {
          reject(error);
        }
      };
      this.#held.push({ go, fail: reject });
      if (!this.#isPumping) void this.#pump();
    });
  }

  async #pump(): Promise<void> {
    this.#isPumping = true;
    while (this.#held.length > 0) {
      try {
        const session = await this.#whenFree();
        while (this.#held.length > 0 && this.#takes(session)) this.#held.shift()?.go(session);
      } catch (error) {
        for (const { fail } of this.#held.splice(0)) fail(error);
      }
    }
    this.#isPumping = false;
  }

  async #whenFree(): Promise<Session> {
    for (;;) {
      const session = await this.#ready();
      if (this.#takes(session)) return session;
      if (session.inFlight < this.#options.inFlightMax) await session.whenWritable();
      else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  #takes(session: Session): boolean {
    return !session.ended && session.inFlight < this.#options.inFlightMax && session.whenWritable() === undefined;
  }

  async #exchange<T>(send: () => Promise<T>): Promise<T> {
    try {
      return await send();
    } finally {
      this.#release(1);
    }
  }

  #release(count: number): void {
    for (const resolve of this.#waiting.splice(0, count)) resolve();
  }

  #ready(): Promise<Session> {
    if (this.#closing.signal.aborted) return Promise.reject(this.#closedFault());
    if (this.#session !== undefined && !this.#session.ended) return Promise.resolve(this.#session);
    this.#opening ??= this.#open().finally(() => {
      this.#opening = undefined;
    });
    return this.#opening;
  }

  async #open(): Promise<Session> {
    await this.#backOff();
    const { opener, clientId, requestTimeoutMs, clock } = this.#options;
    let session: Session;
    try {
      session = await Session.open({ opener, address: this.#address, clientId, requestTimeoutMs, clock });
    } catch (error) {
      this.#failures++;
      throw error;
    }
    return this.#adopt(session);
  }

  #adopt(session: Session): Session {
    if (this.#closing.signal.aborted) {
      session.close();
      throw this.#closedFault();
    }
    this.#failures = 0;
    this.#session = session;
    session.onEnd = () => {
      // The first attempt after a loss waits too: a broker that drops everybody is not to be stormed.
      this.#failures = 1;
      this.#release(Number.POSITIVE_INFINITY);
    };
    return session;
  }

  async #backOff(): Promise<void> {
    if (this.#failures === 0) return;
    const { reconnect, random, clock } = this.#options;
    await delay(clock, backoffMs(reconnect, this.#failures, random), this.#closing.signal);
    if (this.#closing.signal.aborted) throw this.#closedFault();
  }

  #closedFault(): LogFault {
    return new LogFault('ERR_CLOSED', `the connection to ${this.#options.opener.name} is closed`);
  }
}
