// A Worker as users write it: it routes to brokers by path, and is a client of them itself. Beside that it has the hooks
// of the tests.

import unsafe from 'workerd:unsafe';
import wasm from 'millrace.wasm';
import { connect } from '../../../src/client/index.ts';
import { type BrokerNamespace, routeToBroker, webSocketOver } from '../../../src/platform/workerd/routing.ts';
import { TestBroker } from './test-broker.ts';

export { TestBroker };

interface Environment {
  readonly BROKER: BrokerNamespace<unknown>;
}

/** Produces what the request says and consumes the topic from its beginning, as a client of the broker. */
async function produceAndConsume(request: Request, { BROKER }: Environment, name: string): Promise<Response> {
  const broker = BROKER.get(BROKER.idFromName(name));
  const client = await connect({ url: 'ws://broker/', webSocket: webSocketOver(broker), wasm });
  const producer = client.producer();
  const [placed] = await producer.send({ topic: 'orders', messages: [{ value: await request.text() }] });
  await producer.close();
  const consumer = client.consumer();
  await consumer.assign([{ topic: 'orders', from: 'beginning' }]);
  const texts: string[] = [];
  for await (const record of consumer.records({ untilEnd: true })) texts.push(record.text());
  await consumer.close();
  client.close();
  return Response.json({ offset: placed?.offset, texts });
}

async function fetchWorker(request: Request, environment: Environment): Promise<Response> {
  const [, action, name = ''] = new URL(request.url).pathname.split('/');
  if (action === 'client') return produceAndConsume(request, environment, name);
  if (action === 'evict') {
    await unsafe.evict(environment.BROKER.get(environment.BROKER.idFromName(name)));
    return new Response('evicted');
  }
  return routeToBroker(request, environment.BROKER);
}

const worker = { fetch: fetchWorker };

export { worker as default };
