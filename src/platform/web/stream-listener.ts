// Binds a Kafka listener of a runtime that is not Node: on both loopback addresses where the host stands for this machine,
// because clients resolve `localhost` to either.

import { LogFault } from '../../core/fault.ts';
import type { KafkaListener } from '../../embedded/kafka-listeners.ts';

/** One bound address. */
export interface BoundPort {
  readonly port: number;
  /** Stops accepting. */
  close(): void;
}

export interface StreamListenerOptions {
  /** Listener name, as in Kafka's `listeners`. */
  readonly name: string;
  /** Name or address to bind to; empty or `0.0.0.0` for every IPv4 address, `::` for every address. */
  readonly host: string;
  /** 0 picks a free one. */
  readonly port: number;
  /** Binds one address. Throws the runtime's error, with the operating system's code. */
  readonly bind: (host: string, port: number) => BoundPort;
}

const LOOPBACK_HOSTS = new Set(['127.0.0.1', 'localhost']);
const LOOPBACK_IPV4 = '127.0.0.1';
const LOOPBACK_IPV6 = '::1';
const EVERY_ADDRESS = new Set(['', '0.0.0.0', '::']);
/** A machine without IPv6, or with it switched off. */
const NO_IPV6 = new Set(['EADDRNOTAVAIL', 'EAFNOSUPPORT', 'EPROTONOSUPPORT', 'EINVAL']);
/** A port that is free on one loopback address may be taken on the other: another one is tried. */
const FREE_PORT_TRIES = 20;

/** Binds, and accepts from then on. Throws LogFault ERR_LISTEN where the address cannot be bound. */
export function listenStreams(options: StreamListenerOptions): KafkaListener {
  const host = options.host.replace(/^\[|\]$/g, '');
  const bound = LOOPBACK_HOSTS.has(host) ? bindLoopback(options) : [bindOne(options, host === '' ? '0.0.0.0' : host)];
  const port = bound[0]?.port ?? options.port;
  return {
    name: options.name,
    host: EVERY_ADDRESS.has(host) ? undefined : host,
    port,
    authority: formatAuthority(host === '' ? '0.0.0.0' : host, port),
    // The runtime's backlog holds connections until they are accepted, and that is from the beginning.
    serve: () => undefined,
    close: async () => {
      for (const each of bound) each.close();
    },
  };
}

function bindLoopback(options: StreamListenerOptions): BoundPort[] {
  for (let tries = 1; ; tries++) {
    const first = bindOne(options, LOOPBACK_IPV4);
    try {
      return [first, bindOne({ ...options, port: first.port }, LOOPBACK_IPV6)];
    } catch (error) {
      const code = error instanceof LogFault ? codeOf(error.cause) : '';
      if (NO_IPV6.has(code)) return [first];
      first.close();
      if (options.port !== 0 || code !== 'EADDRINUSE' || tries === FREE_PORT_TRIES) throw error;
    }
  }
}

function bindOne({ bind, port }: StreamListenerOptions, host: string): BoundPort {
  try {
    return bind(host, port);
  } catch (error) {
    throw listenFault(error, formatAuthority(host, port));
  }
}

/** Why an address could not be bound, in words. */
export function listenFault(error: unknown, authority: string): LogFault {
  const reasons: Readonly<Record<string, string>> = {
    EADDRINUSE: 'the port is taken by another process; stop it or choose another port (0 picks a free one)',
    EACCES: 'this user may not bind to that port',
    EADDRNOTAVAIL: 'this machine has no such address',
    ENOTFOUND: 'the host name does not resolve',
  };
  const reason = reasons[codeOf(error)] ?? (error instanceof Error ? error.message : String(error));
  return new LogFault('ERR_LISTEN', `cannot listen on ${authority}: ${reason}`, error);
}

/** The operating system's code of an error; empty where it has none. */
export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}

/** `HOST:PORT` for a URL, IPv6 in brackets. */
export function formatAuthority(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
