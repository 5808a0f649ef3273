// What a broker costs before it does anything: the time until it takes a record, its memory when idle and with many
// partitions, and the time until it takes a record again after SIGKILL. Each on a directory of its own.

import { rmSync } from 'node:fs';
import { createFirstTopic, ready } from '../broker-pool.ts';
import { createTopic, topicExtent } from '../kafka-admin.ts';
import { firstAnswer } from '../line-socket.ts';
import { figure, load } from '../load-programs.ts';
import type { Peer, ServerProcess, StartOptions } from '../peer.ts';
import { residentBytes } from '../process-usage.ts';
import { ALL_PEERS, KAFKA_SPEAKERS, type Measurement, type Scale, type StartScenario } from '../scenario.ts';

const TOPIC = 'start';
const PARTITIONS = 8;
const TOPIC_PARTITIONS_MAX = 1000;
const NATS_QUESTION = `CONNECT {"verbose":false}\r\nSUB answer 1\r\nPUB ${TOPIC} answer 5\r\nhello\r\n`;

function milliseconds(metric: string, value: number): Measurement {
  return { metric, unit: 'ms', value, better: 'less' };
}

function memory(metric: string, bytes: number): Measurement {
  return { metric, unit: 'MB', value: bytes / 1e6, better: 'less' };
}

/** Of a log that is recovered. */
function gibibytes({ logBytes }: Scale): number {
  return logBytes / 2 / 1024 ** 3;
}

/** Time for what goes on behind the first answer. */
function settle({ quick }: Scale): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, quick ? 300 : 4000));
}

async function prepareTopic(peer: Peer, { address }: ServerProcess, partitions: number): Promise<void> {
  if (peer.speaksKafka) await createFirstTopic(address, TOPIC, partitions);
  if (peer.name === 'nats') await load('nats-load', 'stream', { broker: address, topic: TOPIC });
}

/** Milliseconds from the spawn to the first acknowledged record, and to Metadata where there is such a thing. */
async function firstRecord(peer: Peer, { address, spawnedAt }: ServerProcess): Promise<Measurement[]> {
  if (peer.speaksKafka) {
    const report = await load('kafka-wire', 'ready', { broker: address, topic: TOPIC, since: String(spawnedAt) });
    return [
      milliseconds('first record', figure(report, 'produceMs')),
      milliseconds('first metadata', figure(report, 'metadataMs')),
    ];
  }
  const answered =
    peer.name === 'nats'
      ? await firstAnswer(address, NATS_QUESTION, (text) => text.includes('"seq"'))
      : await firstAnswer(address, `XADD ${TOPIC} * v hello\r\n`, (text) => text.startsWith('$'));
  return [milliseconds('first record', Number(answered - spawnedAt) / 1e6)];
}

/** Runs with a directory that has been served before, ended in order, and has one topic. */
async function withServedPlace<Result>(
  peer: Peer,
  { options, partitions }: { readonly options: StartOptions; readonly partitions: number },
  run: () => Promise<Result>,
): Promise<Result> {
  try {
    const first = peer.start(options);
    await ready(peer, first);
    await prepareTopic(peer, first, partitions);
    await first.end('SIGTERM');
    return await run();
  } finally {
    rmSync(options.directory, { recursive: true, force: true });
  }
}

const start: StartScenario = {
  name: 'start',
  peers: ALL_PEERS,
  async runAlone(peer, { pool, scale }) {
    const options = await pool.newPlace(peer, 'default');
    return withServedPlace(peer, { options, partitions: 1 }, async () => {
      const server = peer.start(options);
      const times = await firstRecord(peer, server);
      await settle(scale);
      const idle = residentBytes(server.pid);
      await server.end('SIGTERM');
      return [...times, memory('idle memory', idle)];
    });
  },
};

const manyPartitions: StartScenario = {
  name: 'many-partitions',
  peers: KAFKA_SPEAKERS,
  async runAlone(peer, { pool, scale }) {
    const options = await pool.newPlace(peer, 'default');
    return withServedPlace(peer, { options, partitions: 1 }, async () => {
      const server = peer.start(options);
      await firstRecord(peer, server);
      const began = performance.now();
      for (let left = scale.manyPartitions; left > 0; left -= TOPIC_PARTITIONS_MAX) {
        await createTopic(server.address, `many-${left}`, { partitions: Math.min(left, TOPIC_PARTITIONS_MAX) });
      }
      const created = performance.now() - began;
      await settle(scale);
      const resident = residentBytes(server.pid);
      await server.end('SIGTERM');
      const again = peer.start(options);
      const [record] = await firstRecord(peer, again);
      await settle(scale);
      const residentAgain = residentBytes(again.pid);
      await again.end('SIGTERM');
      return [
        memory('memory, created', resident),
        memory('memory, started again', residentAgain),
        milliseconds('creation', created),
        milliseconds('first record, started again', record?.value ?? 0),
      ];
    });
  },
};

const recovery: StartScenario = {
  name: 'recovery-after-SIGKILL',
  peers: KAFKA_SPEAKERS,
  async runAlone(peer, { pool, scale }) {
    const options = await pool.newPlace(peer, 'default');
    return withServedPlace(peer, { options, partitions: PARTITIONS }, async () => {
      const server = peer.start(options);
      await firstRecord(peer, server);
      const filled = await load('kafka-wire', 'produce', {
        ...{ broker: server.address, topic: TOPIC, partitions: PARTITIONS, per_request: 2, record_bytes: 1024 },
        ...{ records: gibibytes(scale) * 1024 ** 2 },
      });
      await server.end('SIGKILL');
      const again = peer.start(options);
      const [record] = await firstRecord(peer, again);
      const { written } = await topicExtent(again.address, TOPIC, PARTITIONS);
      await again.end('SIGTERM');
      // The first records of both starts are there, too.
      const expected = figure(filled, 'totalRecords') + 2;
      if (written !== expected)
        throw new Error(`${written} records are there after SIGKILL where ${expected} were acknowledged`);
      const seconds = (record?.value ?? 0) / 1000;
      return [{ metric: 'first record, per GiB', unit: 's', value: seconds / gibibytes(scale), better: 'less' }];
    });
  },
};

export const START_SCENARIOS: readonly StartScenario[] = [start, manyPartitions, recovery];
