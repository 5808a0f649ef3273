// The public entry `millrace/workerd`, and nothing else.

/**
 * Millrace on Cloudflare Workers: a broker in a Durable Object, and the ways to it.
 *
 * @module
 */

export { createPortableCodecs } from '../../compression/portable-codecs.ts';
export { unavailableCodec } from '../../compression/unavailable-codec.ts';
export type { BatchCodec, BatchCodecs } from '../../core/compression.ts';
export { type FaultCode, LogFault } from '../../core/fault.ts';
export type { LogFields, Logger } from '../../core/logger.ts';
export { BrokerObject } from './broker-object.ts';
export { ObjectBroker, type ObjectBrokerOptions } from './object-broker.ts';
export { type BrokerNamespace, type Fetcher, type RouteOptions, routeToBroker, webSocketOver } from './routing.ts';
export type { ObjectSocket, ObjectState, ObjectStorage, SqlCursor, SqlDatabase, SqlValue } from './runtime.ts';
export { SqliteStore, type SqliteStoreOptions } from './sqlite-store.ts';
