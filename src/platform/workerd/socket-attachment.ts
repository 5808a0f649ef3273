// What stays with a WebSocket while its object sleeps: who it is, and in which language it speaks. The rest of its state
// is in the sleep record, because the runtime keeps a small attachment only.

import type { Subprotocol } from '../../net/subprotocol.ts';
import type { ObjectSocket } from './runtime.ts';

export interface Attachment {
  /** Of this socket among all that the object ever has. */
  readonly key: string;
  readonly subprotocol: Subprotocol;
  readonly clientHost: string;
  /** By what the client reached the broker. */
  readonly localHost: string;
  readonly localPort: number;
}

/** Undefined for a socket that is not the broker's: an object may have others. */
export function readAttachment(socket: ObjectSocket): Attachment | undefined {
  const value: unknown = socket.deserializeAttachment();
  if (typeof value !== 'object' || value === null) return undefined;
  const { key, subprotocol, clientHost, localHost, localPort }: Partial<Record<keyof Attachment, unknown>> = value;
  if (typeof key !== 'string' || (subprotocol !== 'kafka' && subprotocol !== 'json')) return undefined;
  if (typeof clientHost !== 'string' || typeof localHost !== 'string' || typeof localPort !== 'number')
    return undefined;
  return { key, subprotocol, clientHost, localHost, localPort };
}
