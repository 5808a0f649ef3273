// The Prometheus metrics of one broker process: what is counted while serving, and what is looked at when scraped.
// Label sets are bounded: APIs and error codes by the protocol, partitions by a limit.

import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { errorOf } from '../../protocol/errors.ts';
import { EventLoopDelay } from './event-loop-delay.ts';
import { type ApiTally, LATENCY_BOUNDS_MS, type RequestTally } from './metrics-tally.ts';

/** One partition as it stands; `state` is undefined while it is offline. */
export interface PartitionSample {
  readonly topic: string;
  readonly partition: number;
  readonly state:
    | { readonly logStartOffset: number; readonly logEndOffset: number; readonly sizeBytes: number }
    | undefined;
}

/** What is looked at when the metrics are scraped. */
export interface MetricsSources {
  partitions(): Iterable<PartitionSample>;
  /** Commands waiting and in flight by worker slot. */
  queueLengths(): readonly number[];
  connections(): {
    readonly open: number;
    readonly accepted: number;
    /** Request bytes held: partly received, waiting and being handled. */
    readonly requestBytesHeld: number;
  };
}

/** Partitions that have series of their own; the others count in `millrace_partitions` alone. */
const PARTITION_SERIES_MAX = 10_000;
const MS_PER_S = 1000;
const US_PER_S = 1_000_000;

interface Sample {
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
}

/** A counter or gauge whose values are computed when it is scraped, many thousands at once, without hashing labels. */
type Collect = () => Iterable<Sample>;

class CollectedCounter extends Counter {
  readonly #collect: Collect;

  constructor(name: string, help: string, collect: Collect) {
    super({ name, help, registers: [] });
    this.#collect = collect;
  }

