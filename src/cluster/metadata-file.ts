// The file of a local metadata store as bytes: what it holds, and what it must look like to be believed. It knows neither
// transactions nor what the values mean.
//
// metadata.json: { format, clusterId, brokerEpoch, revision, topics: [{ name, id, partitions, configs }],
//                  deleted: [{ name, id, partitions }], brokerConfigs: {}, defaultBrokerConfigs: {},
//                  groupConfigs: { group id: {} }, nextProducerId }

import { LogFault } from '../core/fault.ts';
import type { Store } from '../core/platform.ts';
import type { InitialMetadata } from './initial-metadata.ts';

export const METADATA_FILE = 'metadata.json';
export const METADATA_FORMAT = 1;
/** 16 bytes as base64url, the form in which Kafka prints ids. */
const TOPIC_ID = /^[A-Za-z0-9_-]{21}[AQgw]$/;

type Configs = Readonly<Record<string, string>>;

export interface MetadataFileOptions {
  readonly store: Store;
  readonly clusterId: string;
  /** What to begin with where there is no file yet; undefined is nothing. Asked at most once. */
  readonly initial?: () => InitialMetadata | undefined;
}

/** The file's content, checked. */
export interface MetadataFile {
  readonly brokerEpoch: number;
  readonly revision: number;
  readonly topics: readonly FileTopic[];
  readonly deleted: readonly FileTopic[];
  readonly brokerConfigs: Configs;
  readonly defaultBrokerConfigs: Configs;
  readonly groupConfigs: ReadonlyMap<string, Configs>;
  readonly nextProducerId: number;
}

interface FileTopic {
  readonly name: string;
  readonly id: string;
  readonly partitions: number;
  readonly configs: Configs;
  readonly revision: number;
}

const EMPTY_FILE: MetadataFile = {
  brokerEpoch: 0,
  revision: 0,
  topics: [],
  deleted: [],
  brokerConfigs: {},
  defaultBrokerConfigs: {},
  groupConfigs: new Map(),
  nextProducerId: 0,
};

export function readMetadataFile({ store, clusterId, initial }: MetadataFileOptions): MetadataFile {
  const bytes = store.readSmall(METADATA_FILE);
  if (bytes === undefined) return initialFile(initial?.());
  const content = record(parseJson(bytes), 'the file');
  if (content.format !== METADATA_FORMAT)
    throw unreadable(`format ${String(content.format)} is not ${METADATA_FORMAT}`);
  if (content.clusterId !== clusterId) {
    throw unreadable(`it belongs to cluster ${String(content.clusterId)}, not ${clusterId}`);
  }
  return {
    brokerEpoch: count(content.brokerEpoch, 'brokerEpoch'),
    revision: count(content.revision, 'revision'),
    topics: list(content.topics, 'topics').map(fileTopic),
    deleted: list(content.deleted, 'deleted').map(fileTopic),
    brokerConfigs: configs(content.brokerConfigs),
    defaultBrokerConfigs: configs(content.defaultBrokerConfigs),
    groupConfigs: groupConfigs(content.groupConfigs),
    nextProducerId: count(content.nextProducerId ?? 0, 'nextProducerId'),
  };
}

/** The epoch of the start that follows is beyond every leader's before: logs take no epoch that goes back. */
function initialFile(initial: InitialMetadata | undefined): MetadataFile {
  if (initial === undefined) return EMPTY_FILE;
  const { topics, deleted, leaderEpochMax, groupConfigs: groups, nextProducerId } = initial;
  return {
    ...EMPTY_FILE,
    brokerEpoch: leaderEpochMax,
    topics: topics.map(({ partitionCount, ...topic }) => ({ ...topic, partitions: partitionCount, revision: 0 })),
    deleted: deleted.map(({ partitionCount, ...topic }) => ({
      ...topic,
      partitions: partitionCount,
      configs: {},
      revision: 0,
    })),
    groupConfigs: groups,
    nextProducerId,
  };
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    throw unreadable(error instanceof Error ? error.message : String(error));
  }
}

export function unreadable(reason: string): LogFault {
  return new LogFault('ERR_DATA_DIRECTORY_UNREADABLE', `${METADATA_FILE}: ${reason}`);
}

function record(value: unknown, what: string): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw unreadable(`${what} is no object`);
  return Object.fromEntries(Object.entries(value));
}

function list(value: unknown, what: string): readonly unknown[] {
  if (!Array.isArray(value)) throw unreadable(`${what} is no list`);
  return value;
}

function count(value: unknown, what: string): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) throw unreadable(`${what} is no count`);
  return value;
}

function configs(value: unknown): Configs {
  const checked: Record<string, string> = {};
  for (const [name, each] of Object.entries(record(value ?? {}, 'a configuration'))) {
    if (typeof each !== 'string') throw unreadable(`configuration ${name} is no text`);
    checked[name] = each;
  }
  return checked;
}

function groupConfigs(value: unknown): ReadonlyMap<string, Configs> {
  const groups = Object.entries(record(value ?? {}, 'the configurations of groups'));
  return new Map(groups.map(([groupId, each]) => [groupId, configs(each)]));
}

function fileTopic(value: unknown): FileTopic {
  const topic = record(value, 'a topic');
  if (typeof topic.name !== 'string') throw unreadable('the name of a topic is no text');
  const { id } = topic;
  if (typeof id !== 'string' || !TOPIC_ID.test(id)) throw unreadable(`the id of topic ${topic.name} is no id`);
  return {
    name: topic.name,
    id,
    partitions: count(topic.partitions, `partitions of topic ${topic.name}`),
    configs: configs(topic.configs),
    revision: count(topic.revision ?? 0, `revision of topic ${topic.name}`),
  };
}
