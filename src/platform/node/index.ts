// The public entry for Node, and nothing else.

/**
 * Millrace in Node: a broker in this process, one with worker threads, and a client that needs nothing further.
 *
 *     import { openBroker } from 'millrace';
 *     const broker = await openBroker();
 *
 *     import { connect } from 'millrace';
 *     const client = await connect('ws://127.0.0.1:8092');
 *
 * @module
 */

export * from '../../client/index.ts';
export type { Logger } from '../../core/logger.ts';
export type { RunningBroker, StartBrokerOptions } from './broker.ts';
export { connect } from './connect.ts';
export type { OpenAddress } from './local-broker.ts';
export type { ListenAddress } from './node-listeners.ts';
export { type InProcessBroker, type OpenBrokerOptions, openBroker } from './open-broker.ts';
export { startBroker } from './start-broker.ts';
