// What a broker answers on HTTP in runtimes whose servers speak in `Request` and `Response`: the resources of
// src/net/http.ts, who is let in, and which upgrades become WebSockets. It opens none itself.

import type { Logger } from '../../core/logger.ts';
import type { EmbeddedBroker } from '../../embedded/embedded-broker.ts';
import { type HttpResponse, type HttpService, routeHttp, textResponse, upgradeRequired } from '../../net/http.ts';
import { OriginPolicy, parseHost } from '../../net/origin.ts';
import { type Subprotocol, selectSubprotocol } from '../../net/subprotocol.ts';

export interface HttpFrontOptions {
  readonly broker: EmbeddedBroker;
  readonly service: HttpService;
  readonly logger: Logger;
  /** Origins let in beside the rule of src/net/origin.ts. */
  readonly allowOrigins: readonly string[];
  /** Names by which clients reach this broker. */
  readonly ownHosts: readonly string[];
  readonly isBoundToLoopback: boolean;
}

/** An upgrade that is let in. */
export interface Upgrade {
  readonly subprotocol: Subprotocol;
  /** The handshake must name this; undefined where the client has offered none. */
  readonly answeredSubprotocol: Subprotocol | undefined;
  /** By what the client reached the broker. */
  readonly localHost: string;
  readonly localPort: number;
}

export class HttpFront {
  readonly #options: HttpFrontOptions;
  readonly #policy: OriginPolicy;

  constructor(options: HttpFrontOptions) {
    this.#options = options;
    this.#policy = new OriginPolicy(options);
  }

  /** What becomes of a request: an upgrade to carry out, or the response. */
  async answer(request: Request): Promise<Upgrade | Response> {
    const { headers } = request;
    const decision = this.#policy.decide(header(headers, 'origin'), header(headers, 'host'));
    if (!decision.allowed) return written(request, textResponse(403, decision.reason));
    const wanted = header(headers, 'upgrade');
    if (wanted === undefined) return written(request, await this.#route(request));
    const upgrade = wanted.toLowerCase() === 'websocket' ? this.#upgrade(request) : upgradeRequired();
    return 'status' in upgrade ? written(request, upgrade) : upgrade;
  }

  async #route(request: Request): Promise<HttpResponse> {
    const { headers } = request;
    const { pathname, search } = new URL(request.url);
    const length = header(headers, 'content-length');
    const plain = {
      method: request.method,
      target: `${pathname}${search}`,
      hasBody: headers.has('transfer-encoding') || (length !== undefined && length !== '0'),
      isWebSocketKeyed: headers.has('sec-websocket-key'),
      host: header(headers, 'host'),
    };
    try {
      return await routeHttp(plain, this.#options.service);
    } catch (error) {
      this.#options.logger.error('HTTP request failed', { target: plain.target, error: String(error) });
      return textResponse(500, 'internal error');
    }
  }

  #upgrade(request: Request): Upgrade | HttpResponse {
    if (new URL(request.url).pathname !== '/') return textResponse(404, 'not found: the WebSocket is at /');
    const offered = header(request.headers, 'sec-websocket-protocol');
    const subprotocol = selectSubprotocol(offered);
    if (subprotocol === undefined) return textResponse(400, 'unknown subprotocol: use kafka, json, or none for json');
    const { refusal } = this.#options.broker;
    if (refusal !== undefined) return textResponse(503, refusal, { 'retry-after': '1' });
    const host = parseHost(header(request.headers, 'host'));
    return {
      subprotocol,
      answeredSubprotocol: offered === undefined || offered.trim() === '' ? undefined : subprotocol,
      localHost: host?.name.replace(/^\[|\]$/g, '') ?? 'localhost',
      localPort: host?.port ?? 80,
    };
  }
}

function header(headers: Headers, name: string): string | undefined {
  return headers.get(name) ?? undefined;
}

function written(request: Request, { status, headers, body }: HttpResponse): Response {
  const isEmpty = request.method === 'HEAD' || status === 204;
  return new Response(isEmpty ? null : body, { status, headers: { ...headers } });
}
