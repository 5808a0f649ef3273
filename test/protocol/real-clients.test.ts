// The codec against clients in the field: they understand what we encode, and we encode what we understood of them
// byte for byte as they sent it.

import { Admin as PlatformaticAdmin, Producer as PlatformaticProducer, stringSerializers } from '@platformatic/kafka';
import { Kafka, logLevel } from 'kafkajs';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { produce } from '../../src/protocol/messages/00-produce.ts';
import { fetch } from '../../src/protocol/messages/01-fetch.ts';
import { listOffsets } from '../../src/protocol/messages/02-list-offsets.ts';
import { metadata } from '../../src/protocol/messages/03-metadata.ts';
import { offsetCommit } from '../../src/protocol/messages/08-offset-commit.ts';
import { offsetFetch } from '../../src/protocol/messages/09-offset-fetch.ts';
import { findCoordinator } from '../../src/protocol/messages/10-find-coordinator.ts';
import { joinGroup } from '../../src/protocol/messages/11-join-group.ts';
import { heartbeat } from '../../src/protocol/messages/12-heartbeat.ts';
import { leaveGroup } from '../../src/protocol/messages/13-leave-group.ts';
import { syncGroup } from '../../src/protocol/messages/14-sync-group.ts';
import { apiVersions } from '../../src/protocol/messages/18-api-versions.ts';
import { createTopics } from '../../src/protocol/messages/19-create-topics.ts';
import { describeConfigs } from '../../src/protocol/messages/32-describe-configs.ts';
import { parseUuid, ZERO_UUID } from '../../src/protocol/uuid.ts';
import { everyApi, on, ScriptedBroker } from './scripted-broker.ts';

const TOPIC = 'orders';
const TOPIC_ID = parseUuid('ASNFZ4mrze_-3LqYdlQyEA') ?? ZERO_UUID;

let broker: ScriptedBroker;

beforeEach(async () => {
  broker = await ScriptedBroker.listen(script);
});

afterEach(async () => {
  await broker.close();
  expect(broker.failures).toEqual([]);
});

/** One broker with one topic of one partition, which keeps one batch and gives it back. */
function script(port: () => number): Map<number, ReturnType<typeof on>[1]> {
  let kept: Uint8Array | null = null;
  const node = () => ({ nodeId: 1, host: '127.0.0.1', port: port() });
  return new Map([
    on(apiVersions, () => ({ errorCode: 0, apiKeys: everyApi() })),
    on(metadata, () => ({
      brokers: [node()],
      controllerId: 1,
      clusterId: 'scripted',
      topics: [
        {
          errorCode: 0,
          name: TOPIC,
          topicId: TOPIC_ID,
          partitions: [
            { errorCode: 0, partitionIndex: 0, leaderId: 1, leaderEpoch: 0, replicaNodes: [1], isrNodes: [1] },
          ],
        },
      ],
    })),
    on(produce, ({ topicData }) => {
      kept = topicData[0]?.partitionData[0]?.records?.slice() ?? null;
      const partitionResponses = [{ index: 0, errorCode: 0, baseOffset: 41, logStartOffset: 0 }];
      return { responses: topicData.map(({ name, topicId }) => ({ name, topicId, partitionResponses })) };
    }),
    on(fetch, ({ topics }) => ({
      responses: topics.map(({ topic, topicId, partitions }) => ({
        topic,
        topicId,
        partitions: partitions.map(({ partition, fetchOffset }) => ({
          partitionIndex: partition,
          errorCode: 0,
          highWatermark: 1,
          abortedTransactions: null,
          records: fetchOffset === 0 ? kept : new Uint8Array(0),
        })),
      })),
    })),
    on(listOffsets, ({ topics }) => ({
      topics: topics.map(({ name, partitions }) => ({
        name,
        partitions: partitions.map(({ partitionIndex, timestamp }) => ({
          partitionIndex,
          errorCode: 0,
          offset: timestamp === -2 ? 0 : 1,
        })),
      })),
    })),
    on(createTopics, ({ topics }) => ({
      topics: topics.map(({ name }) => ({ name, errorCode: 0, topicId: TOPIC_ID, numPartitions: 1 })),
    })),
    on(describeConfigs, ({ resources }) => ({
      results: resources.map(({ resourceType, resourceName }) => ({
        errorCode: 0,
        errorMessage: null,
        resourceType,
        resourceName,
        configs: [{ name: 'cleanup.policy', value: 'delete', readOnly: false, configSource: 5, isSensitive: false }],
      })),
    })),
    on(findCoordinator, ({ coordinatorKeys }) => ({
      errorCode: 0,
      ...node(),
      coordinators: coordinatorKeys.map((key) => ({ key, ...node(), errorCode: 0 })),
    })),
    on(joinGroup, ({ memberId, protocols: [protocol] }) => ({
      errorCode: memberId === '' ? 79 : 0,
      generationId: 1,
      protocolName: protocol?.name ?? '',
      leader: 'member-1',
      memberId: 'member-1',
      members: [{ memberId: 'member-1', metadata: protocol?.metadata ?? new Uint8Array(0) }],
    })),
    on(syncGroup, ({ assignments: [assignment] }) => ({
      errorCode: 0,
      assignment: assignment?.assignment ?? new Uint8Array(0),
    })),
    on(heartbeat, () => ({ errorCode: 0 })),
    on(leaveGroup, () => ({ errorCode: 0 })),
    on(offsetFetch, ({ topics }) => ({
      topics: (topics ?? []).map(({ name, partitionIndexes }) => ({
        name,
        partitions: partitionIndexes.map((partitionIndex) => ({
          partitionIndex,
          committedOffset: -1,
          metadata: '',
          errorCode: 0,
        })),
      })),
    })),
    on(offsetCommit, ({ topics }) => ({
      topics: topics.map(({ name, partitions }) => ({
        name,
        partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode: 0 })),
      })),
    })),
  ]);
}

