// A broker in a Durable Object: opened when something comes, closed in order when nothing has come for a while, so that
// the runtime can take the object out of memory while its WebSockets stay open. It owns the way between the runtime's
// events and the broker's sessions, and when the broker sleeps; the class that the runtime sees is broker-object.ts.
//
//   asleep    no timer, no session; sockets stay, what their sessions need is in the sleep record
//   opening   events wait: the runtime holds them back (blockConcurrencyWhile)
//   awake     a timer looks whether anything has come
//   closing   events wait
//
// The runtime cannot lose an awake object without its sockets: while a timer is pending it does not evict, and an object
// that is reset takes its sockets with it. Should it find sockets without a sleep record all the same, it closes them
// with 1012, so that their clients connect anew.

import type { Client } from '../../client/client.ts';
import { STANDARD_RANDOM } from '../../client/client-random.ts';
import { createPortableCodecs } from '../../compression/portable-codecs.ts';
import type { BatchCodecs } from '../../core/compression.ts';
import { LogFault } from '../../core/fault.ts';
import type { LogFields, Logger } from '../../core/logger.ts';
import { type EmbeddedBroker, openEmbeddedBroker } from '../../embedded/embedded-broker.ts';
import { WebSocketSession } from '../../embedded/web-socket-session.ts';
import { CLOSE_CODES } from '../../net/frame-transport.ts';
import { type HttpResponse, textResponse, upgradeRequired } from '../../net/http.ts';
import type { SavedSession } from '../../net/saved-session.ts';
import { type Subprotocol, selectSubprotocol } from '../../net/subprotocol.ts';
import { ObjectClock } from './object-clock.ts';
import type { ObjectSocket, ObjectState } from './runtime.ts';
import { SleepRecord } from './sleep-record.ts';
import { type Attachment, readAttachment } from './socket-attachment.ts';
import { SqliteStore } from './sqlite-store.ts';

export interface ObjectBrokerOptions {
  /** `millrace.wasm`, as a bundler imports it: a compiled module. */
  readonly wasm: WebAssembly.Module;
  /** Broker configuration under Kafka's names, as written. */
  readonly config?: Readonly<Record<string, string>>;
  /** `zstd.wasm`, likewise. Without it batches under zstd are refused. */
  readonly zstdWasm?: WebAssembly.Module;
  /** Codecs in place of the broker's own. */
  readonly codecs?: BatchCodecs;
  /** By default warnings and errors go to the console. */
  readonly logger?: Logger;
  /** How long nothing must come before the object sleeps, in milliseconds. Default 10000. */
  readonly sleepAfterMs?: number;
  /** How often a sleeping object with partitions wakes for retention and compaction, in milliseconds. Default an hour. */
  readonly maintenanceMs?: number;
  /** Begins the names of its SQLite tables. Default `millrace`. */
  readonly tablePrefix?: string;
}

const SLEEP_AFTER_MS = 10_000;
const MAINTENANCE_MS = 3_600_000;
/** RFC 6455's registry: the service restarts, and the client may connect again. */
const SERVICE_RESTART = 1012;

const CONSOLE_LOGGER: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: (message, fields) => console.warn(line(message, fields)),
  error: (message, fields) => console.error(line(message, fields)),
};

interface Awake {
  readonly broker: EmbeddedBroker;
  readonly store: SqliteStore;
  readonly sessions: Map<ObjectSocket, WebSocketSession>;
  client: Client | undefined;
}

/** Makes the two ends of a WebSocket; the first is given to the client. */
export type MakeSocketPair = () => readonly [client: ObjectSocket, server: ObjectSocket];

export class ObjectBroker {
  readonly #state: ObjectState;
  readonly #options: ObjectBrokerOptions;
  readonly #makePair: MakeSocketPair;
  readonly #clock = new ObjectClock();
  readonly #prefix: string;
  readonly #record: SleepRecord;
  #awake: Awake | undefined;
  #opening: Promise<Awake> | undefined;
  #closing: Promise<void> = Promise.resolve();
  /** Monotonic time at which something last came or went. */
  #activeAtMs = 0;
  /** How long the latest sleep was. */
  #sleptMs = 0;
  /** Calls of {@link withClient} under way. */
  #users = 0;

  constructor(state: ObjectState, options: ObjectBrokerOptions, makePair: MakeSocketPair) {
    this.#state = state;
    this.#options = options;
    this.#makePair = makePair;
    this.#prefix = options.tablePrefix ?? 'millrace';
    this.#record = new SleepRecord(state.storage.sql, this.#prefix);
  }

