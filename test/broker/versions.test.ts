// Every API at every version that the broker serves, by real frames.

import { expect, test } from 'vitest';
import { ROUTES } from '../../src/broker/handlers/table.ts';
import { ERROR_CODES } from '../../src/protocol/errors.ts';
import {
  readResponseHeader,
  requestHeaderVersion,
  responseHeaderVersion,
  writeRequestHeader,
} from '../../src/protocol/headers.ts';
import { apiVersions } from '../../src/protocol/messages/18-api-versions.ts';
import { Reader } from '../../src/protocol/reader.ts';
import { Writer } from '../../src/protocol/writer.ts';
import { BrokerFixture } from './fixture.ts';

/** A request of each API that has something to answer. */
function bodies(version: number, topicId: string): Readonly<Record<number, unknown>> {
  const shop = { transactionalId: 'shop', producerId: 0, producerEpoch: 0 };
  const named = version >= 13 ? { topicId } : { name: 'orders' };
  return {
    0: { acks: 1, timeoutMs: 100, topicData: [{ ...named, partitionData: [{ index: 0, records: null }] }] },
    1: {
      maxWaitMs: 0,
      minBytes: 0,
      topics: [
        {
          ...(version >= 13 ? { topicId } : { topic: 'orders' }),
          partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1000 }],
        },
      ],
      ...(version >= 7 ? { forgottenTopicsData: [] } : {}),
    },
    2: { replicaId: -1, topics: [{ name: 'orders', partitions: [{ partitionIndex: 0, timestamp: -1 }] }] },
    3: { topics: [{ name: 'orders' }] },
    8: {
      groupId: 'group',
      memberId: '',
      topics: [
        {
          ...(version >= 10 ? { topicId } : { name: 'orders' }),
          partitions: [{ partitionIndex: 0, committedOffset: 5, committedMetadata: 'mine' }],
        },
      ],
    },
    9:
      version >= 8
        ? {
            groups: [
              {
                groupId: 'group',
                topics: [{ ...(version >= 10 ? { topicId } : { name: 'orders' }), partitionIndexes: [0] }],
              },
            ],
          }
        : { groupId: 'group', topics: [{ name: 'orders', partitionIndexes: [0] }] },
    10: version >= 4 ? { coordinatorKeys: ['one', 'two'] } : { key: 'one' },
    11: {
      groupId: 'group',
      memberId: 'nobody',
      sessionTimeoutMs: 10_000,
      protocolType: 'consumer',
      protocols: [{ name: 'range', metadata: new Uint8Array(0) }],
    },
    12: { groupId: 'group', generationId: 1, memberId: 'nobody' },
    13:
      version >= 3 ? { groupId: 'group', members: [{ memberId: 'nobody' }] } : { groupId: 'group', memberId: 'nobody' },
    14: { groupId: 'group', generationId: 1, memberId: 'nobody', assignments: [] },
    15: { groups: ['group', 'none'], includeAuthorizedOperations: version >= 3 },
    16: {},
    42: { groupsNames: ['none'] },
    47: { groupId: 'group', topics: [{ name: 'orders', partitions: [{ partitionIndex: 0 }] }] },
    68: { groupId: 'next', memberId: 'member', memberEpoch: 1 },
    69: { groupIds: ['group', 'none'], includeAuthorizedOperations: true },
    18: version >= 3 ? { clientSoftwareName: 'test', clientSoftwareVersion: '1.0' } : {},
    19: {
      topics: [{ name: `made-${version}`, numPartitions: 1, replicationFactor: 1, assignments: [], configs: [] }],
    },
    20:
      version >= 6
        ? { topics: [{ name: 'none', topicId: 'AAAAAAAAAAAAAAAAAAAAAA' }], timeoutMs: 1 }
        : { topicNames: ['none'], timeoutMs: 1 },
    21: { topics: [{ name: 'orders', partitions: [{ partitionIndex: 0, offset: -1 }] }], timeoutMs: 1 },
    22: { transactionalId: 'shop', transactionTimeoutMs: 1000 },
    24:
      version >= 4
        ? { transactions: [{ ...shop, topics: [{ name: 'orders', partitions: [0] }] }] }
        : {
            v3AndBelowTransactionalId: 'shop',
            v3AndBelowProducerId: 0,
            v3AndBelowProducerEpoch: 0,
            v3AndBelowTopics: [{ name: 'orders', partitions: [0] }],
          },
    25: { ...shop, groupId: 'group' },
    26: { ...shop, committed: true },
    28: {
      ...shop,
      groupId: 'group',
      topics: [{ name: 'orders', partitions: [{ partitionIndex: 0, committedOffset: 1, committedMetadata: null }] }],
    },
    27: {
      markers: [
        {
          producerId: 0,
          producerEpoch: 0,
          transactionResult: true,
          coordinatorEpoch: 0,
          topics: [{ name: 'orders', partitionIndexes: [0] }],
        },
      ],
    },
    23: { topics: [{ topic: 'orders', partitions: [{ partition: 0, leaderEpoch: 0 }] }] },
    32: { resources: [{ resourceType: 2, resourceName: 'orders', configurationKeys: null }] },
    33: {
      resources: [
        { resourceType: 2, resourceName: 'orders', configs: [{ name: 'retention.ms', value: '1000' }] },
        { resourceType: 4, resourceName: '1', configs: [] },
      ],
      validateOnly: false,
    },
    35: { topics: null },
    37: { topics: [{ name: 'orders', count: version + 2, assignments: null }], timeoutMs: 1, validateOnly: false },
    44: {
      resources: [
        {
          resourceType: 2,
          resourceName: 'orders',
          configs: [{ name: 'retention.ms', configOperation: 0, value: '1000' }],
        },
      ],
      validateOnly: false,
    },
    60: { includeClusterAuthorizedOperations: true },
    61: { topics: [{ name: 'orders', partitionIndexes: [0] }] },
    65: { transactionalIds: ['shop'] },
    66: { stateFilters: [], producerIdFilters: [] },
    74: version >= 1 ? { resourceTypes: [2, 32] } : {},
    75: { topics: [{ name: 'orders' }], responsePartitionLimit: 1, cursor: { topicName: 'orders', partitionIndex: 0 } },
  };
}

