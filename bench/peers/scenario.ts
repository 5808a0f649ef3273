// What a scenario is: one way to load every product alike, and the figures that come out of it.

import type { BrokerPool, PooledBroker } from './broker-pool.ts';
import type { Guarantee, Peer, PeerName } from './peer.ts';

/** One figure of one run. */
export interface Measurement {
  /** Such as `throughput`. */
  readonly metric: string;
  /** Such as `MB/s`. */
  readonly unit: string;
  readonly value: number;
  readonly better: 'more' | 'less';
}

/** How long and how large: everything that `--quick` makes smaller. */
export interface Scale {
  readonly quick: boolean;
  /** Length of a timed region. */
  readonly timedMs: number;
  /** Load before it, which counts nowhere but in processor time per byte. */
  readonly rampMs: number;
  /** Load that a broker gets after each start, for JIT compilers. */
  readonly warmUpMs: number;
  /** Size of a log that is read, and of one that is recovered. */
  readonly logBytes: number;
  readonly manyPartitions: number;
  readonly clientRecords: number;
}

export const FULL: Scale = {
  quick: false,
  timedMs: 5000,
  rampMs: 1000,
  warmUpMs: 4000,
  logBytes: 2 * 1024 ** 3,
  manyPartitions: 10_000,
  clientRecords: 5_000_000,
};

export const QUICK: Scale = {
  quick: true,
  timedMs: 400,
  rampMs: 100,
  warmUpMs: 200,
  logBytes: 32 * 1024 ** 2,
  manyPartitions: 200,
  clientRecords: 100_000,
};

interface ScenarioBase {
  /** Such as `produce/acks=1/100B/1-partition/none`. Slashes part the dimensions. */
  readonly name: string;
  readonly peers: readonly PeerName[];
  /** Fewer rounds than the others, for what takes minutes. */
  readonly roundsMax?: number;
}

/** Loads a broker that is running. */
export interface LoadScenario extends ScenarioBase {
  readonly guarantee: Guarantee;
  run(broker: PooledBroker, scale: Scale): Promise<readonly Measurement[]>;
}

/** Starts brokers of its own. */
export interface StartScenario extends ScenarioBase {
  runAlone(peer: Peer, tools: { readonly pool: BrokerPool; readonly scale: Scale }): Promise<readonly Measurement[]>;
}

export type Scenario = LoadScenario | StartScenario;

export const KAFKA_SPEAKERS: readonly PeerName[] = ['millrace', 'kafka'];
export const ALL_PEERS: readonly PeerName[] = ['millrace', 'kafka', 'nats', 'redis'];

export function megabytesPerSecond(metric: string, bytesPerSecond: number): Measurement {
  return { metric, unit: 'MB/s', value: bytesPerSecond / 1e6, better: 'more' };
}
