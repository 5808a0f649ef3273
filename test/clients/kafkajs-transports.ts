// kafkajs over each of its transports: its own TCP sockets, and WebSocket by the adapter of this package.

import { type ISocketFactory, Kafka, type KafkaConfig, logLevel } from 'kafkajs';
import { WebSocket } from 'ws';
import { webSocketFactory } from '../../src/net/kafkajs.ts';
import type { ClientBroker } from './client-broker.ts';

export const TRANSPORTS = ['TCP', 'WebSocket'] as const;
export type Transport = (typeof TRANSPORTS)[number];

/** kafkajs's type asks for all of `net.Socket`, of which it uses what the adapter has. */
function isSocketFactory(factory: unknown): factory is ISocketFactory {
  return typeof factory === 'function';
}

export function kafkaOver(transport: Transport, broker: ClientBroker): Kafka {
  const common: KafkaConfig = {
    clientId: `kafkajs-${transport}`,
    brokers: [transport === 'TCP' ? broker.kafka : broker.http],
    logLevel: logLevel.NOTHING,
    // A second by default, which a busy machine may need.
    connectionTimeout: 30_000,
    retry: { initialRetryTime: 50, retries: 8 },
  };
  const socketFactory = webSocketFactory({ webSocket: WebSocket });
  if (transport === 'TCP') return new Kafka(common);
  if (!isSocketFactory(socketFactory)) throw new Error('the adapter makes no factory');
  return new Kafka({ ...common, socketFactory });
}
