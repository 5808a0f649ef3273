// The WebSockets of a client in a Node process: those of the `ws` package, which hand the frames of one turn of the event
// loop to the operating system in one call. On the own machine messages that come in parts are written here,
// without joining them; `ws` does everything else.

import WebSocket from 'ws';
import { RESPONSE_BYTES_MAX } from '../../core/limits.ts';
import { frameHeaderBytes, OPCODES, writeFrameHeader } from '../../net/websocket-frame.ts';
import { bytesOf, CorkedWriter } from './corked-writer.ts';

/** The bit beside the payload length which says that a mask follows, and the mask's bytes (RFC 6455, 5.2). */
const MASKED = 0x80;
const MASK_BYTES = 4;

export class RemoteWebSocket extends WebSocket {
  #writer: CorkedWriter | undefined;

  constructor(url: string, protocols: string) {
    super(url, protocols, { maxPayload: RESPONSE_BYTES_MAX, perMessageDeflate: false });
    this.once('upgrade', (response) => {
      this.#writer = new CorkedWriter(response.socket);
    });
  }

  protected get writer(): CorkedWriter | undefined {
    return this.#writer;
  }

  override send(data: Uint8Array): void {
    this.#writer?.cork();
    super.send(data);
  }
}

/**
 * Masking keeps scripts from writing chosen bytes through proxies that misread WebSocket (RFC 6455, 10.3). There is no
 * proxy on the way to the own machine, and a mask of zeros saves a pass over every byte.
 */
export class LoopbackWebSocket extends RemoteWebSocket {
  sendParts(parts: readonly Uint8Array[]): void {
    if (this.readyState !== WebSocket.OPEN) return;
    const head = frameHeaderBytes(bytesOf(parts));
    this.writer?.write(head + MASK_BYTES, parts, writeMaskedHeader);
  }
}

function writeMaskedHeader(target: Uint8Array, payloadBytes: number): void {
  const end = writeFrameHeader(target, 0, { opcode: OPCODES.binary, isFinal: true, payloadBytes });
  target[1] = (target[1] ?? 0) | MASKED;
  target.fill(0, end, end + MASK_BYTES);
}
