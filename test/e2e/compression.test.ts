// Every codec through everything that a user has: the command both ways, the client, JSON, and the files looked into.

import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { COMPRESSION_NAMES, type CodecName } from '../../src/core/compression.ts';
import { connect } from '../../src/platform/node/connect.ts';
import { BrokerProcess, temporaryDirectory } from '../support/broker-process.ts';
import { runCommand } from '../support/run-command.ts';

const CODECS = COMPRESSION_NAMES.filter((name): name is CodecName => name !== 'none');
const directory = temporaryDirectory('compression');
const lines = Array.from({ length: 500 }, (_, index) => `line ${index} of a text that repeats itself`);
let broker: BrokerProcess;

beforeAll(async () => {
  broker = await BrokerProcess.start({ dataDirectory: directory.path });
});

afterAll(async () => {
  await broker.stop('SIGTERM');
  directory.remove();
});

async function dumped(topic: string): Promise<string> {
  const partition = join(directory.path, `${topic}-0`);
  const file = readdirSync(partition).find((name) => name.endsWith('.log')) ?? '';
  const { code, stdout, stderr } = await runCommand(['log', 'dump', join(partition, file), '--records']);
  expect([code, stderr]).toEqual([0, '']);
  return stdout.toString();
}

/** The first record of a topic, over the json subprotocol. */
async function firstByJson(topic: string): Promise<unknown> {
  const socket = new WebSocket(broker.url, 'json');
  await once(socket, 'open');
  socket.send(JSON.stringify({ id: 1, op: 'subscribe', topic, from: 'beginning' }));
  const values = new Promise((resolve) => {
    socket.on('message', (data) => {
      const message: { records?: { value: unknown }[]; value?: unknown } = JSON.parse(String(data));
      const value = message.records?.[0]?.value ?? message.value;
      if (value !== undefined) resolve(value);
    });
  });
  const value = await values;
  socket.terminate();
  return value;
}

describe.each(CODECS)('%s', (codec) => {
  test('from the command, to the command, to JSON, and in the files', async () => {
    const input = Buffer.from(lines.map((line) => `${line}\n`).join(''));
    const produced = await runCommand(['produce', `cli-${codec}`, '--compression', codec], {
      server: broker.url,
      input,
    });
    expect(`${produced.code} ${produced.stderr}`).toMatch(/^0 /);
    const consumed = await runCommand(['consume', `cli-${codec}`, '--until-end'], { server: broker.url });
    expect(consumed.stdout.equals(input)).toBe(true);
    const dump = await dumped(`cli-${codec}`);
    expect(dump).toContain(`codec ${codec}`);
    expect(dump).toContain(`value "${lines[499]}"`);
    expect(await firstByJson(`cli-${codec}`)).toBe(lines[0]);
  });

  test('from the client to the client, and compressed anew by the broker', async () => {
    const client = await connect(broker.url);
    const topic = `client-${codec}`;
    await client.admin().createTopics({ topics: [{ topic, configs: { 'compression.type': codec } }] });
    for (const compression of [codec, undefined]) {
      const producer = client.producer({ compression, acks: 1 });
      await producer.send({ topic, messages: lines.map((value) => ({ value })) });
      await producer.close();
    }
    const consumer = client.consumer();
    await consumer.assign([{ topic }]);
    const values: string[] = [];
    for await (const record of consumer.records({ untilEnd: true })) values.push(record.text());
    expect(values).toEqual([...lines, ...lines]);
    await consumer.close();
    client.close();
    const batches = (await dumped(topic)).split('\n').filter((line) => line.startsWith('offsets'));
    expect(batches.every((line) => line.includes(`codec ${codec}`))).toBe(true);
  });
});
