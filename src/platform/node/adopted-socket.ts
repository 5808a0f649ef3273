// A socket that was accepted, read in another way: into memory of ours, with no buffer, event and copy for each read. Node
// has that for sockets that connect (`onread`), and not for those that a server accepts, so the handle of an accepted one is
// given to a new Socket. Where a runtime's sockets have no such handle they are read by events, as everywhere.

import { Socket, type SocketConstructorOpts } from 'node:net';

export interface SocketReads {
  /** Where the next read goes: asked for before each, and not used for anything else until it was made. */
  readonly nextBuffer: () => Uint8Array;
  /** So many bytes were read into the buffer that was asked for last. False stops reading until the socket is resumed. */
  readonly onBytes: (bytes: number) => boolean;
}

interface AdoptedSocketOptions extends Omit<SocketConstructorOpts, 'onread'> {
  readonly handle: object;
  readonly pauseOnCreate: boolean;
  readonly onread: {
    /** What it returns is read into until it returns another one; undefined costs less than the same again. */
    readonly buffer: () => Uint8Array | undefined;
    readonly callback: (bytes: number) => boolean;
  };
}

/**
 * Takes the connection of a socket of which nothing was read (`pauseOnConnect`). Returns the socket that has it now, paused:
 * the given one is of no use any more. Undefined where that cannot be: the given one has all it had.
 */
export function adopt(accepted: Socket, { nextBuffer, onBytes }: SocketReads): Socket | undefined {
  const handle = handleOf(accepted);
  if (handle === undefined) return undefined;
  let told: Uint8Array | undefined;
  const buffer = (): Uint8Array | undefined => {
    const next = nextBuffer();
    if (next === told) return undefined;
    told = next;
    return next;
  };
  const options: AdoptedSocketOptions = {
    handle,
    pauseOnCreate: true,
    allowHalfOpen: accepted.allowHalfOpen,
    onread: { buffer, callback: onBytes },
  };
  const socket = new Socket(options);
  // The server counts the one that it accepted: that has ended, as far as the server knows.
  Reflect.set(accepted, '_handle', null);
  accepted.destroy();
  return socket;
}

/** The handle of a connection, where a Socket can be made of it that reads into memory of ours. */
function handleOf(socket: Socket): object | undefined {
  const handle: unknown = Reflect.get(socket, '_handle');
  if (typeof handle !== 'object' || handle === null) return undefined;
  return 'useUserBuffer' in handle && typeof handle.useUserBuffer === 'function' ? handle : undefined;
}
