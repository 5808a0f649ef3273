// The public entry of the client, and nothing else.

/**
 * The client of a Millrace broker, or of any broker that speaks Kafka frames over WebSocket: for browsers, Workers,
 * Deno, Bun and Node.
 *
 *     import { connect } from 'millrace/client';
 *
 *     const client = await connect('ws://127.0.0.1:8092');
 *     const producer = client.producer();
 *     await producer.send({ topic: 'greetings', messages: [{ key: 'en', value: 'hello' }] });
 *
 *     const consumer = client.consumer();
 *     await consumer.assign([{ topic: 'greetings', from: 'beginning' }]);
 *     for await (const record of consumer) console.log(record.offset, record.text());
 *
 * Every operating fault is a {@link LogFault} with a stable `code`; one with ERR_BROKER is a {@link BrokerFault} that
 * names Kafka's error.
 *
 * @module
 */

export { type FaultCode, LogFault } from '../core/fault.ts';
export type { Clock, Random, TimerHandle } from '../core/platform.ts';
export {
  Admin,
  type ClusterDescription,
  type ConfigChange,
  type ConfigEntry,
  type ConfigResource,
  type NewTopic,
  type OffsetQuery,
  type PartitionOffset,
} from './admin.ts';
export { BrokerFault } from './broker-fault.ts';
export { Client, type ConnectOptions, connect } from './client.ts';
export type { ClientWasm } from './client-wasm.ts';
export type { BrokerPlace, PartitionPlace, TopicPlace } from './cluster.ts';
export type { Codec, CodecName, Codecs } from './compression.ts';
export {
  type Assignment,
  type ConsumedBatch,
  Consumer,
  type ConsumerOptions,
  type IterationOptions,
  type RunHandlers,
  type StartPosition,
  type SubscribeOptions,
} from './consumer.ts';
export type { CommittedOffset, OffsetToCommit } from './groups/committed-offsets.ts';
export { GroupAdmin, type GroupDescription, type GroupListing, type GroupMember } from './groups/group-admin.ts';
export type { Subscription } from './groups/group-membership.ts';
export { InProcessOpener } from './in-process-transport.ts';
export type { Isolation } from './isolation.ts';
export { partitionOfKey } from './partitioner.ts';
export { Producer, type ProducerOptions, type SendRequest } from './producer.ts';
export {
  ConsumedRecord,
  type Content,
  type HeadersInput,
  type RecordHeader,
  type RecordInput,
  type RecordMetadata,
  type TopicPartition,
} from './record.ts';
export type { RecordWriter, WriteSummary } from './record-writer.ts';
export type { BrokerAddress, ClientTransport, TransportEvents, TransportOpener } from './transport.ts';
export { type WebSocketConstructor, type WebSocketLike, WebSocketOpener } from './web-socket-transport.ts';
