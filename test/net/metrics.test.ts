import { afterEach, describe, expect, it } from 'vitest';
import type { RequestObservation } from '../../src/broker/request-handler.ts';
import { BrokerMetrics, type MetricsSources, type PartitionSample } from '../../src/platform/node/metrics.ts';
import { RequestTally } from '../../src/platform/node/metrics-tally.ts';

const open: BrokerMetrics[] = [];

const NOTHING: MetricsSources = {
  partitions: () => [],
  queueLengths: () => [],
  connections: () => ({ open: 0, accepted: 0, requestBytesHeld: 0 }),
};

function makeMetrics(tally: RequestTally, sources: MetricsSources): BrokerMetrics {
  const metrics = new BrokerMetrics('9.9.9', tally, sources);
  open.push(metrics);
  return metrics;
}

afterEach(() => {
  for (const metrics of open.splice(0)) metrics.close();
});

const PRODUCE: RequestObservation = {
  api: 'Produce',
  version: 9,
  requestBytes: 1000,
  responseBytes: 50,
  elapsedMs: 0.3,
  errorCode: 0,
};

describe('metrics', () => {
  it('counts requests by API and error, bytes and latencies', async () => {
    const tally = new RequestTally();
    const metrics = makeMetrics(tally, NOTHING);
    tally.observe(PRODUCE);
    tally.observe({ ...PRODUCE, elapsedMs: 0.5 });
    tally.observe({ ...PRODUCE, elapsedMs: 60_000, errorCode: 10 });
    const { body, contentType } = await metrics.scrape();
    expect(contentType).toContain('text/plain; version=0.0.4');
    const lines = body.split('\n');
    for (const line of [
      `millrace_build_info{version="9.9.9",node="${process.versions.node}"} 1`,
      '# TYPE millrace_requests_total counter',
      'millrace_requests_total{api="Produce",error="NONE"} 2',
      'millrace_requests_total{api="Produce",error="MESSAGE_TOO_LARGE"} 1',
      'millrace_request_bytes_total{api="Produce"} 3000',
      'millrace_response_bytes_total{api="Produce"} 150',
      '# TYPE millrace_request_duration_seconds histogram',
      'millrace_request_duration_seconds_bucket{api="Produce",le="0.00025"} 0',
      'millrace_request_duration_seconds_bucket{api="Produce",le="0.0005"} 2',
      'millrace_request_duration_seconds_bucket{api="Produce",le="30"} 2',
      'millrace_request_duration_seconds_bucket{api="Produce",le="+Inf"} 3',
      'millrace_request_duration_seconds_count{api="Produce"} 3',
    ]) {
      expect(lines).toContain(line);
    }
  });

  it('looks at connections, queues and partitions when scraped, and escapes their names', async () => {
    const state = { logStartOffset: 5, logEndOffset: 12, sizeBytes: 3456 };
    const partitions: PartitionSample[] = [
      { topic: 'a"b\\c', partition: 0, state },
      { topic: 'down', partition: 1, state: undefined },
    ];
    const metrics = makeMetrics(new RequestTally(), {
      partitions: () => partitions,
      queueLengths: () => [0, 7],
      connections: () => ({ open: 3, accepted: 9, requestBytesHeld: 100 }),
    });
    const lines = (await metrics.scrape()).body.split('\n');
    for (const line of [
      'millrace_connections 3',
      'millrace_connections_accepted_total 9',
      'millrace_worker_queue_length{slot="1"} 7',
      'millrace_partitions{status="online"} 1',
      'millrace_partitions{status="offline"} 1',
      'millrace_partition_log_end_offset{topic="a\\"b\\\\c",partition="0"} 12',
      'millrace_partition_log_start_offset{topic="a\\"b\\\\c",partition="0"} 5',
      'millrace_partition_size_bytes{topic="a\\"b\\\\c",partition="0"} 3456',
    ]) {
      expect(lines).toContain(line);
    }
    expect(lines.some((line) => line.startsWith('millrace_event_loop_delay_seconds{quantile="p99"} '))).toBe(true);
    expect(lines.some((line) => line.startsWith('process_resident_memory_bytes '))).toBe(true);
  });

  it('bounds the series of partitions and counts them all', async () => {
    const state = { logStartOffset: 0, logEndOffset: 1, sizeBytes: 1 };
    const partitions = Array.from({ length: 12_000 }, (_, partition) => ({ topic: 't', partition, state }));
    const metrics = makeMetrics(new RequestTally(), {
      partitions: () => partitions,
      queueLengths: () => [],
      connections: () => ({ open: 0, accepted: 0, requestBytesHeld: 0 }),
    });
    const { body } = await metrics.scrape();
    expect(body.match(/^millrace_partition_size_bytes\{/gm)).toHaveLength(10_000);
    expect(body).toContain('millrace_partitions{status="online"} 12000');
  });
});
