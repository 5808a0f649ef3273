// The servers of the ws package that make connections of upgrades, one for each subprotocol. Loaded at the first upgrade.

import { WebSocket, WebSocketServer } from 'ws';
import { JSON_MESSAGE_BYTES_MAX } from '../../core/limits.ts';
import { CLOSE_CODES } from '../../net/frame-transport.ts';
import type { Subprotocol } from '../../net/subprotocol.ts';

export type WebSocketServers = Readonly<Record<Subprotocol, WebSocketServer>>;

/** Fragments of one message: with the frame limit it bounds how finely a client may chop one. */
const FRAGMENTS_MAX = 16_384;
const CLOSE_HANDSHAKE_MS_MAX = 5000;

/** ws closes for protocol errors with a code alone; a person reading the client's log wants the words too. */
const REASONS: ReadonlyMap<number, string> = new Map([
  [CLOSE_CODES.protocolError, 'malformed WebSocket frame'],
  [CLOSE_CODES.invalidPayload, 'text is not UTF-8'],
  [CLOSE_CODES.policyViolation, 'too many fragments'],
  [CLOSE_CODES.messageTooBig, 'message is too large'],
]);

class ReasonedWebSocket extends WebSocket {
  override close(code?: number, reason?: string | Buffer): void {
    super.close(code, reason ?? (code === undefined ? undefined : REASONS.get(code)));
  }
}

/** `requestBytesMax` bounds a message of either. */
export function createWebSocketServers(requestBytesMax: number): WebSocketServers {
  return {
    kafka: makeServer('kafka', requestBytesMax),
    json: makeServer('json', Math.min(requestBytesMax, JSON_MESSAGE_BYTES_MAX)),
  };
}

function makeServer(subprotocol: Subprotocol, maxPayload: number): WebSocketServer {
  const options = {
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload,
    maxFragments: FRAGMENTS_MAX,
    // Text is validated for json; a binary connection has none, and its close reasons are not looked at.
    skipUTF8Validation: subprotocol === 'kafka',
    closeTimeout: CLOSE_HANDSHAKE_MS_MAX,
    WebSocket: ReasonedWebSocket,
    handleProtocols: (offered: Set<string>) => (offered.has(subprotocol) ? subprotocol : false),
  };
  return new WebSocketServer(options);
}
