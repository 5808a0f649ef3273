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
  /** What it is compared with where that is no peer's run of the same scenario. */
  readonly beside?: Baseline;
}

/** A figure that was measured by turns with the one beside it. */
export interface Baseline {
  /** A package, or a part of the same run. */
  readonly name: string;
  readonly version: string;
  readonly value: number;
  /** How many turns its median is of. */
  readonly rounds: number;
}

/** How long and how large: everything that `--quick` makes smaller. */
export interface Scale {
  readonly quick: boolean;
  /** Length of a timed region. */
  readonly timedMs: number;
  /** Load before it, which counts nowhere but in processor time per byte. */
  readonly rampMs: number;
  /** The same for latencies, whose p99.9 needs records. */
  readonly latencyMs: number;
  /** Load that a broker gets after each start, for JIT compilers. */
  readonly warmUpMs: number;
  /** Size of a log that is read, and of one that is recovered. */
  readonly logBytes: number;
  readonly manyPartitions: number;
  /** Bytes of values that Java's tools and the own client move, which take a number of records and no time. */
  readonly clientBytes: number;
}

export const FULL: Scale = {
  quick: false,
  timedMs: 4000,
  rampMs: 500,
  latencyMs: 5000,
  warmUpMs: 4000,
  logBytes: 2 * 1024 ** 3,
  manyPartitions: 10_000,
  clientBytes: 300_000_000,
};

export const QUICK: Scale = {
  quick: true,
  timedMs: 400,
  rampMs: 100,
  latencyMs: 400,
  warmUpMs: 200,
  logBytes: 32 * 1024 ** 2,
  manyPartitions: 200,
  clientBytes: 10_000_000,
};

interface ScenarioBase {
  /** Such as `produce/acks=1/100B/1-partition/none`. Slashes part the dimensions. */
  readonly name: string;
  readonly peers: readonly PeerName[];
  /** Fewer rounds than the others, for what takes minutes. */
  readonly roundsMax?: number;
  /** For some peers, the scenario that is the very same run for them. */
  readonly sameAs?: Readonly<Partial<Record<PeerName, string>>>;
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
