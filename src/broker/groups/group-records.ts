// What `__consumer_offsets` holds: every kind of record that Kafka's group coordinator writes and this one does too,
// with Kafka's key versions, value versions and fields. It says what is stored, not what it means.
//
//   key version   key                       value
//   0, 1          group, topic, partition   a committed offset (written: key 1, value 3, or 1 where it expires by itself)
//   2             group                     a classic group's generation and members
//   3             group                     KIP-848: the group epoch
//   4             group                     KIP-848: the topics subscribed to, with their partition counts
//   5             group, member             KIP-848: what a member said of itself
//   6             group                     KIP-848: the epoch of the target assignment
//   7             group, member             KIP-848: a member's target assignment
//   8             group, member             KIP-848: a member's epoch and what it has and gives up
//
// A null value takes the key's state away. Other key versions (share groups, later kinds) are skipped.

import type { Decoded, Fields } from '../../protocol/schema.ts';
import { array, bytes, int8, int32, int64, string, struct, uuid } from '../../protocol/schema.ts';
import { type RecordFormat, StoredSchema, storedVersion } from '../coordinator-log-format.ts';

const TOPIC_PARTITIONS = { topicId: uuid(), partitions: array(int32()) };

const GROUP_KEY = { group: string() };
const MEMBER_KEY = { group: string(), member: string() };

const OFFSET_KEY = { group: string(), topic: string(), partition: int32() };
const OFFSET_VALUE = {
  offset: int64(),
  leaderEpoch: int32({ from: 3, default: -1, ignorable: true }),
  metadata: string(),
  commitTimestamp: int64(),
  expireTimestamp: int64({ from: 1, to: 1, default: -1, ignorable: true }),
};
const CLASSIC_VALUE = {
  protocolType: string(),
  generation: int32(),
  protocol: string({ nullableFrom: 0 }),
  leader: string({ nullableFrom: 0 }),
  currentStateTimestamp: int64({ from: 2, default: -1, ignorable: true }),
  members: array({
    memberId: string(),
    groupInstanceId: string({ from: 3, nullableFrom: 3, default: null, ignorable: true }),
    clientId: string(),
    clientHost: string(),
    rebalanceTimeout: int32({ from: 1, default: -1, ignorable: true }),
    sessionTimeout: int32(),
    subscription: bytes(),
    assignment: bytes(),
  }),
};
const CONSUMER_VALUE = { epoch: int32() };
const TOPICS_VALUE = {
  topics: array({
    topicId: uuid(),
    topicName: string(),
    numPartitions: int32(),
    partitionMetadata: array({ partition: int32(), racks: array(string()) }),
  }),
};
const MEMBER_VALUE = {
  instanceId: string({ nullableFrom: 0 }),
  rackId: string({ nullableFrom: 0 }),
  clientId: string(),
  clientHost: string(),
  subscribedTopicNames: array(string()),
  subscribedTopicRegex: string({ nullableFrom: 0 }),
  rebalanceTimeoutMs: int32({ default: -1 }),
  serverAssignor: string({ nullableFrom: 0 }),
  classicMemberMetadata: struct(
    {
      sessionTimeoutMs: int32(),
      supportedProtocols: array({ name: string(), metadata: bytes() }),
    },
    { nullableFrom: 0, default: null, tag: 0 },
  ),
};
const TARGET_EPOCH_VALUE = { assignmentEpoch: int32() };
const TARGET_VALUE = { topicPartitions: array(TOPIC_PARTITIONS) };
const CURRENT_VALUE = {
  memberEpoch: int32(),
  previousMemberEpoch: int32(),
  state: int8(),
  assignedPartitions: array(TOPIC_PARTITIONS),
  partitionsPendingRevocation: array(TOPIC_PARTITIONS),
};

export type OffsetValue = Decoded<typeof OFFSET_VALUE>;
export type ClassicGroupValue = Decoded<typeof CLASSIC_VALUE>;
export type ClassicMemberValue = ClassicGroupValue['members'][number];
export type ConsumerTopicsValue = Decoded<typeof TOPICS_VALUE>;
export type ConsumerMemberValue = Decoded<typeof MEMBER_VALUE>;
export type TargetValue = Decoded<typeof TARGET_VALUE>;
export type CurrentValue = Decoded<typeof CURRENT_VALUE>;

interface GroupKeyed<Kind extends string, Value> {
  readonly kind: Kind;
  readonly group: string;
  /** Undefined takes the state away. */
  readonly value: Value | undefined;
}

interface MemberKeyed<Kind extends string, Value> extends GroupKeyed<Kind, Value> {
  readonly member: string;
}

export interface OffsetRecord extends GroupKeyed<'offset', OffsetValue> {
  readonly topic: string;
  readonly partition: number;
}

export type ConsumerGroupRecord =
  | GroupKeyed<'group-epoch', Decoded<typeof CONSUMER_VALUE>>
  | GroupKeyed<'topics', ConsumerTopicsValue>
  | MemberKeyed<'member', ConsumerMemberValue>
  | GroupKeyed<'target-epoch', Decoded<typeof TARGET_EPOCH_VALUE>>
  | MemberKeyed<'target', TargetValue>
  | MemberKeyed<'current', CurrentValue>;

export type GroupRecord = OffsetRecord | GroupKeyed<'classic-group', ClassicGroupValue> | ConsumerGroupRecord;

function keys<F extends Fields>(first: number, last: number, fields: F): StoredSchema<F> {
  return new StoredSchema({ versions: [first, last], written: last, fields });
}

