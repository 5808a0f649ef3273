// From a request frame to its handler and back to a response frame: headers, versions, correlation, observation.
// It knows every API by its table alone.

import { LogFault } from '../core/fault.ts';
import type { Clock } from '../core/platform.ts';
import type { AnyApi } from '../protocol/api.ts';
import { bodyCodec } from '../protocol/fast-codec.ts';
import {
  type RequestHeader,
  readRequestHeader,
  responseHeaderVersion,
  writeResponseHeader,
} from '../protocol/headers.ts';
import { Reader } from '../protocol/reader.ts';
import type { Fields } from '../protocol/schema.ts';
import { TextCache } from '../protocol/text-cache.ts';
import { Writer } from '../protocol/writer.ts';
import { Call, type Handler } from './handler.ts';
import { type Listener, Pending } from './pending.ts';
import type { ConnectionContext, RequestObserver, Responder, ResponseFrame } from './request-handler.ts';
import type { BrokerServices, ServedApi } from './services.ts';

/** A handler whose messages are known to itself alone. */
export interface Route {
  readonly api: AnyApi;
  readonly served: ServedApi;
  /** Decodes the body and handles it; the value, or what it resolves with, is what `writeResponse` takes. */
  serve(services: BrokerServices, body: Reader, call: Call): unknown;
  writeResponse(writer: Writer, response: unknown, version: number): void;
}

/** Binds a handler to the codecs of its API. */
export function route<Request extends Fields, Response extends Fields>(handler: Handler<Request, Response>): Route {
  const { api, versions } = handler;
  const codec = bodyCodec(api, handler.fast);
  const { writeResponse }: Pick<Route, 'writeResponse'> = codec;
  return {
    api,
    served: {
      key: api.key,
      name: api.name,
      versionMin: versions[0],
      advertisedFrom: Math.min(api.advertisedFrom, versions[0]),
      versionMax: versions[1],
    },
    serve: (services, body, call) => handler.handle(services, codec.readRequest(body, call.version), call),
    writeResponse,
  };
}

export interface DispatchOptions {
  readonly routes: readonly Route[];
  readonly services: BrokerServices;
  readonly clock: Clock;
  readonly observer: RequestObserver;
  /** Answers an ApiVersions request whose version is not served (KIP-511): a value for version 0. */
  readonly unsupportedApiVersions: (services: BrokerServices, call: Call) => unknown;
}

const API_VERSIONS_KEY = 18;

/** A request whose header has been read, until it is answered. */
class Exchange implements Listener<unknown> {
  readonly route: Route;
  readonly header: RequestHeader;
  readonly call: Call;
  readonly startMs: number;
  readonly requestBytes: number;
  readonly #dispatch: Dispatch;
  readonly #responder: Responder;

  constructor(
    dispatch: Dispatch,
    responder: Responder,
    request: {
      readonly route: Route;
      readonly header: RequestHeader;
      readonly call: Call;
      readonly startMs: number;
      readonly requestBytes: number;
    },
  ) {
    this.#dispatch = dispatch;
    this.#responder = responder;
    this.route = request.route;
    this.header = request.header;
    this.call = request.call;
    this.startMs = request.startMs;
    this.requestBytes = request.requestBytes;
  }

  get isSupported(): boolean {
    return isServed(this.route.served, this.header.apiVersion);
  }

  fulfilled(response: unknown): void {
    let frame: ResponseFrame | undefined;
    try {
      frame = this.#dispatch.finish(this, response);
    } catch (error) {
      this.rejected(error);
      return;
    }
    this.#responder.fulfilled(frame);
  }

  rejected(fault: unknown): void {
    this.call.release?.();
    this.#responder.rejected(fault);
  }
}

export class Dispatch {
  readonly #options: DispatchOptions;
  readonly #routes: (Route | undefined)[] = [];
  readonly #find = (key: number): AnyApi | undefined => this.#routes[key]?.api;
  readonly #writer = new Writer();
  readonly #texts = new TextCache();