  /** Answers a request: an upgrade to a WebSocket, or a word about what is here. */
  async fetch(request: Request): Promise<Response> {
    if (request.headers.get('upgrade')?.toLowerCase() === 'websocket') return this.#upgrade(request);
    if (request.method !== 'GET' && request.method !== 'HEAD') return respond(upgradeRequired());
    return respond(textResponse(200, 'a Millrace broker: open a WebSocket with the subprotocol kafka or json'));
  }

  async #upgrade(request: Request): Promise<Response> {
    const header = request.headers.get('sec-websocket-protocol') ?? undefined;
    const subprotocol = selectSubprotocol(header);
    if (subprotocol === undefined) {
      return respond(textResponse(400, 'unknown subprotocol: use kafka, json, or none for json'));
    }
    const awake = this.#awake ?? (await this.#wake());
    const { refusal } = awake.broker;
    if (refusal !== undefined) return respond(textResponse(503, refusal, { 'retry-after': '1' }));
    const [client, server] = this.#makePair();
    this.#state.acceptWebSocket(server);
    const attachment = attachmentOf(request, subprotocol);
    server.serializeAttachment(attachment);
    this.#attach(awake, server, attachment);
    const headers: Record<string, string> = header === undefined ? {} : { 'sec-websocket-protocol': subprotocol };
    const init: ResponseInit & { readonly webSocket: ObjectSocket } = { status: 101, headers, webSocket: client };
    return new Response(null, init);
  }

  /** A message has come on one of the object's sockets. */
  message(socket: ObjectSocket, message: string | ArrayBuffer): void | Promise<void> {
    if (this.#awake !== undefined) this.#deliver(this.#awake, socket, message);
    else return this.#wake().then((awake) => this.#deliver(awake, socket, message));
  }

  #deliver(awake: Awake, socket: ObjectSocket, message: string | ArrayBuffer): void {
    this.#noteActivity();
    awake.sessions.get(socket)?.onMessage(message);
  }

  /** One of the object's sockets has ended. */
  closed(socket: ObjectSocket): void {
    const session = this.#awake?.sessions.get(socket);
    if (session !== undefined) session.onClose();
    else this.#record.forget(readAttachment(socket)?.key ?? '-');
    this.#awake?.sessions.delete(socket);
  }

  /** The time for maintenance has come: what was due while the object slept runs now. */
  async alarm(): Promise<void> {
    if (this.#awake !== undefined) return;
    await this.#wake();
    this.#clock.advance(this.#sleptMs);
  }

  /** Runs `action` with a client of this broker. The object stays awake until it settles. */
  async withClient<T>(action: (client: Client) => Promise<T>): Promise<T> {
    this.#users += 1;
    try {
      const awake = this.#awake ?? (await this.#wake());
      awake.client ??= awake.broker.client();
      return await action(awake.client);
    } finally {
      this.#users -= 1;
      this.#noteActivity();
    }
  }

  get isAwake(): boolean {
    return this.#awake !== undefined;
  }

  #noteActivity(): void {
    this.#activeAtMs = this.#clock.monotonic();
  }

  #wake(): Promise<Awake> {
    this.#opening ??= this.#closing
      .then(() => this.#state.blockConcurrencyWhile(() => this.#open()))
      .finally(() => {
        this.#opening = undefined;
      });
    return this.#opening;
  }

  async #open(): Promise<Awake> {
    const { wasm, zstdWasm, config = {}, codecs = createPortableCodecs(wasm, zstdWasm) } = this.#options;
    const logger = this.#logger;
    const sleep = this.#record.take();
    this.#sleptMs = sleep === undefined ? 0 : Math.max(0, this.#clock.now() - sleep.sinceMs);
    const store = new SqliteStore(this.#state.storage, { prefix: this.#prefix });
    const path = `object ${this.#state.id.toString()}`;
    const broker = await openEmbeddedBroker({
      ...{ store, path, wasm, config, codecs, logger, clock: this.#clock, random: STANDARD_RANDOM },
    });
    const awake: Awake = { broker, store, sessions: new Map(), client: undefined };
    this.#awake = awake;
    for (const socket of this.#state.getWebSockets()) this.#reattach(awake, socket, sleep?.sessions);
    this.#noteActivity();
    this.#watch(awake);
    return awake;
  }

  /** Opens a session for a socket that outlived the one before. Sockets that are not the broker's are left alone. */
  #reattach(awake: Awake, socket: ObjectSocket, sessions: ReadonlyMap<string, SavedSession> | undefined): void {
    const attachment = readAttachment(socket);
    if (attachment === undefined) return;
    const saved = sessions?.get(attachment.key);
    if (saved === undefined) closeSocket(socket, SERVICE_RESTART, 'the broker was restarted: connect again');
    else this.#attach(awake, socket, attachment, saved);
  }

  #attach(awake: Awake, socket: ObjectSocket, attachment: Attachment, saved?: SavedSession): void {
    const session = new WebSocketSession({
      ...attachment,
      broker: awake.broker,
      socket: {
        get bufferedAmount() {
          return socket.bufferedAmount;
        },
        send: (message) => {
          this.#noteActivity();
          sendOrClose(socket, message);
        },
        close: (code, reason) => socket.close(code, reason),
      },
      clock: this.#clock,
      saved,
    });
    awake.sessions.set(socket, session);
    this.#noteActivity();
  }

  #watch(awake: Awake): void {
    const { sleepAfterMs = SLEEP_AFTER_MS } = this.#options;
    const idleMs = this.#clock.monotonic() - this.#activeAtMs;
    this.#clock.schedule(Math.max(1, sleepAfterMs - idleMs), () => {
      const saved = this.#savedSessions(awake);
      const isIdle = this.#clock.monotonic() - this.#activeAtMs >= sleepAfterMs && this.#users === 0;
      if (isIdle && saved !== undefined) this.#sleep(awake, saved);
      else this.#watchLater(awake, isIdle);
    });
  }

  /** A session is busy, or somebody uses the client: looked at again after as long. */
  #watchLater(awake: Awake, isIdle: boolean): void {
    if (isIdle || this.#users > 0) this.#noteActivity();
    this.#watch(awake);
  }

  /** What every session needs, by the key of its socket; undefined where one of them is busy. */
  #savedSessions({ sessions }: Awake): Map<string, SavedSession> | undefined {
    const saved = new Map<string, SavedSession>();
    for (const [socket, session] of sessions) {
      const key = readAttachment(socket)?.key;
      const state = session.save();
      if (key === undefined || state === undefined) return undefined;
      saved.set(key, state);
    }
    return saved;
  }

  /** The runtime resets an object whose sleep fails, as it does one that fails to open. */
  #sleep(awake: Awake, sessions: ReadonlyMap<string, SavedSession>): void {
    this.#awake = undefined;
    this.#closing = this.#state.blockConcurrencyWhile(() => this.#close(awake, sessions));
    this.#closing.catch((error: unknown) => this.#logger.error('the object could not be closed', { error }));
  }

  async #close(awake: Awake, sessions: ReadonlyMap<string, SavedSession>): Promise<void> {
    for (const session of awake.sessions.values()) session.detach();
    awake.client?.close();
    await awake.broker.close();
    this.#clock.cancelAll();
    const hasPartitions = awake.store.list('').some(({ isDirectory }) => isDirectory);
    awake.store.close();
    const sinceMs = this.#clock.now();
    this.#record.write({ sinceMs, sessions });
    if (hasPartitions) await this.#state.storage.setAlarm(sinceMs + this.#maintenanceMs);
  }

  get #logger(): Logger {
    return this.#options.logger ?? CONSOLE_LOGGER;
  }

  get #maintenanceMs(): number {
    return this.#options.maintenanceMs ?? MAINTENANCE_MS;
  }
}

