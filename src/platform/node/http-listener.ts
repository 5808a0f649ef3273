// One HTTP server: binds, answers the resources of src/net/http.ts, and hands upgrades to the WebSocket listener.
// Slow and silent clients are timed out by node:http; every other bound is a named constant here.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { isIPv6 } from 'node:net';
import { hostname } from 'node:os';
import type { Duplex } from 'node:stream';
import type { RequestHandler } from '../../broker/request-handler.ts';
import { CONNECTION_IDLE_MS_MAX, CONNECTIONS_MAX, REQUEST_BYTES_MAX } from '../../core/limits.ts';
import type { Logger } from '../../core/logger.ts';
import { ConnectionSet } from '../../net/connection-set.ts';
import type { FrameSink } from '../../net/frame-transport.ts';
import { type HttpResponse, type HttpService, routeHttp, textResponse } from '../../net/http.ts';
import { isLoopbackHost, OriginPolicy } from '../../net/origin.ts';
import { formatAuthority, listenFault } from './addresses.ts';
import { systemClock } from './clock.ts';
import { type SessionParts, WebSocketListener } from './websocket-listener.ts';
import type { YoungCollector } from './young-collector.ts';

export interface HttpListenerOptions {
  /** Name or address to bind to; IPv6 with or without brackets. */
  readonly host: string;
  /** 0 picks a free port. */
  readonly port: number;
  readonly handler: RequestHandler;
  /** Makes the session of a `json` connection; absent, the subprotocol is refused. */
  readonly openJson?: ((parts: SessionParts) => FrameSink) | undefined;
  readonly service: HttpService;
  readonly logger: Logger;
  /** Origins let in beside the rule of src/net/origin.ts. */
  readonly allowOrigins?: readonly string[] | undefined;
  /** Further names by which clients reach this broker, such as its advertised host. */
  readonly ownHosts?: readonly string[] | undefined;
  /** Connections shared with other listeners; absent, the listener has its own, within the bounds that follow. */
  readonly connections?: ConnectionSet | undefined;
  /** Told of what is read from sockets, where somebody paces garbage collection by it. */
  readonly collector?: YoungCollector | undefined;
  /** max.connections */
  readonly connectionsMax?: number | undefined;
  /** connections.max.idle.ms; below 0 is without bound. */
  readonly idleMsMax?: number | undefined;
  /** socket.request.max.bytes */
  readonly requestBytesMax?: number | undefined;
  /** queued.max.request.bytes; below 0 is the listener's own bound, because there has to be one. */
  readonly queuedRequestBytesMax?: number | undefined;
  /** How long a client may take for its request headers. */
  readonly headersMsMax?: number | undefined;
  /** How long unsent responses may make no progress. */
  readonly outboundStuckMsMax?: number | undefined;
}

export interface HttpListener {
  /** Address bound to, as the operating system reports it. */
  readonly host: string;
  readonly port: number;
  /** `HOST:PORT` for a URL, IPv6 in brackets. */
  readonly authority: string;
  readonly webSockets: WebSocketListener;
  /** Stops accepting, closes its connections (WebSockets with 1001), and resolves when all connections have ended: by force at the deadline. */
  close(deadlineMs?: number): Promise<void>;
}

const HEADER_BYTES_MAX = 16 * 1024;
const HEADERS_MS_MAX = 10_000;
/** The body that is refused may still be sent by a client that does not listen. */
const REQUEST_MS_MAX = 15_000;
const KEEP_ALIVE_MS = 5_000;
/** Sockets beyond max.connections for health, metrics, and refusals that say why. */
const SPARE_SOCKETS = 256;
const CLOSE_MS_DEFAULT = 5_000;

/** Binds and serves. @throws LogFault ERR_LISTEN where the address cannot be bound. */
export async function listenHttp(options: HttpListenerOptions): Promise<HttpListener> {
  const host = options.host.replace(/^\[|\]$/g, '');
  const connectionsMax = options.connectionsMax ?? CONNECTIONS_MAX;
  const headersMsMax = options.headersMsMax ?? HEADERS_MS_MAX;
  const server = createServer({
    maxHeaderSize: HEADER_BYTES_MAX,
    headersTimeout: headersMsMax,
    requestTimeout: Math.max(REQUEST_MS_MAX, headersMsMax),
    keepAliveTimeout: KEEP_ALIVE_MS,
    connectionsCheckingInterval: Math.min(1000, headersMsMax),
    noDelay: true,
  });
  server.maxConnections = connectionsMax + SPARE_SOCKETS;
  await bind(server, host, options.port);
  return new NodeHttpListener(server, { ...options, host, connectionsMax });
}

function bind(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const refused = (error: NodeJS.ErrnoException): void => reject(listenFault(error, formatAuthority(host, port)));
    server.once('error', refused);
    server.listen({ host, port, backlog: 1024 }, () => {
      server.off('error', refused);
      resolve();
    });
  });
}

class NodeHttpListener implements HttpListener {
  readonly host: string;
  readonly port: number;
  readonly authority: string;
  readonly webSockets: WebSocketListener;
  readonly #connections: ConnectionSet;
  readonly #server: Server;
  readonly #service: HttpService;
  readonly #logger: Logger;
  readonly #policy: OriginPolicy;

