// A client's WebSocket that hands the frames of one turn of the event loop to the operating system in one call: for
// small requests that call is most of the cost.

import type { Socket } from 'node:net';
import WebSocket from 'ws';

export interface CorkedWebSocketOptions {
  readonly perMessageDeflate: false;
  readonly maxPayload: number;
  /** Writes the mask of a frame; by default it is random. */
  readonly generateMask?: (mask: Buffer) => void;
}

export class CorkedWebSocket extends WebSocket {
  #tcp: Socket | undefined;
  #isCorked = false;

  constructor(url: string, protocols: string, options: CorkedWebSocketOptions) {
    super(url, protocols, options);
    this.once('upgrade', (response) => {
      this.#tcp = response.socket;
    });
  }

  override send(data: Uint8Array): void {
    this.#cork();
    super.send(data);
  }

  #cork(): void {
    const tcp = this.#tcp;
    if (this.#isCorked || tcp === undefined) return;
    this.#isCorked = true;
    tcp.cork();
    process.nextTick(() => {
      this.#isCorked = false;
      tcp.uncork();
    });
  }
}
