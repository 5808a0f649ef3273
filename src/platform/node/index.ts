// The public entry for Node, and nothing else.

/**
 * Millrace in Node: a client that needs nothing further, and the broker itself.
 *
 *     import { connect } from 'millrace/node';
 *     const client = await connect('ws://127.0.0.1:8092');
 *
 * @module
 */

export * from '../../client/index.ts';
export { type RunningBroker, type StartBrokerOptions, startBroker } from './broker.ts';
export { connect } from './connect.ts';