/** Requests that we would have encoded otherwise than the client did. */
function different(): string[] {
  return broker.seen.filter(({ isSame }) => !isSame).map(({ header, body }) => JSON.stringify({ header, body }));
}

test('kafkajs produces, consumes in a group and administers', async () => {
  const kafka = new Kafka({
    clientId: 'büro',
    brokers: [`127.0.0.1:${broker.port}`],
    logLevel: logLevel.NOTHING,
    connectionTimeout: 60_000,
    requestTimeout: 60_000,
    retry: { retries: 0 },
  });
  const producer = kafka.producer({ allowAutoTopicCreation: false });
  await producer.connect();
  const [sent] = await producer.send({ topic: TOPIC, messages: [{ key: 'k', value: 'wörld', headers: { a: 'b' } }] });
  expect(sent).toMatchObject({ topicName: TOPIC, partition: 0, errorCode: 0, baseOffset: '41' });
  await producer.disconnect();

  const admin = kafka.admin();
  await admin.connect();
  expect(await admin.createTopics({ topics: [{ topic: 'new', numPartitions: 1 }], waitForLeaders: false })).toBe(true);
  expect(await admin.fetchTopicOffsets(TOPIC)).toMatchObject([{ partition: 0, offset: '1', low: '0' }]);
  const { resources } = await admin.describeConfigs({ resources: [{ type: 2, name: TOPIC }], includeSynonyms: false });
  expect(resources[0]?.configEntries[0]).toMatchObject({ configName: 'cleanup.policy', configValue: 'delete' });
  await admin.disconnect();

  const consumer = kafka.consumer({ groupId: 'group', maxWaitTimeInMs: 10 });
  await consumer.connect();
  await consumer.subscribe({ topic: TOPIC, fromBeginning: true });
  const value = await new Promise((resolve, reject) => {
    consumer
      .run({ eachMessage: async ({ message }) => resolve(message.value?.toString()) })
      .catch((error: unknown) => reject(error));
  });
  expect(value).toBe('wörld');
  await consumer.disconnect();

  expect(different()).toEqual([]);
  expect(broker.used()).toEqual(expect.arrayContaining(['Produce v7', 'Fetch v11', 'Metadata v6']));
});

test('@platformatic/kafka produces and administers', async () => {
  const options = {
    clientId: 'platformatic',
    bootstrapBrokers: [`127.0.0.1:${broker.port}`],
    retries: 0,
    timeout: 60_000,
  };
  const producer = new PlatformaticProducer({ ...options, serializers: stringSerializers });
  const { offsets } = await producer.send({
    messages: [{ topic: TOPIC, key: 'k', value: 'v', headers: { a: 'b' } }],
    acks: 1,
  });
  expect(offsets).toMatchObject([{ topic: TOPIC, partition: 0, offset: 41n }]);
  await producer.close();

  const admin = new PlatformaticAdmin(options);
  const [created] = await admin.createTopics({ topics: ['new'], partitions: 1, replicas: 1 });
  expect(created).toMatchObject({ name: 'new', id: '01234567-89ab-cdef-fedc-ba9876543210' });
  await admin.close();

  expect(different()).toEqual([]);
  expect(broker.used()).toEqual(
    expect.arrayContaining(['ApiVersions v3', 'Metadata v12', 'CreateTopics v7', 'Produce v11']),
  );
});
