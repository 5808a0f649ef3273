// A log for every name: `wss://HOST/log/NAME` is a broker, and the Worker itself produces to it and reads it.

import { connect } from 'millrace/client';
import wasm from 'millrace/millrace.wasm';
import { BrokerObject, routeToBroker, webSocketOver } from 'millrace/workerd';
import zstdWasm from 'millrace/zstd.wasm';

/** One broker: its partitions are in this object's SQLite storage. */
export class Log extends BrokerObject {
  constructor(state, env) {
    super(state, env, { wasm, zstdWasm, config: { 'log.retention.hours': '24' } });
  }
}

const SECOND = (url) => url.pathname.split('/')[2];

/** `POST /send/NAME` puts the body into the topic `events`, as a client of the broker. */
async function send(request, env) {
  const broker = env.LOG.get(env.LOG.idFromName(SECOND(new URL(request.url))));
  const client = await connect({ url: 'ws://broker/', webSocket: webSocketOver(broker), wasm, zstdWasm });
  const producer = client.producer();
  const [placed] = await producer.send({ topic: 'events', messages: [{ value: await request.text() }] });
  await producer.close();
  client.close();
  return Response.json(placed);
}

/** `GET /read/NAME` gives everything in the topic `events`, a line for each record. */
async function read(request, env) {
  const broker = env.LOG.get(env.LOG.idFromName(SECOND(new URL(request.url))));
  const client = await connect({ url: 'ws://broker/', webSocket: webSocketOver(broker), wasm, zstdWasm });
  const consumer = client.consumer();
  await consumer.assign([{ topic: 'events', from: 'beginning' }]);
  let text = '';
  for await (const record of consumer.records({ untilEnd: true })) text += `${record.offset} ${record.text()}\n`;
  await consumer.close();
  client.close();
  return new Response(text);
}

export default {
  fetch(request, env) {
    const { pathname } = new URL(request.url);
    if (pathname.startsWith('/send/') && request.method === 'POST') return send(request, env);
    if (pathname.startsWith('/read/')) return read(request, env);
    return routeToBroker(request, env.LOG, {
      name: (url) => (url.pathname.startsWith('/log/') ? SECOND(url) : undefined),
    });
  },
};
