// Real clients against a broker of another runtime: the project's own over WebSocket, kafkajs over TCP, JSON, HTTP, and
// peers that do not behave. The clients run in Node, so that the sockets between are those of two programs.

import { once } from 'node:events';
import { connect as connectTcp } from 'node:net';
import { CompressionTypes, Kafka, logLevel } from 'kafkajs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import type { Client } from '../../src/client/index.ts';
import { connect } from '../../src/platform/node/connect.ts';
import { temporaryDirectory } from '../support/broker-process.ts';
import { RuntimeBroker } from '../support/runtime-broker.ts';
import type { RuntimeName } from '../support/runtimes.ts';

const RECORDS = 3000;
const LARGE_BYTES = 3_000_000;

export function servedClientTests(name: RuntimeName, workers: number): void {
  describe(`${name} with ${workers} workers`, () => {
    const directory = temporaryDirectory(`clients-${name}`);
    let broker: RuntimeBroker;

    async function start(): Promise<RuntimeBroker> {
      const config = { 'message.max.bytes': '8000000', 'num.partitions': '3', 'socket.request.max.bytes': '20000000' };
      return RuntimeBroker.start(name, { directory: directory.path, http: {}, kafka: {}, workers, config });
    }

    beforeAll(async () => {
      broker = await start();
    });

    afterAll(async () => {
      await broker.stop('SIGTERM');
      directory.remove();
    });

    async function withClient<T>(action: (client: Client) => Promise<T>): Promise<T> {
      const client = await connect(broker.url);
      try {
        return await action(client);
      } finally {
        client.close();
      }
    }

    function kafka(): Kafka {
      return new Kafka({ brokers: [broker.kafka], connectionTimeout: 30_000, logLevel: logLevel.NOTHING });
    }

    it.each(['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const)('its own client over WebSocket, %s', async (codec) => {
      await withClient(async (client) => {
        const topic = `own-${codec}`;
        await client.admin().createTopics({ topics: [{ topic, numPartitions: 2 }] });
        const producer = client.producer(codec === 'none' ? {} : { compression: codec });
        const records = Array.from({ length: RECORDS }, (_, index) => ({
          key: `${index % 7}`,
          value: `value ${index}`,
        }));
        await producer.send({ topic, records });
        const consumer = client.consumer();
        await consumer.assign([{ topic, from: 'beginning' }]);
        const byKey = new Map<string, number>();
        let count = 0;
        for await (const record of consumer.records({ untilEnd: true })) {
          const index = Number(record.text().slice('value '.length));
          expect(index).toBeGreaterThan(byKey.get(record.keyText()) ?? -1);
          byKey.set(record.keyText(), index);
          count += 1;
        }
        expect(count).toBe(RECORDS);
      });
    });

    it('records of megabytes over WebSocket and TCP', async () => {
      const value = 'm'.repeat(LARGE_BYTES);
      await withClient(async (client) => {
        await client.admin().createTopics({ topics: [{ topic: 'large', numPartitions: 1 }] });
        await client.producer().send({ topic: 'large', records: [{ value }] });
        const producer = kafka().producer();
        await producer.connect();
        await producer.send({ topic: 'large', messages: [{ value }] });
        await producer.disconnect();
        const consumer = client.consumer();
        await consumer.assign([{ topic: 'large', from: 'beginning' }]);
        const lengths: number[] = [];
        for await (const record of consumer.records({ untilEnd: true })) lengths.push(record.text().length);
        expect(lengths).toEqual([LARGE_BYTES, LARGE_BYTES]);
      });
    });

    it('kafkajs over TCP: topics, gzip, a group, and offsets that stay', async () => {
      const admin = kafka().admin();
      await admin.connect();
      expect((await admin.describeCluster()).brokers).toEqual([
        { nodeId: 1, host: '127.0.0.1', port: Number(broker.kafka.split(':')[1]) },
      ]);
      await admin.createTopics({ topics: [{ topic: 'jobs', numPartitions: 3 }] });
      const producer = kafka().producer({ idempotent: true });
      await producer.connect();
      const messages = Array.from({ length: RECORDS }, (_, index) => ({ key: `${index % 11}`, value: `job ${index}` }));
      await producer.send({ topic: 'jobs', messages, compression: CompressionTypes.GZIP });
      const seen = new Set<string>();
      const consumer = kafka().consumer({ groupId: 'workers' });
      await consumer.connect();
      await consumer.subscribe({ topics: ['jobs'], fromBeginning: true });
      await new Promise<void>((resolve) => {
        void consumer.run({
          eachMessage: async ({ message }) => {
            seen.add(String(message.value));
            if (seen.size === RECORDS) resolve();
          },
        });
      });
      await consumer.disconnect();
      const [committed] = await admin.fetchOffsets({ groupId: 'workers', topics: ['jobs'] });
      const total = (committed?.partitions ?? []).reduce((sum, { offset }) => sum + Number(offset), 0);
      expect(total).toBe(RECORDS);
      await producer.disconnect();
      await admin.disconnect();
    });

    it('kafkajs over TCP: a transaction is read when it is committed, and not when it was aborted', async () => {
      const producer = kafka().producer({ transactionalId: 'payments', maxInFlightRequests: 1, idempotent: true });
      await producer.connect();
      for (const [value, ending] of [
        ['kept', 'commit'],
        ['dropped', 'abort'],
      ] as const) {
        const transaction = await producer.transaction();
        await transaction.send({ topic: 'ledger', messages: [{ value }] });
        await transaction[ending]();
      }
      await producer.disconnect();
      await withClient(async (client) => {
        const consumer = client.consumer({ isolation: 'read_committed' });
        await consumer.assign([{ topic: 'ledger', from: 'beginning' }]);
        const values: string[] = [];
        for await (const record of consumer.records({ untilEnd: true })) values.push(record.text());
        expect(values).toEqual(['kept']);
      });
    });

    it('a reader that stops for a while gets everything, and holds nobody up', async () => {
      await withClient(async (client) => {
        await client.admin().createTopics({ topics: [{ topic: 'flood', numPartitions: 1 }] });
        const producer = client.producer();
        const value = 'f'.repeat(100_000);
        for (let round = 0; round < 10; round++) {
          await producer.send({ topic: 'flood', records: Array.from({ length: 20 }, () => ({ value })) });
        }
        const socket = new WebSocket(broker.url, 'json');
        await once(socket, 'open');
        socket.send(JSON.stringify({ op: 'subscribe', topic: 'flood', from: 'beginning', credit: 1000 }));
        let records = 0;
        let hasPaused = false;
        const all = new Promise<void>((resolve) => {
          socket.on('message', (data) => {
            records += (JSON.parse(String(data)).records ?? []).length;
            if (!hasPaused) {
              hasPaused = true;
              socket.pause();
            }
            if (records === 200) resolve();
          });
        });
        // Others are served meanwhile: as many answers as it takes for the stopped reader's buffers to be full.
        for (let round = 0; round < 50; round++) await producer.send({ topic: 'other', records: [{ value: 'x' }] });
        socket.resume();
        await all;
        socket.terminate();
      });
    });

    it('HTTP: health, metrics, and refusals in words', async () => {
      const base = broker.url.replace('ws:', 'http:');
      const get = async (path: string, init?: RequestInit) => {
        const response = await fetch(`${base}${path}`, init);
        return { status: response.status, text: await response.text() };
      };
      expect(await get('/healthz')).toEqual({ status: 200, text: 'ok\n' });
      expect((await get('/readyz')).status).toBe(200);
      expect((await get('/')).text).toContain('Kafka-compatible');
      expect((await get('/metrics')).text).toContain('millrace_requests_total{api="Produce",error="NONE"}');
      expect((await get('/nothing')).status).toBe(404);
      expect((await get('/', { method: 'POST', body: 'x' })).status).toBe(405);
      expect((await get('/', { headers: { origin: 'https://evil.example' } })).status).toBe(403);
    });

    it('WebSockets of unknown subprotocols and foreign pages are refused', async () => {
      const refused = async (protocol: string, origin?: string): Promise<string> => {
        const socket = new WebSocket(broker.url, protocol, origin === undefined ? {} : { origin });
        const [error] = await once(socket, 'error');
        return String(error);
      };
      expect(await refused('mqtt')).toContain('400');
      expect(await refused('kafka', 'https://evil.example')).toContain('403');
    });

    it('messages of the wrong kind close a WebSocket with a reason', async () => {
      const socket = new WebSocket(broker.url, 'json');
      await once(socket, 'open');
      socket.send(Buffer.from([1, 2, 3]));
      const [code, reason] = await once(socket, 'close');
      expect([1003, 4003]).toContain(code);
      expect(String(reason)).toContain('binary messages are for the subprotocol kafka');
    });

    it('bytes that are no Kafka frames end their TCP connection and no other', async () => {
      const [host = '', port] = broker.kafka.split(':');
      for (const opening of ['GET / HTTP/1.1\r\n\r\n', '\x7f\xff\xff\xff']) {
        const socket = connectTcp({ host, port: Number(port) });
        socket.on('error', () => undefined);
        await once(socket, 'connect');
        socket.write(Buffer.from(opening, 'latin1'));
        await once(socket, 'close');
      }
      const admin = kafka().admin();
      await admin.connect();
      expect(await admin.listTopics()).toContain('jobs');
      await admin.disconnect();
    });

    it('SIGTERM closes everything in order, and the next start finds it', async () => {
      await broker.stop('SIGTERM');
      expect(broker.output).toContain('{"closed":true}');
      broker = await start();
      await withClient(async (client) => {
        const { partitions } = await client.admin().describeTopic('jobs');
        const places = partitions.map(({ partition }) => ({ topic: 'jobs', partition }));
        const ends = await client.admin().listOffsets(places, 'latest');
        expect(ends.reduce((sum, { offset }) => sum + offset, 0)).toBe(RECORDS);
      });
    });
  });
}
