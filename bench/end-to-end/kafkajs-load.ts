// kafkajs as a load of its own process: `node kafkajs-load.js ADDRESS TOPIC ACKS WARM_UP_MS MS` sends 100-byte records over
// WebSocket, several sends at a time, and prints how many a second were acknowledged.

import { type ISocketFactory, Kafka, logLevel } from 'kafkajs';
import { WebSocket } from 'ws';
import { webSocketFactory } from '../../src/net/kafkajs.ts';

const RECORD_BYTES = 100;
const RECORDS_PER_SEND = 4000;
const SENDS_AT_ONCE = 8;

const [address = '', topic = '', acks = '1', warmUpMs = '0', durationMs = '1000'] = process.argv.slice(2);
const socketFactory: unknown = webSocketFactory({ webSocket: WebSocket });
if (!isSocketFactory(socketFactory)) throw new Error('the adapter makes no factory');
const kafka = new Kafka({ brokers: [address], socketFactory, connectionTimeout: 30_000, logLevel: logLevel.ERROR });
const producer = kafka.producer();
await producer.connect();
const messages = Array.from({ length: RECORDS_PER_SEND }, () => ({ value: Buffer.alloc(RECORD_BYTES, 'x') }));
const beginMs = performance.now() + Number(warmUpMs);
const endMs = beginMs + Number(durationMs);
let records = 0;
let lastMs = beginMs;

/** kafkajs asks for a whole `net.Socket` and uses the part that the adapter has. */
function isSocketFactory(value: unknown): value is ISocketFactory {
  return typeof value === 'function';
}

async function sendOn(): Promise<void> {
  do {
    const isMeasured = performance.now() >= beginMs;
    await producer.send({ topic, acks: Number(acks), messages });
    if (!isMeasured) continue;
    records += RECORDS_PER_SEND;
    lastMs = performance.now();
  } while (performance.now() < endMs);
}

await Promise.all(Array.from({ length: SENDS_AT_ONCE }, sendOn));
process.stdout.write(`${JSON.stringify({ recordsPerSecond: (records * 1000) / (lastMs - beginMs) })}\n`);
await producer.disconnect();
