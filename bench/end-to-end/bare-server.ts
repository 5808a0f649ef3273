// The baseline of the end-to-end rows: `ws` alone, one fixed answer per message, nothing decoded and nothing kept.

import { createServer } from 'node:http';
import { WebSocketServer } from 'ws';

const server = createServer();
const sockets = new WebSocketServer({ server, perMessageDeflate: false, maxPayload: 128 * 1024 * 1024 });
const answer = Buffer.alloc(Number(process.argv[2] ?? 64));

sockets.on('connection', (socket) => {
  socket.on('message', () => socket.send(answer));
});

server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  process.stdout.write(`${JSON.stringify({ msg: 'ready', http: `127.0.0.1:${port}` })}\n`);
});

process.on('SIGTERM', () => process.exit(0));
