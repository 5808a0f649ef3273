// A port for a test that must know it before there is a listener, or whose listener comes back.

import { createServer } from 'node:net';

const FIRST = 20_000;
const COUNT = 10_000;

/**
 * A port of loopback that nobody listens at, below those from which the system takes the ports of outgoing connections
 * and of listeners that ask for any: none of them gets it while its own listener is away, and a client that looks for a
 * dead broker there does not find itself.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = FIRST + Math.floor(Math.random() * COUNT);
    const server = createServer();
    const isFree = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false));
      server.listen(port, '127.0.0.1', () => resolve(true));
    });
    await new Promise((resolve) => server.close(resolve));
    if (isFree) return port;
  }
}
