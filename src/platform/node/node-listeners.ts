// The listeners of one broker in a Node process: WebSocket and HTTP on one address, the Kafka protocol on others, and the
// metrics that HTTP shows. They may be open before the broker serves.

import type { RequestHandler } from '../../broker/request-handler.ts';
import type { Logger } from '../../core/logger.ts';
import type { EmbeddedBroker } from '../../embedded/embedded-broker.ts';
import { type AdvertisedAddress, KafkaListeners, named } from '../../embedded/kafka-listeners.ts';
import type { HttpListener } from './http-listener.ts';
import { listenKafka } from './kafka-listener.ts';
import type { BrokerMetrics } from './metrics.ts';
import type { RequestTally } from './metrics-tally.ts';
import { packageVersion } from './package-version.ts';
import type { YoungCollector } from './young-collector.ts';

/** Port 0 picks a free one. */
export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

export interface NodeListenersOptions {
  readonly broker: EmbeddedBroker;
  /** Absent, there is no HTTP. */
  readonly http?: ListenAddress | undefined;
  /** Absent, as the config `listeners` says, which is nowhere where it is not set. */
  readonly kafka?: readonly ListenAddress[] | undefined;
  readonly allowOrigins: readonly string[];
  readonly logger: Logger;
  /** Told of what is read from sockets. */
  readonly collector: YoungCollector;
  /** What the broker's observer counts in. */
  readonly tally: RequestTally;
}

export class NodeListeners {
  readonly #options: NodeListenersOptions;
  readonly #handler: RequestHandler;
  #metrics: Promise<BrokerMetrics> | undefined;
  #http: HttpListener | undefined;
  #kafka: KafkaListeners | undefined;
  #isClosing = false;

  constructor(options: NodeListenersOptions) {
    this.#options = options;
    this.#handler = options.broker.handler;
  }

  /** Binds all. HTTP answers that the broker is not ready, and Kafka's clients wait, until {@link serve}. Throws ERR_LISTEN. */
  async open(): Promise<void> {
    this.#http = await this.#listenHttp();
    this.#kafka = await this.#listenKafka();
  }

  /** The broker serves. */
  serve(): void {
    this.#kafka?.serve();
  }

  /** `HOST:PORT` of WebSocket and HTTP; empty where there is none. */
  get httpAddress(): string {
    return this.#http?.authority ?? '';
  }

  /** `HOST:PORT` of each Kafka listener, apart by commas. */
  get kafkaAddress(): string {
    return this.#kafka?.addresses.join(',') ?? '';
  }

  /** What clients of a listener are told to connect to; undefined where it is the address by which each came. */
  advertised(listener: string): AdvertisedAddress | undefined {
    return this.#kafka?.advertised(listener);
  }

  /** Ends every connection; the broker is to be closed afterwards. */
  async close(): Promise<void> {
    this.#isClosing = true;
    await Promise.all([this.#http?.close(), this.#kafka?.close()]);
    (await this.#metrics)?.close();
  }

  #listenKafka(): Promise<KafkaListeners> {
    const { broker, kafka, logger, collector } = this.#options;
    const { settings, connections } = broker;
    return KafkaListeners.open({
      listeners: kafka?.map(named) ?? settings.listeners ?? [],
      advertised: settings.advertisedListeners,
      protocolMap: settings.listenerProtocolMap,
      listen: (setting) =>
        listenKafka({
          ...setting,
          handler: this.#handler,
          connections,
          collector,
          logger,
          requestBytesMax: settings.socketRequestMaxBytes,
        }),
    });
  }

  async #listenHttp(): Promise<HttpListener | undefined> {
    const { broker, http, logger, allowOrigins, collector } = this.#options;
    if (http === undefined) return undefined;
    const { listenHttp } = await import('./http-listener.ts');
    const { settings, connections } = broker;
    return listenHttp({
      ...http,
      handler: this.#handler,
      openJson: (parts) => broker.openJson(parts),
      service: {
        version: packageVersion(),
        notReady: () => (broker.isServing && !this.#isClosing ? undefined : 'the log is being opened or closed'),
        metrics: () => this.#scrape(),
      },
      logger,
      allowOrigins,
      connections,
      collector,
      connectionsMax: settings.maxConnections,
      requestBytesMax: settings.socketRequestMaxBytes,
    });
  }

  /** prom-client is loaded when somebody scrapes: it is a good part of what a start would take. */
  async #scrape(): Promise<{ readonly contentType: string; readonly body: string }> {
    this.#metrics ??= this.#openMetrics();
    return (await this.#metrics).scrape();
  }

  async #openMetrics(): Promise<BrokerMetrics> {
    const { broker, tally } = this.#options;
    const { BrokerMetrics } = await import('./metrics.ts');
    return new BrokerMetrics(packageVersion(), tally, {
      partitions: () => broker.broker?.partitions() ?? [],
      queueLengths: () => broker.queueLengths(),
      connections: () => {
        const { size, acceptedCount, memory } = broker.connections;
        return { open: size, accepted: acceptedCount, requestBytesHeld: memory.used };
      },
    });
  }
}