test('every API answers at every version served', async () => {
  const fixture = await BrokerFixture.start();
  const topicId = await fixture.createTopic('orders', 1);
  let answered = 0;
  for (const { api, served } of ROUTES) {
    for (let version = served.versionMin; version <= served.versionMax; version++) {
      const writer = new Writer();
      const header = { apiKey: api.key, apiVersion: version, correlationId: 1000 + version, clientId: null };
      writeRequestHeader(writer, header, requestHeaderVersion(api, version));
      api.writeRequest(writer, bodies(version, topicId)[api.key], version);
      const response = await fixture.send(writer.finishFlat());
      const reader = new Reader(response ?? new Uint8Array(0));
      expect(readResponseHeader(reader, responseHeaderVersion(api, version))).toBe(1000 + version);
      expect(api.decodeResponse(reader, version), `${api.name} v${version}`).toBeTypeOf('object');
      expect(reader.remaining, `${api.name} v${version} has bytes left over`).toBe(0);
      answered++;
    }
  }
  expect(answered).toBeGreaterThan(80);
  expect(fixture.observations).toHaveLength(answered + 1);
});

test('ApiVersions lists exactly the handlers, and Produce from 0 (KAFKA-18659)', async () => {
  const fixture = await BrokerFixture.start();
  for (const version of [0, 4]) {
    const body = version === 0 ? {} : { clientSoftwareName: 'test', clientSoftwareVersion: '1.0' };
    const { errorCode, apiKeys } = await fixture.request(apiVersions, version, body);
    expect(errorCode).toBe(0);
    expect(apiKeys.map(({ apiKey }) => apiKey)).toEqual([
      0, 1, 2, 3, 8, 9, 10, 11, 12, 13, 14, 15, 16, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 32, 33, 35, 37, 42, 44,
      47, 60, 61, 65, 66, 68, 69, 74, 75,
    ]);
    expect(apiKeys[0]).toEqual({ apiKey: 0, minVersion: 0, maxVersion: 13 });
    expect(apiKeys[1]).toEqual({ apiKey: 1, minVersion: 4, maxVersion: 18 });
  }
});

test('an ApiVersions request of an unknown version is answered in version 0 with error 35 and its range (KIP-511)', async () => {
  const fixture = await BrokerFixture.start();
  const writer = new Writer();
  writeRequestHeader(writer, { apiKey: 18, apiVersion: 99, correlationId: 7, clientId: 'future' }, 2);
  const reader = new Reader((await fixture.send(writer.finishFlat())) ?? new Uint8Array(0));
  expect(readResponseHeader(reader, 0)).toBe(7);
  const { errorCode, apiKeys } = apiVersions.decodeResponse(reader, 0);
  expect(errorCode).toBe(ERROR_CODES.UNSUPPORTED_VERSION);
  expect(apiKeys).toEqual([{ apiKey: 18, minVersion: 0, maxVersion: 4 }]);
  expect(reader.remaining).toBe(0);
});

test('a client software name or version outside the rule is INVALID_REQUEST', async () => {
  const fixture = await BrokerFixture.start();
  for (const [name, version] of [
    ['', '1'],
    ['a b', '1'],
    ['-a', '1'],
    ['a', '1;'],
    ['a', ''],
  ] as const) {
    const body = { clientSoftwareName: name, clientSoftwareVersion: version };
    const { errorCode } = await fixture.request(apiVersions, 3, body);
    expect(errorCode, `${name}/${version}`).toBe(ERROR_CODES.INVALID_REQUEST);
  }
});

test('other APIs, versions and frames that nobody could be answered about end the connection', async () => {
  const fixture = await BrokerFixture.start();
  for (const [apiKey, apiVersion] of [
    [0, 2],
    [0, 14],
    [1, 3],
    [999, 0],
    [10, 7],
  ] as const) {
    const writer = new Writer();
    writeRequestHeader(writer, { apiKey, apiVersion, correlationId: 1, clientId: null }, 2);
    await expect(fixture.send(writer.finishFlat())).rejects.toMatchObject({ code: 'ERR_UNSUPPORTED' });
  }
  await expect(fixture.send(new Uint8Array([0]))).rejects.toMatchObject({ code: 'ERR_MALFORMED_FRAME' });
  const writer = new Writer();
  writeRequestHeader(writer, { apiKey: 3, apiVersion: 1, correlationId: 1, clientId: null }, 1);
  writer.int32(1_000_000);
  await expect(fixture.send(writer.finishFlat())).rejects.toMatchObject({ code: 'ERR_MALFORMED_FRAME' });
});
