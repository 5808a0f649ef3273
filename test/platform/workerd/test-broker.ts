// The broker of the tests: its configuration is kept in the object itself, so that a test can say what it is to be, and
// it can be made to break off as a crash does.

import wasm from 'millrace.wasm';
import zstdWasm from 'zstd.wasm';
import { BrokerObject } from '../../../src/platform/workerd/broker-object.ts';
import type { ObjectState, SqlDatabase } from '../../../src/platform/workerd/runtime.ts';

const SLEEP_AFTER_MS = 200;

export class TestBroker extends BrokerObject {
  readonly #state: ObjectState;

  constructor(state: ObjectState, environment: unknown) {
    const { config, maintenanceMs } = settingsOf(state.storage.sql);
    super(state, environment, { wasm, zstdWasm, config, maintenanceMs, sleepAfterMs: SLEEP_AFTER_MS });
    this.#state = state;
  }

  override async fetch(request: Request): Promise<Response> {
    const action = request.headers.get('x-test');
    if (action === 'configure') return this.#configure(await request.text());
    if (action === 'crash') this.#state.abort('the test breaks it off');
    if (action === 'sizes') return Response.json(sizesOf(this.#state.storage.sql));
    if (action === 'produce') return this.#produce(await request.text());
    return super.fetch(request);
  }

  async #configure(text: string): Promise<Response> {
    this.#state.storage.sql.exec('DELETE FROM test_settings');
    this.#state.storage.sql.exec('INSERT INTO test_settings VALUES (?)', text);
    await this.#state.storage.sync();
    return new Response('configured');
  }

  /** From inside of the object, as a method of a user's class would. */
  #produce(value: string): Promise<Response> {
    return this.withClient(async (client) => {
      const producer = client.producer();
      const [placed] = await producer.send({ topic: 'orders', messages: [{ value }] });
      await producer.close();
      return Response.json(placed);
    });
  }
}

interface TestSettings {
  readonly config: Record<string, string>;
  readonly maintenanceMs: number;
}

function settingsOf(sql: SqlDatabase): TestSettings {
  sql.exec('CREATE TABLE IF NOT EXISTS test_settings (text TEXT)');
  const [row] = sql.exec('SELECT text FROM test_settings').raw();
  const text = row?.[0];
  return { config: {}, maintenanceMs: 3_600_000, ...(typeof text === 'string' ? JSON.parse(text) : {}) };
}

/** Files and whether the object sleeps, without waking it. */
function sizesOf(sql: SqlDatabase): unknown {
  const names = [...sql.exec('SELECT path FROM millrace_names ORDER BY path').raw()].map(([path]) => path);
  const [asleep] = sql.exec("SELECT count(*) FROM millrace_sleep WHERE key = ''").raw();
  return { names, isAsleep: asleep?.[0] === 1 };
}
