// Keeps at most one broker of each product running: started and warmed up when a scenario wants it, ended when another
// configuration of the same product is wanted. Between its own runs a broker is idle, and all have the same machine.

import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createTopic, deleteTopic } from './kafka-admin.ts';
import { load } from './load-programs.ts';
import type { Guarantee, Peer, PeerName, ServerProcess, StartOptions } from './peer.ts';
import type { Scale } from './scenario.ts';
import { freePorts } from './server-process.ts';

/** A broker that serves, with what was put into it on purpose. */
export interface PooledBroker {
  readonly peer: Peer;
  readonly server: ServerProcess;
  readonly directory: string;
  /** Topics that are filled once and read by several scenarios. */
  readonly filled: Map<string, number>;
}

interface Entry extends PooledBroker {
  readonly configuration: string;
}

const READY_ATTEMPTS = 100;
const READY_ATTEMPT_MS = 100;

export class BrokerPool {
  readonly #root: string;
  readonly #scale: Scale;
  readonly #entries = new Map<PeerName, Entry>();

  constructor(parent: string, scale: Scale) {
    mkdirSync(parent, { recursive: true });
    this.#root = mkdtempSync(join(parent, 'bench-peers-'));
    this.#scale = scale;
    process.once('exit', () => rmSync(this.#root, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 }));
  }

  get root(): string {
    return this.#root;
  }

  /** The running broker that gives the guarantee, started and warmed up where it has to be. */
  async broker(peer: Peer, guarantee: Guarantee): Promise<PooledBroker> {
    const configuration = peer.configuration(guarantee);
    const running = this.#entries.get(peer.name);
    if (running?.configuration === configuration) return running;
    await this.#end(peer.name);
    const options = await this.newPlace(peer, guarantee);
    const server = peer.start(options);
    const entry: Entry = { peer, server, directory: options.directory, filled: new Map(), configuration };
    try {
      await ready(peer, server);
      if (peer.speaksKafka) await warmUp(server.address, this.#scale);
    } catch (error) {
      await server.end('SIGKILL');
      throw new Error(`${error instanceof Error ? error.message : error}\n${server.output()}`);
    }
    this.#entries.set(peer.name, entry);
    return entry;
  }

  /** A prepared directory and a port for a broker that the pool does not keep. */
  async newPlace(peer: Peer, guarantee: Guarantee): Promise<StartOptions> {
    const directory = mkdtempSync(join(this.#root, `${peer.name}-`));
    const options = { directory, ports: await freePorts(), guarantee };
    await peer.prepare(options);
    return options;
  }

  async end(): Promise<void> {
    for (const name of [...this.#entries.keys()]) await this.#end(name);
  }

  async #end(name: PeerName): Promise<void> {
    const entry = this.#entries.get(name);
    this.#entries.delete(name);
    if (entry === undefined) return;
    await entry.server.end('SIGTERM');
    rmSync(entry.directory, { recursive: true, force: true });
  }
}

/** Resolves when the server serves; rejects with what it printed when it ends before. */
export async function ready(peer: Peer, server: ServerProcess): Promise<void> {
  const ended = server.gone.then(() => {
    throw new Error(`${peer.name} ended before it served`);
  });
  await Promise.race([peer.whenReady(server), ended]);
}

/** Creates a topic on a broker that answers already, but may not yet know itself as a place for replicas. */
export async function createFirstTopic(address: string, topic: string, partitions: number): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await createTopic(address, topic, { partitions });
    } catch (error) {
      if (attempt === READY_ATTEMPTS) throw error;
      await new Promise((resolve) => setTimeout(resolve, READY_ATTEMPT_MS));
    }
  }
}

/** The same for Kafka and Millrace: what both compile while they run is compiled for what is measured. */
async function warmUp(broker: string, { warmUpMs }: Scale): Promise<void> {
  const topic = 'warm-up';
  const partitions = 8;
  await createFirstTopic(broker, topic, partitions);
  const common = { broker, topic, partitions, ramp_ms: 0, ms: warmUpMs };
  await load('kafka-wire', 'produce', { ...common, record_bytes: 100 });
  await load('kafka-wire', 'produce', { ...common, record_bytes: 1024, codec: 'lz4', per_request: 2 });
  await load('kafka-wire', 'produce', { ...common, records_per_batch: 1, connections: 64, window: 1, acks: -1 });
  await load('kafka-wire', 'fetch', { ...common, mode: 'wrap', ms: warmUpMs / 2 });
  await deleteTopic(broker, topic);
}