/** Values that are flexible from their first version on. */
function values<F extends Fields>(fields: F): StoredSchema<F> {
  return new StoredSchema({ versions: [0, 0], written: 0, flexibleFrom: 0, fields });
}

const OFFSET_EXPIRING_VERSION = 1;

const OFFSET = {
  key: keys(0, 1, OFFSET_KEY),
  value: new StoredSchema({ versions: [0, 4], written: 3, flexibleFrom: 4, fields: OFFSET_VALUE }),
};
const CLASSIC = {
  key: keys(2, 2, GROUP_KEY),
  value: new StoredSchema({ versions: [0, 4], written: 3, flexibleFrom: 4, fields: CLASSIC_VALUE }),
};
const GROUP_EPOCH = { key: keys(3, 3, GROUP_KEY), value: values(CONSUMER_VALUE) };
const TOPICS = { key: keys(4, 4, GROUP_KEY), value: values(TOPICS_VALUE) };
const MEMBER = { key: keys(5, 5, MEMBER_KEY), value: values(MEMBER_VALUE) };
const TARGET_EPOCH = { key: keys(6, 6, GROUP_KEY), value: values(TARGET_EPOCH_VALUE) };
const TARGET = { key: keys(7, 7, MEMBER_KEY), value: values(TARGET_VALUE) };
const CURRENT = { key: keys(8, 8, MEMBER_KEY), value: values(CURRENT_VALUE) };

interface Encoded {
  readonly key: Uint8Array;
  readonly value: Uint8Array | null;
}

/** Schema and value together, so that each kind is encoded by its own. */
function encodedValue<F extends Fields>(schema: StoredSchema<F>, value: Decoded<F> | undefined): Uint8Array | null {
  return value === undefined ? null : schema.encodeDecoded(value);
}

function encode(record: GroupRecord): Encoded {
  switch (record.kind) {
    case 'offset':
      return { key: OFFSET.key.encode(record), value: offsetValue(record.value) };
    case 'classic-group':
      return { key: CLASSIC.key.encode(record), value: encodedValue(CLASSIC.value, record.value) };
    case 'group-epoch':
      return { key: GROUP_EPOCH.key.encode(record), value: encodedValue(GROUP_EPOCH.value, record.value) };
    case 'topics':
      return { key: TOPICS.key.encode(record), value: encodedValue(TOPICS.value, record.value) };
    case 'member':
      return { key: MEMBER.key.encode(record), value: encodedValue(MEMBER.value, record.value) };
    case 'target-epoch':
      return { key: TARGET_EPOCH.key.encode(record), value: encodedValue(TARGET_EPOCH.value, record.value) };
    case 'target':
      return { key: TARGET.key.encode(record), value: encodedValue(TARGET.value, record.value) };
    case 'current':
      return { key: CURRENT.key.encode(record), value: encodedValue(CURRENT.value, record.value) };
  }
}

function offsetValue(value: OffsetValue | undefined): Uint8Array | null {
  if (value === undefined) return null;
  // Only version 1 can say when the offset expires; it cannot say the leader epoch, which such old clients have not.
  return OFFSET.value.encodeDecoded(value, value.expireTimestamp === -1 ? undefined : OFFSET_EXPIRING_VERSION);
}

function decode(keyBytes: Uint8Array, bytesOfValue: Uint8Array | null): GroupRecord | undefined {
  const read = <F extends Fields>(schema: StoredSchema<F>): Decoded<F> | undefined =>
    bytesOfValue === null ? undefined : schema.decode(bytesOfValue);
  switch (storedVersion(keyBytes)) {
    case 0:
    case 1:
      return { kind: 'offset', ...OFFSET.key.decode(keyBytes), value: read(OFFSET.value) };
    case 2:
      return { kind: 'classic-group', ...CLASSIC.key.decode(keyBytes), value: owned(read(CLASSIC.value)) };
    case 3:
      return { kind: 'group-epoch', ...GROUP_EPOCH.key.decode(keyBytes), value: read(GROUP_EPOCH.value) };
    case 4:
      return { kind: 'topics', ...TOPICS.key.decode(keyBytes), value: read(TOPICS.value) };
    case 5:
      return { kind: 'member', ...MEMBER.key.decode(keyBytes), value: ownedMember(read(MEMBER.value)) };
    case 6:
      return { kind: 'target-epoch', ...TARGET_EPOCH.key.decode(keyBytes), value: read(TARGET_EPOCH.value) };
    case 7:
      return { kind: 'target', ...TARGET.key.decode(keyBytes), value: read(TARGET.value) };
    case 8:
      return { kind: 'current', ...CURRENT.key.decode(keyBytes), value: read(CURRENT.value) };
    default:
      return undefined;
  }
}

/** Byte fields are views of what was read from the log; a group outlives it. */
function owned(value: ClassicGroupValue | undefined): ClassicGroupValue | undefined {
  if (value === undefined) return undefined;
  const members = value.members.map((member) => ({
    ...member,
    subscription: member.subscription.slice(),
    assignment: member.assignment.slice(),
  }));
  return { ...value, members };
}

function ownedMember(value: ConsumerMemberValue | undefined): ConsumerMemberValue | undefined {
  if (value === undefined || value.classicMemberMetadata === null) return value;
  const { sessionTimeoutMs, supportedProtocols } = value.classicMemberMetadata;
  const protocols = supportedProtocols.map(({ name, metadata }) => ({ name, metadata: metadata.slice() }));
  return { ...value, classicMemberMetadata: { sessionTimeoutMs, supportedProtocols: protocols } };
}

export const GROUP_RECORD_FORMAT: RecordFormat<GroupRecord> = { encode, decode };
