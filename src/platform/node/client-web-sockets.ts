// The WebSockets of a client in a Node process: those of the `ws` package, with bounds that fit fetches.

import { REQUEST_BYTES_LIMIT, REQUEST_BYTES_MAX } from '../../core/limits.ts';
import { CorkedWebSocket } from './corked-web-socket.ts';

/** A response may be larger than any request: a fetch returns one batch whole, beside its own limit. */
const RESPONSE_BYTES_MAX = REQUEST_BYTES_LIMIT + REQUEST_BYTES_MAX;

export class RemoteWebSocket extends CorkedWebSocket {
  constructor(url: string, protocols: string) {
    super(url, protocols, { perMessageDeflate: false, maxPayload: RESPONSE_BYTES_MAX });
  }
}

/**
 * Masking keeps scripts from writing chosen bytes through proxies that misread WebSocket (RFC 6455, 10.3). There is no
 * proxy on the way to the own machine, and a mask of zeros saves a pass over every byte.
 */
export class LoopbackWebSocket extends CorkedWebSocket {
  constructor(url: string, protocols: string) {
    const generateMask = (mask: Buffer): void => void mask.fill(0);
    super(url, protocols, { perMessageDeflate: false, maxPayload: RESPONSE_BYTES_MAX, generateMask });
  }
}
