// The broker of the tests: its configuration is kept in the object itself, so that a test can say what it is to be, and
// it can be made to break off as a crash does.

import wasm from 'millrace.wasm';
import { BrokerObject } from '../../../src/platform/workerd/broker-object.ts';
import type { ObjectState, SqlDatabase } from '../../../src/platform/workerd/runtime.ts';

export class TestBroker extends BrokerObject {
  readonly #state: ObjectState;

  constructor(state: ObjectState, environment: unknown) {
    super(state, environment, { wasm, config: configOf(state.storage.sql), sleepAfterMs: 200 });
    this.#state = state;
  }

  override async fetch(request: Request): Promise<Response> {
    const action = request.headers.get('x-test');
    if (action === 'configure') {
      this.#state.storage.sql.exec('CREATE TABLE IF NOT EXISTS test_config (text TEXT)');
      this.#state.storage.sql.exec('DELETE FROM test_config');
      this.#state.storage.sql.exec('INSERT INTO test_config VALUES (?)', await request.text());
      await this.#state.storage.sync();
      return new Response('configured');
    }
    if (action === 'crash') this.#state.abort('the test breaks it off');
    return super.fetch(request);
  }
}

function configOf(sql: SqlDatabase): Record<string, string> {
  sql.exec('CREATE TABLE IF NOT EXISTS test_config (text TEXT)');
  const [row] = sql.exec('SELECT text FROM test_config').raw();
  const text = row?.[0];
  return typeof text === 'string' ? JSON.parse(text) : {};
}
