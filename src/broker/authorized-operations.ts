// What a client may do, as Kafka's bit fields (KIP-430). Nothing is restricted yet, so everything that exists is set.

/** AclOperation codes of Kafka. */
const OPERATION = {
  read: 3,
  write: 4,
  create: 5,
  delete: 6,
  alter: 7,
  describe: 8,
  clusterAction: 9,
  describeConfigs: 10,
  alterConfigs: 11,
  idempotentWrite: 12,
} as const;

function bits(...operations: readonly (keyof typeof OPERATION)[]): number {
  return operations.reduce((sum, operation) => sum | (1 << OPERATION[operation]), 0);
}

/** Stands where the client did not ask. */
export const NOT_ASKED = -2_147_483_648;
export const TOPIC_OPERATIONS = bits(
  'read',
  'write',
  'create',
  'delete',
  'alter',
  'describe',
  'describeConfigs',
  'alterConfigs',
);
export const GROUP_OPERATIONS = bits('read', 'delete', 'describe');
export const CLUSTER_OPERATIONS = bits(
  'create',
  'clusterAction',
  'describeConfigs',
  'alterConfigs',
  'idempotentWrite',
  'alter',
  'describe',
);
