// What the conformance suite asks of a host: a runtime with its store, its WebAssembly and its way to hold a broker.
// Nothing here knows which runtime it is. README.md beside this folder says how a host runs the suite.

import type { Client } from '../../../src/client/client.ts';
import type { BatchCodecs } from '../../../src/core/compression.ts';
import type { Store } from '../../../src/core/platform.ts';

export interface ConformanceHost {
  /** Names the host in results, for example `deno 2.9`. */
  readonly name: string;
  /** The plain build. */
  readonly wasm: WebAssembly.Module;
  /** Every codec, ready for use; undefined where the host has none. */
  readonly codecs?: BatchCodecs | undefined;
  /** A new, empty place for files. `label` is unique within a run. */
  createPlace(label: string): Promise<ConformancePlace>;
  /** Whether its places have {@link ConformancePlace.openBroker}; without it the cases of brokers are not run. */
  readonly hasBroker: boolean;
}

/** A place that keeps files. One store is open on it at a time. */
export interface ConformancePlace {
  /** Opens the store; what was there when the last one ended is there again. */
  open(): Promise<Store>;
  /** Ends the open store in order. */
  close(): Promise<void>;
  /**
   * Ends the open store as if its process had been killed: nothing is flushed or finished, and every write that has
   * returned is there for the next one.
   */
  crash(): Promise<void>;
  /** Opens a broker of the host's own kind on what lies here, in the place of a store. */
  openBroker?(settings: BrokerSettings): Promise<ConformanceBroker>;
  /** Removes everything. */
  remove(): Promise<void>;
}

export interface BrokerSettings {
  /** Under Kafka's names, as written. */
  readonly config: Readonly<Record<string, string>>;
}

/** An open broker. */
export interface ConformanceBroker {
  /** A client of the broker in the same process, or over its own socket where the host has nothing nearer. */
  client(): Promise<Client>;
  /** A WebSocket to the broker, or what stands for one where the host cannot listen: see `sockets.ts`. */
  socket(subprotocol: 'kafka' | 'json'): Promise<ConformanceSocket>;
  /** Closes the broker in order, and its store. */
  close(): Promise<void>;
  /** Ends the broker as if its process had been killed: see {@link ConformancePlace.crash}. */
  crash(): Promise<void>;
}

/** One WebSocket, seen from the client. */
export interface ConformanceSocket {
  send(message: Uint8Array | string): void;
  /** The next message; rejects when the socket ends before. */
  receive(): Promise<Uint8Array | string>;
  close(): void;
}

/** One thing that every host must do. Resolves when it does, rejects when not. */
export interface ConformanceCase {
  /** A sentence. */
  readonly name: string;
  readonly needs: 'store' | 'broker';
  run(host: ConformanceHost): Promise<void>;
}

export interface CaseResult {
  readonly name: string;
  readonly passed: boolean;
  readonly milliseconds: number;
  /** Why it did not pass. */
  readonly reason?: string;
}

export interface ConformanceReport {
  readonly host: string;
  readonly results: readonly CaseResult[];
}
