// WebSocket upgrades of one HTTP listener: who is let in, which subprotocol, and the set of open connections with all
// that is done for them once a second. What the connections do with their frames is src/net's.

import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { WebSocket } from 'ws';
import type { ConnectionContext, RequestHandler } from '../../broker/request-handler.ts';
import { present } from '../../core/assert.ts';
import type { Logger } from '../../core/logger.ts';
import { Connection, type ConnectionLimits } from '../../net/connection.ts';
import type { ConnectionSet } from '../../net/connection-set.ts';
import type { FrameSink, FrameTransport } from '../../net/frame-transport.ts';
import { type HttpResponse, textResponse, upgradeRequired } from '../../net/http.ts';
import { parseHost } from '../../net/origin.ts';
import type { RequestMemory } from '../../net/request-memory.ts';
import { type Subprotocol, selectSubprotocol } from '../../net/subprotocol.ts';
import { OPCODES } from '../../net/websocket-frame.ts';
import { Staging } from './frame-writer.ts';
import { WebSocketTransport } from './websocket-listener-transport.ts';
import type { WebSocketServers } from './websocket-servers.ts';
import { WriteTurn } from './write-turn.ts';
import type { YoungCollector } from './young-collector.ts';

/** What a session of another language than Kafka frames is made from. */
export interface SessionParts {
  readonly transport: FrameTransport;
  readonly context: ConnectionContext;
  /** To be aborted by the session when it ends; `context.closed` is its signal. */
  readonly lifetime: AbortController;
  readonly limits: ConnectionLimits;
  readonly memory: RequestMemory;
  readonly logger: Logger;
}

export interface WebSocketListenerOptions {
  readonly handler: RequestHandler;
  /** Makes the session of a `json` connection. Absent, the subprotocol is refused. */
  readonly openJson?: ((parts: SessionParts) => FrameSink) | undefined;
  readonly logger: Logger;
  /** Where its connections go: above max.connections upgrades get 503. */
  readonly connections: ConnectionSet;
  /** Told of what is read from sockets, where somebody paces garbage collection by it. */
  readonly collector?: YoungCollector | undefined;
  /** socket.request.max.bytes: a larger message closes with 1009. */
  readonly requestBytesMax: number;
}

export class WebSocketListener {
  readonly #options: WebSocketListenerOptions;
  readonly #connections: ConnectionSet;
  readonly #staging = new Staging();
  readonly #writeTurn = new WriteTurn();
  #servers: WebSocketServers | undefined;
  #loading: Promise<void> | undefined;

  constructor(options: WebSocketListenerOptions) {
    this.#options = options;
    this.#connections = options.connections;
  }

  /** Connections open now. */
  get connectionCount(): number {
    return this.#connections.size;
  }

  /** Connections accepted since the start. */
  get acceptedCount(): number {
    return this.#connections.acceptedCount;
  }

  /** Request bytes held by all connections. */
  get requestBytesHeld(): number {
    return this.#connections.memory.used;
  }

  /** Whether {@link upgrade} can be called. */
  get isLoaded(): boolean {
    return this.#servers !== undefined;
  }

  /** Loads what upgrades need, once: a broker that Kafka's clients alone use does without it. */
  load(): Promise<void> {
    this.#loading ??= this.#load();
    return this.#loading;
  }

  async #load(): Promise<void> {
    const { createWebSocketServers } = await import('./websocket-servers.ts');
    this.#servers = createWebSocketServers(this.#options.requestBytesMax);
  }

  /** Serves an upgrade that the origin policy let in: opens a connection, or returns why not. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): HttpResponse | undefined {
    const path = (request.url ?? '/').split('?', 1)[0];
    if (request.headers.upgrade?.toLowerCase() !== 'websocket') return upgradeRequired();
    if (path !== '/') return textResponse(404, 'not found: the WebSocket is at /');
    const subprotocol = selectSubprotocol(request.headers['sec-websocket-protocol']);
    if (subprotocol === undefined) return textResponse(400, 'unknown subprotocol: use kafka, json, or none for json');
    if (subprotocol === 'json' && this.#options.openJson === undefined) {
      return textResponse(400, 'the subprotocol json is not served here: use kafka');
    }
    if (this.#connections.isClosing) return textResponse(503, 'the broker is shutting down');
    if (this.#connections.isFull) {
      return textResponse(503, 'too many connections: max.connections is reached', { 'retry-after': '1' });
    }
    const servers = present(this.#servers, 'the WebSocket servers are loaded');
    servers[subprotocol].handleUpgrade(request, socket, head, (webSocket) => {
      this.#accept({ webSocket, socket, request, subprotocol });
    });
    return undefined;
  }

  #accept(upgraded: {
    readonly webSocket: WebSocket;
    readonly socket: Duplex;
    readonly request: IncomingMessage;
    readonly subprotocol: Subprotocol;
  }): void {
    const { webSocket, socket, request, subprotocol } = upgraded;
    const connections = this.#connections;
    const id = connections.nextId();
    const lifetime = new AbortController();
    const context = contextOf(id, request, lifetime.signal);
    const transport = new WebSocketTransport({
      webSocket,
      socket,
      staging: this.#staging,
      turn: this.#writeTurn,
      memory: connections.memory,
      collector: this.#options.collector,
      opcode: subprotocol === 'kafka' ? OPCODES.binary : OPCODES.text,
    });
    const { handler, openJson, logger } = this.#options;
    const parts = { transport, context, lifetime, limits: connections.limits, memory: connections.memory, logger };
    const sink =
      subprotocol === 'json' && openJson !== undefined ? openJson(parts) : new Connection({ ...parts, handler });
    connections.add(id, { clientHost: context.clientHost, transport, sink });
    webSocket.on('error', (error) => {
      logger.warn('connection closed', { connection: id, client: context.clientHost, reason: error.message });
    });
    transport.attach(sink);
    webSocket.on('close', () => connections.remove(id));
  }
}

function contextOf(id: number, request: IncomingMessage, closed: AbortSignal): ConnectionContext {
  const socket: Socket = request.socket;
  const host = parseHost(request.headers.host);
  return {
    id,
    listener: 'HTTP',
    clientHost: socket.remoteAddress ?? 'unknown',
    localHost: host === undefined ? (socket.localAddress ?? 'localhost') : host.name.replace(/^\[|\]$/g, ''),
    localPort: host === undefined ? (socket.localPort ?? 0) : (host.port ?? 80),
    closed,
  };
}
