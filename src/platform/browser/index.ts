// The public entry for browsers, and nothing else.

/**
 * Millrace in a page: the log itself, in a worker on the origin private file system, shared by tabs; and the client of a
 * broker elsewhere.
 *
 *     import { connect, openBroker } from './millrace.js';
 *
 * @module
 */

export * from '../../client/index.ts';
export type { UplinkStatus } from '../../uplink/uplink.ts';
export type { UplinkTopic } from '../../uplink/uplink-session.ts';
export { type BrowserBroker, type OpenBrokerOptions, openBroker, type UplinkRequest } from './browser-broker.ts';
export type { StorageKind } from './messages.ts';
