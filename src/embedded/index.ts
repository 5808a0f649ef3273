// The public entry for hosts, and nothing else.

/**
 * A broker without its runtime: what the hosts of this package (Node, Deno, Bun, workerd, browsers) are made of, for one
 * more. A host brings a store, time, randomness and transports.
 *
 *     import { createPortableCodecs, MemoryStore, openEmbeddedBroker } from 'millrace/embedded';
 *
 * @module
 */

export { STANDARD_CLOCK } from '../client/client-clock.ts';
export { STANDARD_RANDOM } from '../client/client-random.ts';
export { createPortableCodecs } from '../compression/portable-codecs.ts';
export { unavailableCodec } from '../compression/unavailable-codec.ts';
export type { BatchCodec, BatchCodecs, CodecName } from '../core/compression.ts';
export { type FaultCode, LogFault } from '../core/fault.ts';
export type { LogFields, Logger } from '../core/logger.ts';
export type { Clock, Random, Store, StoreEntry, StoreFile, TimerHandle } from '../core/platform.ts';
export type { WatchedTransport } from '../net/connection-set.ts';
export { CLOSE_CODES, type FrameSink, type FrameTransport } from '../net/frame-transport.ts';
export { type Subprotocol, selectSubprotocol } from '../net/subprotocol.ts';
export { MemoryStore } from '../storage/memory-store.ts';
export type { DirectoryOwnership } from './data-directory.ts';
export {
  type AcceptedConnection,
  EmbeddedBroker,
  type EmbeddedBrokerOptions,
  openEmbeddedBroker,
} from './embedded-broker.ts';
export { type ServedSocket, WebSocketSession, type WebSocketSessionOptions } from './web-socket-session.ts';