  constructor(options: DispatchOptions) {
    this.#options = options;
    for (const each of options.routes) this.#routes[each.api.key] = each;
  }

  /** Serves one frame. Rejects with LogFault ERR_MALFORMED_FRAME or ERR_UNSUPPORTED when it cannot be answered. */
  handle(frame: Uint8Array, connection: ConnectionContext): Promise<ResponseFrame | undefined> {
    return new Promise((fulfilled, rejected) => this.serve(frame, connection, { fulfilled, rejected }));
  }

  /** As {@link handle}; the responder is never called before this returns. */
  serve(frame: Uint8Array, connection: ConnectionContext, responder: Responder): void {
    let exchange: Exchange | undefined;
    try {
      const reader = new Reader(frame);
      reader.texts = this.#texts;
      exchange = this.#receive(reader, connection, responder);
      this.#await(exchange, this.#start(exchange, reader));
    } catch (error) {
      const failed = exchange ?? responder;
      queueMicrotask(() => failed.rejected(error));
    }
  }

  #receive(reader: Reader, connection: ConnectionContext, responder: Responder): Exchange {
    const startMs = this.#options.clock.monotonic();
    const header = readRequestHeader(reader, this.#find);
    const found = this.#routes[header.apiKey];
    if (found === undefined) throw new LogFault('ERR_UNSUPPORTED', `API key ${header.apiKey} is not served`);
    const call = new Call(header.apiVersion, header.clientId, connection);
    const requestBytes = reader.bytes.length;
    return new Exchange(this, responder, { route: found, header, call, startMs, requestBytes });
  }

  #start(exchange: Exchange, body: Reader): unknown {
    const { route: found, call } = exchange;
    if (!exchange.isSupported) return this.#unsupported(found, call);
    return found.serve(this.#options.services, body, call);
  }

  #await(exchange: Exchange, value: unknown): void {
    if (value instanceof Pending && !value.isSettled) {
      value.listen(exchange);
      return;
    }
    const settled = value instanceof Pending ? undefined : value;
    Promise.resolve(settled).then(
      (response) => {
        if (value instanceof Pending) value.listen(exchange);
        else exchange.fulfilled(response);
      },
      (error: unknown) => exchange.rejected(error),
    );
  }

  /** The frame of a response, after the request has been counted. */
  finish(exchange: Exchange, response: unknown): ResponseFrame | undefined {
    const { call, header } = exchange;
    const answer = response === undefined ? undefined : this.#encode(exchange, response);
    this.#options.observer.observe({
      api: exchange.route.api.name,
      version: header.apiVersion,
      requestBytes: exchange.requestBytes,
      responseBytes: answer?.byteLength ?? 0,
      elapsedMs: this.#options.clock.monotonic() - exchange.startMs,
      errorCode: call.errorCode,
    });
    if (answer === undefined) call.release?.();
    return answer;
  }

  /** Nothing but ApiVersions can be answered in a version that is not served: nobody could decode it. */
  #unsupported({ api, served }: Route, call: Call): unknown {
    if (api.key === API_VERSIONS_KEY) return this.#options.unsupportedApiVersions(this.#options.services, call);
    throw new LogFault(
      'ERR_UNSUPPORTED',
      `${api.name} is served in versions ${served.versionMin} to ${served.versionMax}, not ${call.version}`,
    );
  }

  #encode({ route: found, header, call, isSupported }: Exchange, response: unknown): ResponseFrame {
    const writer = this.#writer;
    const version = isSupported ? header.apiVersion : 0;
    try {
      writeResponseHeader(writer, header.correlationId, responseHeaderVersion(found.api, version));
      found.writeResponse(writer, response, version);
    } catch (error) {
      writer.discard();
      throw error;
    }
    const byteLength = writer.length;
    return { chunks: writer.finishParts(), byteLength, release: call.release };
  }
}

function isServed(served: ServedApi, version: number): boolean {
  return version >= served.versionMin && version <= served.versionMax;
}
