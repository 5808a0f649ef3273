// The public entry for tests, and nothing else.

/**
 * A Kafka of its own for a test file, in milliseconds and in the test's process: every Kafka client connects to it.
 *
 *     import { startKafka } from 'millrace/testing';
 *
 *     const kafka = await startKafka({ topics: ['orders'] });
 *     // kafka.bootstrapServers is for the code under test
 *     const [order] = await kafka.waitForRecords('orders');
 *     await kafka.close();
 *
 * @module
 */

export type { Client, ConsumedRecord, NewTopic, RecordInput, RecordMetadata } from '../../../client/index.ts';
export { type FaultCode, LogFault } from '../../../core/fault.ts';
export type { ErrorName } from '../../../protocol/errors.ts';
export type {
  ApiOptions,
  DelayOptions,
  DropOptions,
  FailCommitOptions,
  FailTransactionEndOptions,
  Fault,
  Faults,
  Hold,
  RefuseProduceOptions,
} from '../../../testing/faults.ts';
export type { WaitForRecordsOptions } from '../../../testing/records.ts';
export type { TestClock } from '../../../testing/test-clock.ts';
export { type StartKafkaOptions, startKafka, type TestKafka, type WaitForCommitOptions } from './start-kafka.ts';