  constructor(server: Server, options: HttpListenerOptions & { readonly connectionsMax: number }) {
    const address = server.address();
    const bound =
      typeof address === 'object' && address !== null ? address : { address: options.host, port: options.port };
    this.host = bound.address;
    this.port = bound.port;
    this.authority = formatAuthority(bound.address, bound.port);
    this.#server = server;
    this.#service = options.service;
    this.#logger = options.logger;
    this.#policy = new OriginPolicy({
      allowOrigins: options.allowOrigins ?? [],
      ownHosts: [options.host, hostname(), ...(options.ownHosts ?? [])],
      isBoundToLoopback: isLoopbackHost(isIPv6(bound.address) ? `[${bound.address}]` : bound.address),
    });
    this.#connections =
      options.connections ??
      new ConnectionSet({
        logger: options.logger,
        clock: systemClock,
        connectionsMax: options.connectionsMax,
        idleMsMax: options.idleMsMax ?? CONNECTION_IDLE_MS_MAX,
        queuedRequestBytesMax: options.queuedRequestBytesMax ?? -1,
        outboundStuckMsMax: options.outboundStuckMsMax,
      });
    this.webSockets = new WebSocketListener({
      handler: options.handler,
      openJson: options.openJson,
      logger: options.logger,
      connections: this.#connections,
      collector: options.collector,
      requestBytesMax: options.requestBytesMax ?? REQUEST_BYTES_MAX,
    });
    server.on('request', (request, response) => void this.#respond(request, response));
    server.on('upgrade', (request, socket, head) => this.#upgrade(request, socket, head));
    server.on('clientError', (error, socket) => this.#refuseGarbage(error, socket));
    server.on('error', (error) => this.#logger.error('HTTP listener failed', { error }));
  }

  async close(deadlineMs = CLOSE_MS_DEFAULT): Promise<void> {
    const closed = new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
    });
    this.#server.closeIdleConnections();
    await this.#connections.close(deadlineMs);
    this.#server.closeAllConnections();
    await closed;
  }

  async #respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { status, headers, body } = await this.#route(request).catch((error: unknown): HttpResponse => {
      this.#logger.error('HTTP request failed', { target: request.url, error });
      return textResponse(500, 'internal error');
    });
    const bytes = Buffer.from(body);
    response.writeHead(status, { ...headers, 'content-length': String(bytes.byteLength) });
    response.end(request.method === 'HEAD' ? undefined : bytes);
  }

  async #route(request: IncomingMessage): Promise<HttpResponse> {
    const { headers } = request;
    const decision = this.#policy.decide(headers.origin, headers.host);
    if (!decision.allowed) return textResponse(403, decision.reason);
    const length = headers['content-length'];
    return routeHttp(
      {
        method: request.method ?? 'GET',
        target: request.url ?? '/',
        hasBody: headers['transfer-encoding'] !== undefined || (length !== undefined && length !== '0'),
        isWebSocketKeyed: headers['sec-websocket-key'] !== undefined,
        host: headers.host,
      },
      this.#service,
    );
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    if (this.webSockets.isLoaded) {
      this.#decide(request, socket, head);
      return;
    }
    // Nobody else hears of errors of this socket now; it is destroyed by them.
    const failed = (error: unknown): void => this.#logger.debug('socket failed', { error });
    socket.on('error', failed);
    this.webSockets
      .load()
      .then(() => {
        socket.off('error', failed);
        if (!socket.destroyed) this.#decide(request, socket, head);
      })
      .catch((error: unknown) => {
        this.#logger.error('WebSocket upgrade failed', { error });
        socket.destroy();
      });
  }

  #decide(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const decision = this.#policy.decide(request.headers.origin, request.headers.host);
    const refusal = decision.allowed ? this.#open(request, socket, head) : textResponse(403, decision.reason);
    if (refusal !== undefined) refuse(socket, refusal);
  }

  #open(request: IncomingMessage, socket: Duplex, head: Buffer): HttpResponse | undefined {
    const notReady = this.#service.notReady();
    if (notReady !== undefined) return textResponse(503, `not ready: ${notReady}`, { 'retry-after': '1' });
    return this.webSockets.upgrade(request, socket, head);
  }

  /** Bytes that are no HTTP, or headers that take too long: an answer where one can still be written. */
  #refuseGarbage(error: NodeJS.ErrnoException, socket: Duplex): void {
    if (error.code === 'ECONNRESET' || !socket.writable) {
      socket.destroy();
      return;
    }
    if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT') refuse(socket, textResponse(408, 'the request took too long'));
    else if (error.code === 'HPE_HEADER_OVERFLOW')
      refuse(socket, textResponse(431, 'the request headers are too large'));
    else refuse(socket, textResponse(400, 'this is not an HTTP request'));
  }
}

const STATUS_WORDS: ReadonlyMap<number, string> = new Map([
  [400, 'Bad Request'],
  [403, 'Forbidden'],
  [404, 'Not Found'],
  [408, 'Request Timeout'],
  [426, 'Upgrade Required'],
  [431, 'Request Header Fields Too Large'],
  [503, 'Service Unavailable'],
]);

/** How long a refused client may take to read the answer and go. */
const REFUSAL_MS_MAX = 1000;

/** Writes an HTTP response on a bare socket and ends it; what still arrives is discarded. */
function refuse(socket: Duplex, response: HttpResponse): void {
  const body = Buffer.from(response.body);
  const lines = [`HTTP/1.1 ${response.status} ${STATUS_WORDS.get(response.status) ?? 'Error'}`];
  const headers = { connection: 'close', ...response.headers, 'content-length': String(body.byteLength) };
  for (const [name, value] of Object.entries(headers)) lines.push(`${name}: ${value}`);
  socket.on('error', () => socket.destroy());
  socket.end(Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), body]));
  socket.resume();
  const force: NodeJS.Timeout = setTimeout(() => socket.destroy(), REFUSAL_MS_MAX).unref();
  socket.once('close', () => clearTimeout(force));
}
