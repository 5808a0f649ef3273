// What listeners say of addresses: how one is written, and why one cannot be bound.

import { isIPv6 } from 'node:net';
import { LogFault } from '../../core/fault.ts';

/** Why an address could not be bound, in words and with what to do. */
export function listenFault(error: NodeJS.ErrnoException, authority: string): LogFault {
  const reasons: Readonly<Record<string, string>> = {
    EADDRINUSE: 'the port is taken by another process; stop it or choose another port (0 picks a free one)',
    EACCES: 'this user may not bind to that port',
    EADDRNOTAVAIL: 'this machine has no such address',
    ENOTFOUND: 'the host name does not resolve',
  };
  const reason = reasons[error.code ?? ''] ?? error.message;
  return new LogFault('ERR_LISTEN', `cannot listen on ${authority}: ${reason}`, error);
}

/** `HOST:PORT` for a URL, IPv6 in brackets. */
export function formatAuthority(host: string, port: number): string {
  return isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`;
}
