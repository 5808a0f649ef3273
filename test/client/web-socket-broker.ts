// A request handler behind a real WebSocket, for clients in other processes.

import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { WebSocketServer } from 'ws';
import { bytesOnly } from '../../src/core/file-range.ts';
import type { FakeBroker } from './fake-broker.ts';

export interface ServedBroker {
  readonly url: string;
  close(): void;
}

export async function serveWebSocket(broker: FakeBroker): Promise<ServedBroker> {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0, handleProtocols: () => 'kafka' });
  server.on('connection', (socket) => {
    let sent = Promise.resolve();
    socket.on('message', (data: Buffer) => {
      const response = broker.handle(new Uint8Array(data));
      sent = sent
        .then(() => response)
        .then(
          (frame) => {
            if (frame !== undefined) socket.send(Buffer.concat(bytesOnly(frame.chunks)));
          },
          () => socket.terminate(),
        );
    });
  });
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? (address satisfies AddressInfo).port : 0;
  return {
    url: `ws://127.0.0.1:${port}`,
    close: () => {
      for (const socket of server.clients) socket.terminate();
      server.close();
    },
  };
}