  override async get() {
    return { ...(await super.get()), values: [...this.#collect()] };
  }
}

class CollectedGauge extends Gauge {
  readonly #collect: Collect;

  constructor(name: string, help: string, collect: Collect) {
    super({ name, help, registers: [] });
    this.#collect = collect;
  }

  override async get() {
    return { ...(await super.get()), values: [...this.#collect()] };
  }
}

const DURATION_NAME = 'millrace_request_duration_seconds';
const DURATION_HELP =
  'Time from a request to its response, by API. Fetch waits for records as long as its client asks.';

/** The latency histogram, from tallies. */
class TalliedHistogram extends Histogram {
  readonly #tally: RequestTally;
  /** An empty one: its description is the public way to one's own. */
  readonly #empty = new Histogram({ name: DURATION_NAME, help: DURATION_HELP, registers: [] });

  constructor(tally: RequestTally) {
    super({ name: DURATION_NAME, help: DURATION_HELP, registers: [] });
    this.#tally = tally;
  }

  override async get() {
    return { ...(await this.#empty.get()), values: [...this.#tally.apis()].flatMap(histogramSamples) };
  }

  /** What the registry calls in place of `get` for the text form. */
  getForPromString(): ReturnType<TalliedHistogram['get']> {
    return this.get();
  }
}

function histogramSamples({ api, buckets, elapsedMs }: ApiTally) {
  let count = 0;
  const bounds = [...LATENCY_BOUNDS_MS.map((bound) => bound / MS_PER_S), '+Inf'];
  const values = bounds.map((le, index) => {
    count += buckets[index] ?? 0;
    return { labels: { api, le }, value: count, metricName: `${DURATION_NAME}_bucket` };
  });
  return [
    ...values,
    { labels: { api }, value: elapsedMs / MS_PER_S, metricName: `${DURATION_NAME}_sum` },
    { labels: { api }, value: count, metricName: `${DURATION_NAME}_count` },
  ];
}

export class BrokerMetrics {
  readonly #registry = new Registry();
  readonly #tally: RequestTally;
  readonly #delay = new EventLoopDelay();
  readonly #sources: MetricsSources;

  /** `tally` counts from the start of the broker; everything else is looked at when scraped. */
  constructor(version: string, tally: RequestTally, sources: MetricsSources) {
    this.#tally = tally;
    this.#sources = sources;
    this.#register('gauge', 'millrace_build_info', 'Version of Millrace and of Node.', () => [
      { labels: { version, node: process.versions.node }, value: 1 },
    ]);
    this.#registerRequests();
    this.#registerConnections();
    this.#registerPartitions();
    this.#registerProcess();
  }

  /** The text exposition. */
  async scrape(): Promise<{ readonly contentType: string; readonly body: string }> {
    return { contentType: this.#registry.contentType, body: await this.#registry.metrics() };
  }

  close(): void {
    this.#delay.close();
  }

  #register(type: 'counter' | 'gauge', name: string, help: string, collect: Collect): void {
    const metric =
      type === 'counter' ? new CollectedCounter(name, help, collect) : new CollectedGauge(name, help, collect);
    this.#registry.registerMetric(metric);
  }

  #registerRequests(): void {
    const tally = this.#tally;
    this.#register('counter', 'millrace_requests_total', 'Requests answered, by API and Kafka error.', function* () {
      for (const { api, succeeded, failed } of tally.apis()) {
        if (succeeded > 0) yield { labels: { api, error: 'NONE' }, value: succeeded };
        for (const [code, value] of failed) yield { labels: { api, error: errorOf(code).name }, value };
      }
    });
    this.#register('counter', 'millrace_request_bytes_total', 'Bytes of requests, by API.', function* () {
      for (const { api, requestBytes } of tally.apis()) yield { labels: { api }, value: requestBytes };
    });
    this.#register('counter', 'millrace_response_bytes_total', 'Bytes of responses, by API.', function* () {
      for (const { api, responseBytes } of tally.apis()) yield { labels: { api }, value: responseBytes };
    });
    this.#registry.registerMetric(new TalliedHistogram(tally));
  }

  #registerConnections(): void {
    const connections = () => this.#sources.connections();
    const single = (value: number | undefined): Sample[] => (value === undefined ? [] : [{ labels: {}, value }]);
    this.#register('gauge', 'millrace_connections', 'Client connections open.', () => single(connections()?.open));
    this.#register('counter', 'millrace_connections_accepted_total', 'Client connections accepted.', () =>
      single(connections()?.accepted),
    );
    this.#register('gauge', 'millrace_request_memory_bytes', 'Request bytes received and not yet answered.', () =>
      single(connections()?.requestBytesHeld),
    );
    this.#register('gauge', 'millrace_worker_queue_length', 'Commands waiting or in flight, by worker slot.', () =>
      this.#sources.queueLengths().map((value, slot) => ({ labels: { slot }, value })),
    );
  }

  #registerPartitions(): void {
    const online = (): Iterable<PartitionSample> => this.#sources.partitions();
    this.#register('gauge', 'millrace_partitions', 'Partitions, by whether they are online.', () => {
      let count = 0;
      let offline = 0;
      for (const { state } of online()) {
        count += 1;
        if (state === undefined) offline += 1;
      }
      return [
        { labels: { status: 'online' }, value: count - offline },
        { labels: { status: 'offline' }, value: offline },
      ];
    });
    const each = (name: string, help: string, value: (state: NonNullable<PartitionSample['state']>) => number): void =>
      this.#register('gauge', name, help, function* () {
        let count = 0;
        for (const { topic, partition, state } of online()) {
          if (state !== undefined) yield { labels: { topic, partition }, value: value(state) };
          count += 1;
          if (count === PARTITION_SERIES_MAX) return;
        }
      });
    each('millrace_partition_log_start_offset', 'First offset of the log.', (state) => state.logStartOffset);
    each('millrace_partition_log_end_offset', 'Offset of the next record.', (state) => state.logEndOffset);
    each('millrace_partition_size_bytes', 'Bytes of the log in its segments.', (state) => state.sizeBytes);
  }

  #registerProcess(): void {
    const startedAt = Date.now() / MS_PER_S - process.uptime();
    this.#register('gauge', 'millrace_event_loop_delay_seconds', 'Event-loop delay since the last scrape.', () =>
      Object.entries(this.#delay.read()).map(([quantile, value]) => ({ labels: { quantile }, value })),
    );
    this.#register('gauge', 'millrace_memory_bytes', 'Memory of the process, by kind.', () =>
      Object.entries(process.memoryUsage()).map(([kind, value]) => ({ labels: { kind: snakeCase(kind) }, value })),
    );
    // These two have names that dashboards know from every Prometheus client.
    this.#register('counter', 'process_cpu_seconds_total', 'CPU time used, all threads.', () => {
      const { user, system } = process.cpuUsage();
      return [{ labels: {}, value: (user + system) / US_PER_S }];
    });
    this.#register('gauge', 'process_resident_memory_bytes', 'Resident memory of the process.', () => [
      { labels: {}, value: process.memoryUsage.rss() },
    ]);
    this.#register('gauge', 'process_start_time_seconds', 'Start of the process, since 1970.', () => [
      { labels: {}, value: startedAt },
    ]);
  }
}

function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
