// What is measured in workerd: one Durable Object that keeps records in a broker of its own, and the same object that
// keeps each record in a row of SQLite, as one does there without this project. Time is taken outside, where it passes.

import wasm from 'millrace.wasm';
import type { Client } from '../../src/client/index.ts';
import { BrokerObject } from '../../src/platform/workerd/broker-object.ts';
import type { BrokerNamespace } from '../../src/platform/workerd/routing.ts';
import type { ObjectState } from '../../src/platform/workerd/runtime.ts';

/** What a request asks for. */
export interface Work {
  readonly way: 'millrace' | 'rows';
  readonly action: 'append' | 'read';
  /** Records in all. */
  readonly records: number;
  /** Records that are made durable together. */
  readonly unit: number;
  /** Units that are under way at a time. */
  readonly inFlight: number;
}

/** What stands for the result: the same for both ways. */
export interface WorkDone {
  readonly records: number;
  readonly bytes: number;
  /** Of the first two bytes of each record, in order. */
  readonly hash: number;
}

const RECORD_BYTES = 100;
const TOPIC = 'records';

class Tally implements WorkDone {
  records = 0;
  bytes = 0;
  hash = 0;

  add(value: Uint8Array): void {
    this.records += 1;
    this.bytes += value.length;
    this.hash = (Math.imul(this.hash, 31) + (value[0] ?? 0) * 256 + (value[1] ?? 0)) >>> 0;
  }
}

function recordOf(number: number): Uint8Array {
  const record = new Uint8Array(RECORD_BYTES).fill(number * 7);
  record[0] = number;
  record[1] = number >>> 8;
  return record;
}

export class Measured extends BrokerObject {
  readonly #state: ObjectState;

  constructor(state: ObjectState, environment: unknown) {
    super(state, environment, { wasm });
    this.#state = state;
    state.storage.sql.exec('CREATE TABLE IF NOT EXISTS rows (id INTEGER PRIMARY KEY, value BLOB NOT NULL)');
  }

  override async fetch(request: Request): Promise<Response> {
    const work: Work = await request.json();
    if (work.way === 'rows') return Response.json(await this.#inRows(work));
    return Response.json(await this.withClient((client) => inBroker(client, work)));
  }

  async #inRows({ action, records, unit, inFlight }: Work): Promise<WorkDone> {
    const { sql } = this.#state.storage;
    const tally = new Tally();
    if (action === 'read') {
      for (const [value] of sql.exec('SELECT value FROM rows ORDER BY id LIMIT ?', records).raw())
        if (value instanceof ArrayBuffer) tally.add(new Uint8Array(value));
      return tally;
    }
    for (let done = 0; done < records; done++) {
      const record = recordOf(done);
      sql.exec('INSERT INTO rows (value) VALUES (?)', record);
      tally.add(record);
      if ((done + 1) % (unit * inFlight) === 0) await this.#state.storage.sync();
    }
    await this.#state.storage.sync();
    return tally;
  }
}

async function inBroker(client: Client, { action, records, unit, inFlight }: Work): Promise<WorkDone> {
  const tally = new Tally();
  if (action === 'read') {
    const consumer = client.consumer();
    await consumer.assign([{ topic: TOPIC, from: 'beginning' }]);
    for await (const { value } of consumer.records({ untilEnd: true })) {
      if (value !== null) tally.add(value);
      if (tally.records === records) break;
    }
    await consumer.close();
    return tally;
  }
  const producer = client.producer({ lingerMs: 0 });
  for (let done = 0; done < records; done += unit * inFlight) {
    const sends = Array.from({ length: inFlight }, (_, place) => {
      const from = done + place * unit;
      const values = Array.from({ length: Math.min(unit, records - from) }, (__, index) => recordOf(from + index));
      for (const value of values) tally.add(value);
      return producer.send({ topic: TOPIC, records: values.map((value) => ({ value })) });
    });
    await Promise.all(sends);
  }
  await producer.close();
  return tally;
}

const worker = {
  fetch(request: Request, { MEASURED }: { readonly MEASURED: BrokerNamespace<unknown> }): Promise<Response> {
    return MEASURED.get(MEASURED.idFromName(new URL(request.url).pathname)).fetch(request);
  },
};

export { worker as default };
