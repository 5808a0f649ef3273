// The Kafka listeners of one broker: opens those that are configured, and knows what each tells its clients to connect to.
// How one is bound is the runtime's.

import { checkListeners, LISTENER_NAME_DEFAULT, type ListenerSetting } from '../broker/config/listeners.ts';

/** One listener that is bound. */
export interface KafkaListener {
  readonly name: string;
  /** `HOST:PORT` as clients are to write it. */
  readonly authority: string;
  /** The host bound to as it was given, and the port as it is; the host is undefined where it stands for every address. */
  readonly host: string | undefined;
  readonly port: number;
  /** Serves the sockets that wait, and all that come from now on. */
  serve(): void;
  /** Stops accepting, closes its connections with those of the set, and resolves when all have ended. */
  close(deadlineMs?: number): Promise<void>;
}

export interface KafkaListenersOptions {
  /** How the runtime binds one. @throws LogFault ERR_LISTEN where the address cannot be bound */
  readonly listen: (setting: ListenerSetting) => Promise<KafkaListener>;
  readonly listeners: readonly ListenerSetting[];
  readonly advertised: readonly ListenerSetting[];
  /** listener.security.protocol.map */
  readonly protocolMap: string;
}

export interface AdvertisedAddress {
  readonly host: string;
  readonly port: number;
}

/** A listener given by its address alone: the first has Kafka's default name, those after it have their number too. */
export function named({ host, port }: AdvertisedAddress, index: number): ListenerSetting {
  return { name: index === 0 ? LISTENER_NAME_DEFAULT : `${LISTENER_NAME_DEFAULT}_${index + 1}`, host, port };
}

export class KafkaListeners {
  readonly #listeners: readonly KafkaListener[];
  readonly #advertised: ReadonlyMap<string, AdvertisedAddress>;

  private constructor(listeners: readonly KafkaListener[], advertised: ReadonlyMap<string, AdvertisedAddress>) {
    this.#listeners = listeners;
    this.#advertised = advertised;
  }

  /** Binds all. @throws LogFault ERR_CONFIG, and ERR_LISTEN where one cannot be bound: then none is. */
  static async open(options: KafkaListenersOptions): Promise<KafkaListeners> {
    checkListeners({ ...options, protocolMap: withNames(options) });
    const open: KafkaListener[] = [];
    try {
      for (const setting of options.listeners) open.push(await options.listen(setting));
    } catch (error) {
      await Promise.all(open.map((listener) => listener.close()));
      throw error;
    }
    const advertised = new Map<string, AdvertisedAddress>();
    for (const { name, host, port } of open) if (host !== undefined) advertised.set(name, { host, port });
    for (const { name, host, port } of options.advertised) advertised.set(name, { host, port });
    return new KafkaListeners(open, advertised);
  }

  /** `HOST:PORT` of each. */
  get addresses(): readonly string[] {
    return this.#listeners.map(({ authority }) => authority);
  }

  /** What clients of this listener are told; undefined where it is the address by which each came. */
  advertised(listener: string): AdvertisedAddress | undefined {
    return this.#advertised.get(listener);
  }

  /** The broker is ready: sockets that wait are served. */
  serve(): void {
    for (const listener of this.#listeners) listener.serve();
  }

  /** Stops accepting and resolves when every connection has ended. */
  async close(): Promise<void> {
    await Promise.all(this.#listeners.map((listener) => listener.close()));
  }
}

/** The protocol map with the names that {@link named} makes, which no configuration has to tell. */
function withNames({ listeners, protocolMap }: KafkaListenersOptions): string {
  const made = listeners.map(({ name }) => name).filter((name) => /^PLAINTEXT_\d+$/.test(name));
  return [protocolMap, ...made.map((name) => `${name}:PLAINTEXT`)].join(',');
}
