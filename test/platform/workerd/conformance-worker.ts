// workerd as a host of the conformance suite: stores in the SQLite of the Durable Object that runs the suite, brokers as
// Durable Objects of their own, which are reached over WebSockets of the runtime, evicted and broken off.

import unsafe from 'workerd:unsafe';
import wasm from 'millrace.wasm';
import zstdWasm from 'zstd.wasm';
import { connect } from '../../../src/client/index.ts';
import { createPortableCodecs } from '../../../src/compression/portable-codecs.ts';
import type { Store } from '../../../src/core/platform.ts';
import { type BrokerNamespace, type Fetcher, routeToBroker } from '../../../src/platform/workerd/routing.ts';
import type { ObjectState } from '../../../src/platform/workerd/runtime.ts';
import { SqliteStore } from '../../../src/platform/workerd/sqlite-store.ts';
import type { BrokerSettings, ConformanceBroker, ConformancePlace } from '../../conformance/suite/host.ts';
import { runConformance } from '../../conformance/suite/run.ts';
import { openWebSocket } from '../../conformance/suite/sockets.ts';

export { TestBroker } from './test-broker.ts';

interface Environment {
  readonly RUNNER: BrokerNamespace<unknown>;
  readonly BROKER: BrokerNamespace<unknown>;
}

interface Running {
  readonly state: ObjectState;
  readonly environment: Environment;
  readonly host: string;
}

class ObjectPlace implements ConformancePlace {
  readonly #state: ObjectState;
  readonly #environment: Environment;
  /** Where this very worker listens: the network lets timers run between messages, as a pair in memory does not. */
  readonly #host: string;
  readonly #prefix: string;
  readonly #brokerName = crypto.randomUUID();
  #store: SqliteStore | undefined;

  constructor(runner: Running, number: number) {
    this.#state = runner.state;
    this.#environment = runner.environment;
    this.#host = runner.host;
    this.#prefix = `place_${number}`;
  }

  async open(): Promise<Store> {
    this.#store = new SqliteStore(this.#state.storage, { prefix: this.#prefix });
    return this.#store;
  }

  async close(): Promise<void> {
    this.#store?.close();
  }

  /** Rows that were written are there for the next store; what this one had in memory is gone. */
  async crash(): Promise<void> {
    this.#store?.close();
  }

  async openBroker({ config }: BrokerSettings): Promise<ConformanceBroker> {
    const { BROKER } = this.#environment;
    const stub = (): Fetcher => BROKER.get(BROKER.idFromName(this.#brokerName));
    await ask(stub(), 'configure', JSON.stringify({ config }));
    await breakOff(stub());
    const broker = stub();
    const url = `ws://${this.#host}/${this.#brokerName}`;
    return {
      client: () => connect({ url, wasm, zstdWasm }),
      socket: (subprotocol) => openWebSocket(url, subprotocol, (to, protocol) => new WebSocket(to, protocol)),
      close: () => unsafe.evict(broker, { webSockets: 'close' }),
      crash: () => breakOff(broker),
    };
  }

  async remove(): Promise<void> {
    this.#store?.close();
    const { sql } = this.#state.storage;
    for (const table of ['settings', 'names', 'chunks']) sql.exec(`DROP TABLE IF EXISTS ${this.#prefix}_${table}`);
  }
}

async function ask(stub: Fetcher, action: string, body: string): Promise<void> {
  const response = await stub.fetch(
    new Request('http://broker/', { method: 'POST', headers: { 'x-test': action }, body }),
  );
  if (!response.ok) throw new Error(`${action}: ${await response.text()}`);
}

/** A stub of an object that was broken off rejects. */
async function breakOff(stub: Fetcher): Promise<void> {
  await ask(stub, 'crash', '').catch(() => undefined);
}

export class Runner {
  readonly #state: ObjectState;
  readonly #environment: Environment;

  constructor(state: ObjectState, environment: Environment) {
    this.#state = state;
    this.#environment = environment;
  }

  async fetch(request: Request): Promise<Response> {
    let places = 0;
    const url = new URL(request.url);
    const only = url.searchParams.get('only') ?? undefined;
    const running = { state: this.#state, environment: this.#environment, host: url.host };
    const report = await runConformance(
      {
        name: 'workerd',
        wasm,
        codecs: createPortableCodecs(wasm, zstdWasm),
        hasBroker: true,
        createPlace: async () => {
          places += 1;
          return new ObjectPlace(running, places);
        },
      },
      { only, onResult: ({ name, passed }) => console.log(passed ? 'passed' : 'FAILED', name) },
    );
    return Response.json(report);
  }
}

const worker = {
  fetch(request: Request, { RUNNER, BROKER }: Environment): Promise<Response> {
    if (request.headers.get('upgrade') === 'websocket') return routeToBroker(request, BROKER);
    return RUNNER.get(RUNNER.idFromName('runner')).fetch(request);
  },
};

export { worker as default };
