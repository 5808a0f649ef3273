// Kafka's error codes up to Kafka 4.3: the values by which a broker tells the outcome of a request.

const RETRIABLE = true;
const FINAL = false;

/** One error of the protocol. */
export interface KafkaError {
  readonly code: number;
  /** Kafka's name, for example `UNKNOWN_TOPIC_OR_PARTITION`. */
  readonly name: string;
  /** Whether Kafka's own clients send the same request again. */
  readonly retriable: boolean;
  readonly description: string;
}

/** Every error by name: code, whether it is retriable, and what it says. */
const TABLE = {
  UNKNOWN_SERVER_ERROR: [-1, FINAL, 'The broker failed in a way that it has no other code for.'],
  NONE: [0, FINAL, 'No error.'],
  OFFSET_OUT_OF_RANGE: [1, FINAL, "The offset lies outside the partition's log."],
  CORRUPT_MESSAGE: [2, RETRIABLE, 'A record batch fails its checksum or its structure is broken.'],
  UNKNOWN_TOPIC_OR_PARTITION: [3, RETRIABLE, 'The broker has no such topic or partition.'],
  INVALID_FETCH_SIZE: [4, FINAL, 'The fetch size is not valid.'],
  LEADER_NOT_AVAILABLE: [5, RETRIABLE, 'The partition has no leader at the moment.'],
  NOT_LEADER_OR_FOLLOWER: [6, RETRIABLE, 'The broker is not the leader, or not a replica, of the partition.'],
  REQUEST_TIMED_OUT: [7, RETRIABLE, 'The time allowed for the request is over.'],
  BROKER_NOT_AVAILABLE: [8, FINAL, 'The broker is not available.'],
  REPLICA_NOT_AVAILABLE: [9, RETRIABLE, 'The replica is not available for the partition.'],
  MESSAGE_TOO_LARGE: [10, FINAL, 'A record batch is larger than message.max.bytes or max.message.bytes allows.'],
  STALE_CONTROLLER_EPOCH: [11, FINAL, 'The controller has moved to another broker.'],
  OFFSET_METADATA_TOO_LARGE: [12, FINAL, 'The metadata of a committed offset is longer than allowed.'],
  NETWORK_EXCEPTION: [13, RETRIABLE, 'The connection ended before the response came.'],
  COORDINATOR_LOAD_IN_PROGRESS: [14, RETRIABLE, 'The coordinator is still loading its state.'],
  COORDINATOR_NOT_AVAILABLE: [15, RETRIABLE, 'The coordinator is not available.'],
  NOT_COORDINATOR: [16, RETRIABLE, 'The broker does not coordinate this group or transactional id.'],
  INVALID_TOPIC_EXCEPTION: [17, FINAL, "The topic's name is not valid, or the topic does not allow the operation."],
  RECORD_LIST_TOO_LARGE: [18, FINAL, 'The record batches are larger than a segment may be.'],
  NOT_ENOUGH_REPLICAS: [
    19,
    RETRIABLE,
    'Fewer replicas are in sync than min.insync.replicas asks for; nothing was written.',
  ],
  NOT_ENOUGH_REPLICAS_AFTER_APPEND: [
    20,
    RETRIABLE,
    'The records were written, but fewer replicas are in sync than min.insync.replicas asks for.',
  ],
  INVALID_REQUIRED_ACKS: [21, FINAL, 'acks is neither 0, 1 nor -1.'],
  ILLEGAL_GENERATION: [22, FINAL, 'The group is in another generation.'],
  INCONSISTENT_GROUP_PROTOCOL: [
    23,
    FINAL,
    "The member's protocols do not go with those of the group, or it named none.",
  ],
  INVALID_GROUP_ID: [24, FINAL, 'The group id is not valid.'],
  UNKNOWN_MEMBER_ID: [25, FINAL, 'The group does not know this member.'],
  INVALID_SESSION_TIMEOUT: [26, FINAL, 'The session timeout lies outside what the broker allows.'],
  REBALANCE_IN_PROGRESS: [27, FINAL, 'The group is rebalancing; the member has to join again.'],
  INVALID_COMMIT_OFFSET_SIZE: [28, FINAL, 'The committed offsets take more bytes than allowed.'],
  TOPIC_AUTHORIZATION_FAILED: [29, FINAL, 'The client may not use this topic.'],
  GROUP_AUTHORIZATION_FAILED: [30, FINAL, 'The client may not use this group.'],
  CLUSTER_AUTHORIZATION_FAILED: [31, FINAL, 'The client may not do this to the cluster.'],
  INVALID_TIMESTAMP: [32, FINAL, "A record's timestamp lies outside what the topic allows."],
  UNSUPPORTED_SASL_MECHANISM: [33, FINAL, 'The broker does not offer this SASL mechanism.'],
  ILLEGAL_SASL_STATE: [34, FINAL, 'The request does not fit the state of authentication.'],
  UNSUPPORTED_VERSION: [35, FINAL, 'The broker does not support this version of the API.'],
  TOPIC_ALREADY_EXISTS: [36, FINAL, 'A topic of this name exists already.'],
  INVALID_PARTITIONS: [37, FINAL, 'The number of partitions is not valid.'],
  INVALID_REPLICATION_FACTOR: [38, FINAL, 'The replication factor is below 1 or above the number of brokers.'],
  INVALID_REPLICA_ASSIGNMENT: [39, FINAL, 'The assignment of replicas is not valid.'],
  INVALID_CONFIG: [40, FINAL, 'A configuration is unknown or its value is not valid.'],
  NOT_CONTROLLER: [41, RETRIABLE, 'The broker is not the controller.'],
  INVALID_REQUEST: [42, FINAL, 'The request contradicts itself or the protocol.'],
  UNSUPPORTED_FOR_MESSAGE_FORMAT: [43, FINAL, "The partition's message format cannot serve the request."],
  POLICY_VIOLATION: [44, FINAL, 'The request goes against a policy of the cluster.'],
  OUT_OF_ORDER_SEQUENCE_NUMBER: [45, FINAL, "A sequence number does not follow the producer's last one."],
  DUPLICATE_SEQUENCE_NUMBER: [46, FINAL, 'The sequence number has been written before.'],
  INVALID_PRODUCER_EPOCH: [47, FINAL, "The producer's epoch is older than the one in use."],
  INVALID_TXN_STATE: [48, FINAL, 'The state of the transaction does not allow the operation.'],
  INVALID_PRODUCER_ID_MAPPING: [49, FINAL, 'The producer id does not belong to the transactional id.'],
  INVALID_TRANSACTION_TIMEOUT: [50, FINAL, 'The transaction timeout is longer than transaction.max.timeout.ms.'],
  CONCURRENT_TRANSACTIONS: [51, RETRIABLE, 'Another operation on the same transaction is under way.'],
  TRANSACTION_COORDINATOR_FENCED: [52, FINAL, 'The coordinator that sent a transaction marker has been replaced.'],
  TRANSACTIONAL_ID_AUTHORIZATION_FAILED: [53, FINAL, 'The client may not use this transactional id.'],
  SECURITY_DISABLED: [54, FINAL, 'Security is not configured.'],
  OPERATION_NOT_ATTEMPTED: [55, FINAL, 'The operation was left out because another one of the same request failed.'],
  KAFKA_STORAGE_ERROR: [56, RETRIABLE, "The broker's storage failed."],
  LOG_DIR_NOT_FOUND: [57, FINAL, 'The broker has no such log directory.'],
  SASL_AUTHENTICATION_FAILED: [58, FINAL, 'Authentication by SASL failed.'],
  UNKNOWN_PRODUCER_ID: [
    59,
    FINAL,
    'The partition has no state for this producer id; its records may have been deleted.',
  ],
  REASSIGNMENT_IN_PROGRESS: [60, FINAL, 'The partition is being reassigned.'],
  DELEGATION_TOKEN_AUTH_DISABLED: [61, FINAL, 'Delegation tokens are not enabled.'],
  DELEGATION_TOKEN_NOT_FOUND: [62, FINAL, 'The broker has no such delegation token.'],
  DELEGATION_TOKEN_OWNER_MISMATCH: [63, FINAL, 'The principal neither owns nor may renew the delegation token.'],
  DELEGATION_TOKEN_REQUEST_NOT_ALLOWED: [64, FINAL, 'Delegation tokens cannot be requested over this connection.'],
  DELEGATION_TOKEN_AUTHORIZATION_FAILED: [65, FINAL, 'The client may not use this delegation token.'],
  DELEGATION_TOKEN_EXPIRED: [66, FINAL, 'The delegation token has expired.'],
  INVALID_PRINCIPAL_TYPE: [67, FINAL, 'The type of the principal is not supported.'],
  NON_EMPTY_GROUP: [68, FINAL, 'The group still has members.'],
  GROUP_ID_NOT_FOUND: [69, FINAL, 'There is no such group.'],
  FETCH_SESSION_ID_NOT_FOUND: [70, RETRIABLE, 'The broker has no such fetch session.'],
  INVALID_FETCH_SESSION_EPOCH: [71, RETRIABLE, 'The epoch of the fetch session is not the one expected.'],
  LISTENER_NOT_FOUND: [72, RETRIABLE, 'The leader has no listener like the one that the request came in by.'],
  TOPIC_DELETION_DISABLED: [73, FINAL, 'Deleting topics is disabled.'],
  FENCED_LEADER_EPOCH: [74, RETRIABLE, "The leader epoch of the request is older than the broker's."],
  UNKNOWN_LEADER_EPOCH: [75, RETRIABLE, "The leader epoch of the request is newer than the broker's."],
  UNSUPPORTED_COMPRESSION_TYPE: [
    76,
    FINAL,
    'The compression of the records is not supported by this version of the request.',
  ],
  STALE_BROKER_EPOCH: [77, FINAL, 'The broker has been registered anew since.'],
  OFFSET_NOT_AVAILABLE: [78, RETRIABLE, 'A new leader does not know its high watermark yet.'],
  MEMBER_ID_REQUIRED: [79, FINAL, 'The member has to join again with the member id given to it.'],
  PREFERRED_LEADER_NOT_AVAILABLE: [80, RETRIABLE, 'The preferred leader is not available.'],
  GROUP_MAX_SIZE_REACHED: [81, FINAL, 'The group is full.'],
  FENCED_INSTANCE_ID: [82, FINAL, 'Another member has taken over this group.instance.id.'],
  ELIGIBLE_LEADERS_NOT_AVAILABLE: [83, RETRIABLE, 'No replica that may become leader is available.'],
  ELECTION_NOT_NEEDED: [84, RETRIABLE, 'The partition needs no new leader.'],
  NO_REASSIGNMENT_IN_PROGRESS: [85, FINAL, 'The partition is not being reassigned.'],
  GROUP_SUBSCRIBED_TO_TOPIC: [86, FINAL, 'The group is subscribed to the topic, so its offsets cannot be deleted.'],
  INVALID_RECORD: [87, FINAL, 'A record does not meet the rules of the topic.'],
  UNSTABLE_OFFSET_COMMIT: [88, RETRIABLE, 'Offsets of an open transaction are still to be settled.'],
  THROTTLING_QUOTA_EXCEEDED: [89, RETRIABLE, 'The client has used up its quota.'],
  PRODUCER_FENCED: [90, FINAL, 'A newer producer uses the same transactional id.'],
  RESOURCE_NOT_FOUND: [91, FINAL, 'The request names something that does not exist.'],
  DUPLICATE_RESOURCE: [92, FINAL, 'The request names the same thing twice.'],
  UNACCEPTABLE_CREDENTIAL: [93, FINAL, 'The credential does not meet the requirements.'],
  INCONSISTENT_VOTER_SET: [94, FINAL, 'The sender or the receiver is not one of the voters.'],
  INVALID_UPDATE_VERSION: [95, FINAL, 'The version of the update is not valid.'],
  FEATURE_UPDATE_FAILED: [96, FINAL, 'The finalized features could not be updated.'],
  PRINCIPAL_DESERIALIZATION_FAILURE: [97, FINAL, 'The principal of a forwarded request cannot be read.'],
  SNAPSHOT_NOT_FOUND: [98, FINAL, 'There is no such snapshot.'],
  POSITION_OUT_OF_RANGE: [99, FINAL, 'The position lies outside the snapshot.'],
  UNKNOWN_TOPIC_ID: [100, RETRIABLE, 'The broker has no topic of this id.'],
  DUPLICATE_BROKER_REGISTRATION: [101, FINAL, 'Another broker is registered with this id.'],
  BROKER_ID_NOT_REGISTERED: [102, FINAL, 'No broker is registered with this id.'],
  INCONSISTENT_TOPIC_ID: [103, RETRIABLE, 'The topic id of the request is not that of the log.'],
  INCONSISTENT_CLUSTER_ID: [104, FINAL, 'The cluster id of the request is not that of the cluster.'],
  TRANSACTIONAL_ID_NOT_FOUND: [105, FINAL, 'There is no such transactional id.'],
  FETCH_SESSION_TOPIC_ID_ERROR: [106, RETRIABLE, 'The fetch session mixes topic ids with topic names.'],
  INELIGIBLE_REPLICA: [107, FINAL, 'A replica of the new in-sync set may not be in it.'],
  NEW_LEADER_ELECTED: [108, FINAL, "The partition's state was changed, and with it its leader."],
  OFFSET_MOVED_TO_TIERED_STORAGE: [109, FINAL, 'The offset has been moved to tiered storage.'],
  FENCED_MEMBER_EPOCH: [110, FINAL, "The member's epoch is fenced: it has to give up its partitions and join again."],
  UNRELEASED_INSTANCE_ID: [111, FINAL, 'Another member still uses this group.instance.id.'],
  UNSUPPORTED_ASSIGNOR: [112, FINAL, 'The group does not support this assignor.'],
  STALE_MEMBER_EPOCH: [113, FINAL, "The member's epoch is behind: it has to wait for its heartbeat."],
  MISMATCHED_ENDPOINT_TYPE: [114, FINAL, 'The request belongs to another kind of endpoint.'],
  UNSUPPORTED_ENDPOINT_TYPE: [115, FINAL, 'This kind of endpoint is not supported.'],
  UNKNOWN_CONTROLLER_ID: [116, FINAL, 'No controller has this id.'],
  UNKNOWN_SUBSCRIPTION_ID: [117, FINAL, 'The telemetry subscription is unknown or out of date.'],
  TELEMETRY_TOO_LARGE: [118, FINAL, 'The telemetry is larger than the broker accepts.'],
  INVALID_REGISTRATION: [119, FINAL, 'The controller does not accept the registration.'],
  TRANSACTION_ABORTABLE: [
    120,
    FINAL,
    'The transaction cannot go on; abort it, and the transactional id can be used again.',
  ],
  INVALID_RECORD_STATE: [121, FINAL, 'The state of the record does not allow the acknowledgement.'],
  SHARE_SESSION_NOT_FOUND: [122, RETRIABLE, 'The broker has no such share session.'],
  INVALID_SHARE_SESSION_EPOCH: [123, RETRIABLE, 'The epoch of the share session is not the one expected.'],
  FENCED_STATE_EPOCH: [124, FINAL, "The epoch of the share group's state is not the one expected."],
  INVALID_VOTER_KEY: [125, FINAL, 'The key of the voter is not that of the replica.'],
  DUPLICATE_VOTER: [126, FINAL, 'The voter is among the voters already.'],
  VOTER_NOT_FOUND: [127, FINAL, 'The voter is not among the voters.'],
  INVALID_REGULAR_EXPRESSION: [128, FINAL, 'The regular expression is not valid.'],
  REBOOTSTRAP_REQUIRED: [
    129,
    FINAL,
    "The client's metadata is out of date: it has to begin with its bootstrap servers again.",
  ],
  STREAMS_INVALID_TOPOLOGY: [130, FINAL, 'The topology is not valid.'],
  STREAMS_INVALID_TOPOLOGY_EPOCH: [131, FINAL, 'The epoch of the topology is not valid.'],
  STREAMS_TOPOLOGY_FENCED: [132, FINAL, 'The epoch of the topology is out of date.'],
  SHARE_SESSION_LIMIT_REACHED: [133, RETRIABLE, 'The broker has as many share sessions as it allows.'],
} as const satisfies Record<string, readonly [code: number, retriable: boolean, description: string]>;

/** Kafka's name of an error. */
export type ErrorName = keyof typeof TABLE;

/** Every error, in the order of the codes. */
export const KAFKA_ERRORS: readonly KafkaError[] = Object.entries(TABLE).map(
  ([name, [code, retriable, description]]) => ({ code, name, retriable, description }),
);

/** The code of every error, by its name: `ERROR_CODES.NONE` is 0. */
export const ERROR_CODES = Object.freeze(Object.fromEntries(KAFKA_ERRORS.map(({ name, code }) => [name, code]))) as {
  readonly [Name in ErrorName]: (typeof TABLE)[Name][0];
};

const ERROR_OF_CODE: ReadonlyMap<number, KafkaError> = new Map(KAFKA_ERRORS.map((error) => [error.code, error]));

/** The error of a code; a code that is newer than this table is not retriable and is named by its number. */
export function errorOf(code: number): KafkaError {
  return (
    ERROR_OF_CODE.get(code) ?? {
      code,
      name: `UNKNOWN_ERROR_${code}`,
      retriable: false,
      description: 'An error that this version of Millrace does not know.',
    }
  );
}
