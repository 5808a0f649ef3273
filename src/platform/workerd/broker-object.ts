// The Durable Object class as the runtime sees it. What it does is object-broker.ts's.

import type { Client } from '../../client/client.ts';
import { ObjectBroker, type ObjectBrokerOptions } from './object-broker.ts';
import type { ObjectSocket, ObjectState } from './runtime.ts';

/** The runtime's global: makes both ends of a WebSocket. */
declare const WebSocketPair: new () => { readonly 0: ObjectSocket; readonly 1: ObjectSocket };

/**
 * A broker as a Durable Object. A class of yours extends it and gives it the WebAssembly modules:
 *
 *     import wasm from 'millrace/millrace.wasm';
 *     import { BrokerObject } from 'millrace/workerd';
 *     import zstdWasm from 'millrace/zstd.wasm';
 *
 *     export class Log extends BrokerObject {
 *       constructor(state, env) {
 *         super(state, env, { wasm, zstdWasm });
 *       }
 *     }
 *
 * Its partitions are in the object's SQLite storage (declare the class with `new_sqlite_classes`). Every answer waits
 * until what it tells is durable. While nothing comes the object sleeps and its WebSockets stay open; subscriptions of
 * the `json` subprotocol go on where they were. Whoever reaches the object may use it: who may is the Worker's to say.
 */
export class BrokerObject {
  readonly #broker: ObjectBroker;

  constructor(state: ObjectState, _environment: unknown, options: ObjectBrokerOptions) {
    this.#broker = new ObjectBroker(state, options, () => {
      const pair = new WebSocketPair();
      return [pair[0], pair[1]];
    });
  }

  fetch(request: Request): Promise<Response> {
    return this.#broker.fetch(request);
  }

  webSocketMessage(socket: ObjectSocket, message: string | ArrayBuffer): void | Promise<void> {
    return this.#broker.message(socket, message);
  }

  webSocketClose(socket: ObjectSocket, code: number, _reason: string, _wasClean: boolean): void {
    this.#broker.closed(socket);
    answerClose(socket, code);
  }

  webSocketError(socket: ObjectSocket, _error: unknown): void {
    this.#broker.closed(socket);
  }

  /** Retention and compaction, while the object sleeps. A class that sets alarms of its own calls this too. */
  alarm(): Promise<void> {
    return this.#broker.alarm();
  }

  /**
   * Runs `action` with a client of this very broker, for methods of your class that produce or consume. The client is
   * good until `action` settles.
   */
  withClient<T>(action: (client: Client) => Promise<T>): Promise<T> {
    return this.#broker.withClient(action);
  }
}

/** Completes the closing handshake where the runtime leaves it to the object; elsewhere the socket has ended already. */
function answerClose(socket: ObjectSocket, code: number): void {
  try {
    // 1005 and 1006 stand for frames that never came, and may not be sent.
    if (code === 1005 || code === 1006) socket.close();
    else socket.close(code);
  } catch {
    // It has ended.
  }
}
