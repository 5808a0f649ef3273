// From a request frame to its handler and back to a response frame: headers, versions, correlation, observation.
// It knows every API by its table alone.

import { LogFault } from '../core/fault.ts';
import type { Clock } from '../core/platform.ts';
import type { AnyApi } from '../protocol/api.ts';
import {
  type RequestHeader,
  readRequestHeader,
  responseHeaderVersion,
  writeResponseHeader,
} from '../protocol/headers.ts';
import { Reader } from '../protocol/reader.ts';
import type { Fields } from '../protocol/schema.ts';
import { Writer } from '../protocol/writer.ts';
import { Call, type Handler } from './handler.ts';
import type { ConnectionContext, RequestObserver, ResponseFrame } from './request-handler.ts';
import type { BrokerServices, ServedApi } from './services.ts';

/** A handler whose messages are known to itself alone. */
export interface Route {
  readonly api: AnyApi;
  readonly served: ServedApi;
  /** Decodes the body and handles it; the value is what the API's response codec takes. */
  serve(services: BrokerServices, body: Reader, call: Call): unknown;
}

/** Binds a handler to the codecs of its API. */
export function route<Request extends Fields, Response extends Fields>(handler: Handler<Request, Response>): Route {
  const { api, versions } = handler;
  return {
    api,
    served: {
      key: api.key,
      name: api.name,
      versionMin: versions[0],
      advertisedFrom: Math.min(api.advertisedFrom, versions[0]),
      versionMax: versions[1],
    },
    serve: (services, body, call) => handler.handle(services, api.decodeRequest(body, call.version), call),
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

/** A request whose header has been read. */
interface ReceivedRequest {
  readonly reader: Reader;
  readonly header: RequestHeader;
  readonly call: Call;
  readonly startMs: number;
  readonly requestBytes: number;
}

const API_VERSIONS_KEY = 18;

export class Dispatch {
  readonly #options: DispatchOptions;
  readonly #routes: (Route | undefined)[] = [];
  readonly #find = (key: number): AnyApi | undefined => this.#routes[key]?.api;
  readonly #writer = new Writer();

  constructor(options: DispatchOptions) {
    this.#options = options;
    for (const each of options.routes) this.#routes[each.api.key] = each;
  }

  /** Serves one frame. Throws LogFault ERR_MALFORMED_FRAME or ERR_UNSUPPORTED when it cannot be answered. */
  async handle(frame: Uint8Array, connection: ConnectionContext): Promise<ResponseFrame | undefined> {
    const startMs = this.#options.clock.monotonic();
    const reader = new Reader(frame);
    const header = readRequestHeader(reader, this.#find);
    const found = this.#routes[header.apiKey];
    if (found === undefined) throw new LogFault('ERR_UNSUPPORTED', `API key ${header.apiKey} is not served`);
    const call = new Call(header.apiVersion, header.clientId, connection);
    try {
      return await this.#serve(found, { reader, header, call, startMs, requestBytes: frame.length });
    } catch (error) {
      call.release?.();
      throw error;
    }
  }

  async #serve(found: Route, request: ReceivedRequest): Promise<ResponseFrame | undefined> {
    const { reader, header, call, startMs, requestBytes } = request;
    const supported = isServed(found.served, header.apiVersion);
    const value = supported ? found.serve(this.#options.services, reader, call) : this.#unsupported(found, call);
    const response = value instanceof Promise ? await value : value;
    const answer =
      response === undefined
        ? undefined
        : this.#encode(found, header, { response, version: supported ? header.apiVersion : 0 });
    this.#options.observer.observe({
      api: found.api.name,
      version: header.apiVersion,
      requestBytes,
      responseBytes: answer?.byteLength ?? 0,
      elapsedMs: this.#options.clock.monotonic() - startMs,
      errorCode: call.errorCode,
    });
    if (call.release === undefined) return answer;
    if (answer !== undefined) return { ...answer, release: call.release };
    call.release();
    return undefined;
  }

  /** Nothing but ApiVersions can be answered in a version that is not served: nobody could decode it. */
  #unsupported({ api, served }: Route, call: Call): unknown {
    if (api.key === API_VERSIONS_KEY) return this.#options.unsupportedApiVersions(this.#options.services, call);
    throw new LogFault(
      'ERR_UNSUPPORTED',
      `${api.name} is served in versions ${served.versionMin} to ${served.versionMax}, not ${call.version}`,
    );
  }

  #encode(
    { api }: Route,
    header: RequestHeader,
    { response, version }: { readonly response: unknown; readonly version: number },
  ): ResponseFrame {
    const writer = this.#writer;
    try {
      writeResponseHeader(writer, header.correlationId, responseHeaderVersion(api, version));
      api.writeResponse(writer, response, version);
    } catch (error) {
      writer.discard();
      throw error;
    }
    const byteLength = writer.length;
    return { chunks: writer.finish(), byteLength };
  }
}

function isServed(served: ServedApi, version: number): boolean {
  return version >= served.versionMin && version <= served.versionMax;
}
