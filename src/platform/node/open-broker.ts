// A broker in the caller's own process and thread: on memory or on a directory, with listeners or without. Whatever it is
// not asked for is not loaded.

import type { Client } from '../../client/index.ts';
import { LogFault } from '../../core/fault.ts';
import { MemoryStore } from '../../storage/memory-store.ts';
import { type ClientOptions, LocalBroker, type LocalBrokerOptions, type Place } from './local-broker.ts';

export interface OpenBrokerOptions extends LocalBrokerOptions {
  /** Where records are kept, created where it is missing; absent, they are in memory and go with the broker. */
  readonly directory?: string | undefined;
}

/** A broker in this process. */
export interface InProcessBroker extends AsyncDisposable {
  /** `ws://HOST:PORT`; empty where there is no such listener. */
  readonly url: string;
  /** `HOST:PORT` of WebSocket and HTTP; empty where there is no such listener. */
  readonly httpAddress: string;
  /** `HOST:PORT` of each Kafka listener, apart by commas as `bootstrap.servers` takes them; empty where there is none. */
  readonly kafkaAddress: string;
  /** Makes a client whose requests go straight to this broker, without a socket. It is closed with the broker. */
  client(options?: ClientOptions): Client;
  /**
   * Ends the clients, answers what is under way and closes every partition in order. When it resolves no handle, thread,
   * timer or file of the broker is left.
   */
  close(): Promise<void>;
}

/**
 * Opens a broker in this process and thread, and resolves when it serves. Throws LogFault ERR_CONFIG, ERR_LISTEN,
 * ERR_DATA_DIRECTORY_LOCKED, ERR_DATA_DIRECTORY_UNREADABLE, ERR_STORAGE.
 *
 *     const broker = await openBroker();
 *     await broker.client().producer().send({ topic: 'orders', messages: [{ value: 'one coffee' }] });
 *     await broker.close();
 */
export async function openBroker(options: OpenBrokerOptions = {}): Promise<InProcessBroker> {
  const place = await openPlace(options.directory);
  try {
    return new OpenedBroker(place, await LocalBroker.open(options, { place }));
  } catch (error) {
    place.store.close();
    throw error;
  }
}

async function openPlace(directory: string | undefined): Promise<Place> {
  if (directory === undefined) return { store: new MemoryStore(), path: 'memory' };
  if (directory === '') throw new LogFault('ERR_USAGE', 'directory takes a path; leave it out for records in memory');
  const [{ openNodeDirectory }, { resolve }] = await Promise.all([import('./data-directory.ts'), import('node:path')]);
  const path = resolve(directory);
  return { ...openNodeDirectory(path), path };
}

class OpenedBroker implements InProcessBroker {
  readonly #place: Place;
  readonly #broker: LocalBroker;

  constructor(place: Place, broker: LocalBroker) {
    this.#place = place;
    this.#broker = broker;
  }

  get httpAddress(): string {
    return this.#broker.httpAddress;
  }

  get kafkaAddress(): string {
    return this.#broker.kafkaAddress;
  }

  get url(): string {
    return this.#broker.url;
  }

  client(options?: ClientOptions): Client {
    return this.#broker.client(options);
  }

  async close(): Promise<void> {
    await this.#broker.close();
    this.#place.store.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
