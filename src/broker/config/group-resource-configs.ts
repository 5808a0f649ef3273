// The keys that a KIP-848 group may have for itself, under Kafka's names (resource type GROUP). Each takes its type and
// default from the broker key that speaks for groups which do not set it, and is kept between that key's bounds.

import type { ConsumerTimes } from '../groups/group-context.ts';
import type { BrokerConfig, ConfigEntries, ResolvedConfig } from './broker-config.ts';
import { BROKER_CONFIGS } from './broker-configs.ts';
import { ConfigTable, toNumber } from './definition.ts';
import { boundsObjection, GROUP_KEYS, HEARTBEAT_KEY, intervalObjection, SESSION_KEY } from './group-configs.ts';

/** Every key of a group, by name. */
export const GROUP_CONFIGS = new ConfigTable(
  Object.entries(GROUP_KEYS).map(([name, behind]) => ({ ...BROKER_CONFIGS.get(behind.name), name, dynamic: true })),
);

/** What speaks against these values of a group; undefined where nothing does. */
export function groupObjection(overrides: ConfigEntries, broker: BrokerConfig): string | undefined {
  const resolve = (name: string): ResolvedConfig =>
    GROUP_KEYS[name] === undefined ? broker.resolve(name) : broker.resolveGroup(name, overrides);
  const number = (name: string): number => toNumber(resolve(name).value ?? '0');
  for (const [name, { min, max }] of Object.entries(GROUP_KEYS)) {
    const objected = boundsObjection(number, { name, min, max });
    if (objected !== undefined) return objected;
  }
  return intervalObjection(number, { interval: HEARTBEAT_KEY, timeout: SESSION_KEY });
}

/** What holds for the members of a group. Bounds that were narrowed since the group got its values hold over these. */
export function consumerTimes(overrides: ConfigEntries, broker: BrokerConfig): ConsumerTimes {
  return {
    sessionTimeoutMs: bounded(SESSION_KEY, overrides, broker),
    heartbeatIntervalMs: bounded(HEARTBEAT_KEY, overrides, broker),
  };
}

function bounded(name: string, overrides: ConfigEntries, broker: BrokerConfig): number {
  const value = toNumber(broker.resolveGroup(name, overrides).value ?? '0');
  const behind = GROUP_KEYS[name];
  if (behind === undefined) return value;
  const bound = (key: string): number => toNumber(broker.resolve(key).value ?? '0');
  return Math.max(bound(behind.min), Math.min(bound(behind.max), value));
}