function attachmentOf(request: Request, subprotocol: Subprotocol): Attachment {
  const url = new URL(request.url);
  return {
    key: crypto.randomUUID(),
    subprotocol,
    clientHost: request.headers.get('cf-connecting-ip') ?? 'unknown',
    localHost: url.hostname.replace(/^\[|\]$/g, ''),
    localPort: url.port === '' ? (url.protocol === 'http:' ? 80 : 443) : Number(url.port),
  };
}

/** A socket that has ended throws before the runtime tells of its end, and one that cannot take a message must end. */
function sendOrClose(socket: ObjectSocket, message: string | Uint8Array<ArrayBuffer>): void {
  try {
    socket.send(message);
  } catch {
    closeSocket(socket, CLOSE_CODES.internalError, 'a message could not be sent');
  }
}

function closeSocket(socket: ObjectSocket, code: number, reason: string): void {
  try {
    socket.close(code, reason);
  } catch {
    // It has ended already.
  }
}

function respond({ status, headers, body }: HttpResponse): Response {
  return new Response(body, { status, headers });
}

function line(message: string, fields: LogFields = {}): string {
  const shown = Object.entries(fields).map(([name, value]) => `${name}=${words(value)}`);
  return `millrace: ${[message, ...shown].join(' ')}`;
}

function words(value: unknown): string {
  if (value instanceof LogFault) return `${value.code} ${value.message}`;
  return value instanceof Error ? (value.stack ?? value.message) : String(value);
}
