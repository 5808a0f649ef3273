// Which language a WebSocket speaks, from its Sec-WebSocket-Protocol header.

export type Subprotocol = 'kafka' | 'json';

/**
 * The first subprotocol offered that exists here. None offered means `json`, so that a plain `new WebSocket(url)` works;
 * undefined where only unknown ones are offered: RFC 6455 would allow to go on without one, but the client would then
 * wait for answers in a language nobody speaks.
 */
export function selectSubprotocol(header: string | undefined): Subprotocol | undefined {
  if (header === undefined || header.trim() === '') return 'json';
  for (const offered of header.split(',')) {
    const name = offered.trim();
    if (name === 'kafka' || name === 'json') return name;
  }
  return undefined;
}
