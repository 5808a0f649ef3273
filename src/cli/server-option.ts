// The option that all client commands share, and the life of their client.

import { Option } from 'commander';
import type { Client } from '../client/index.ts';

const SERVER_DEFAULT = 'ws://127.0.0.1:8092';

export function serverOption(): Option {
  return new Option('--server <url>', 'broker to talk to, ws://HOST:PORT, or kafka://HOST:PORT over TCP')
    .env('MILLRACE_SERVER')
    .default(SERVER_DEFAULT);
}

/** Connects, does the work, and closes. */
export async function withClient<T>(server: string, work: (client: Client) => Promise<T>): Promise<T> {
  const { connectToServer } = await import('./server-connection.ts');
  const client = await connectToServer(server);
  try {
    return await work(client);
  } finally {
    client.close();
  }
}
