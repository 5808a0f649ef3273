// What is measured: a product that keeps records, started as a process of its own on a directory of its own.

/** The products, in the order in which tables show them. */
export const PEER_NAMES = ['millrace', 'kafka', 'nats', 'redis'] as const;
export type PeerName = (typeof PEER_NAMES)[number];

/** How they are called in tables. */
export const PEER_TITLES: Readonly<Record<PeerName, string>> = {
  millrace: 'Millrace',
  kafka: 'Apache Kafka',
  nats: 'NATS JetStream',
  redis: 'Redis Streams',
};

export function isPeerName(name: string): name is PeerName {
  return PEER_NAMES.some((known) => known === name);
}

/** Rows stand beside products, and beside packages, which are called what they are called. */
export function peerTitle(name: string): string {
  return isPeerName(name) ? PEER_TITLES[name] : name;
}

/**
 * What a broker promises for a record that it has acknowledged with acks=all. `default` is what it does out of the box,
 * `relaxed` that the operating system has the record, `durable` that it is on stable storage.
 */
export type Guarantee = 'default' | 'relaxed' | 'durable';

export interface StartOptions {
  readonly directory: string;
  /** Of the protocol that the load speaks, and one for whatever else the product listens on. */
  readonly ports: readonly [number, number];
  readonly guarantee: Guarantee;
}

/** A process that was spawned a moment ago, and may not serve yet. */
export interface ServerProcess {
  readonly pid: number;
  /** `process.hrtime` at the spawn. */
  readonly spawnedAt: bigint;
  /** `HOST:PORT` of the protocol that the load speaks. */
  readonly address: string;
  /** `ws://HOST:PORT`, of Millrace. */
  readonly url?: string;
  /** Resolves when the process is gone, by itself or not. */
  readonly gone: Promise<void>;
  /** Resolves when the process is gone. */
  end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void>;
  /** What it has printed last, for reports of failures. */
  output(): string;
}

export interface Peer {
  readonly name: PeerName;
  readonly version: string;
  /** Whether loads of Kafka's protocol can be sent to it. */
  readonly speaksKafka: boolean;
  /** Names the configuration that gives a guarantee: guarantees with one name are given by one process. */
  configuration(guarantee: Guarantee): string;
  /** Prepares the directory once, before the first start. */
  prepare(options: StartOptions): Promise<void>;
  start(options: StartOptions): ServerProcess;
  /** Resolves when it serves. */
  whenReady(server: ServerProcess): Promise<void>;
}
