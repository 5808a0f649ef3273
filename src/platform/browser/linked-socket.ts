// The log's end of a connection: what its sessions need of a socket, over a link to a tab.

import type { Clock } from '../../core/platform.ts';
import type { EmbeddedBroker } from '../../embedded/embedded-broker.ts';
import { type ServedSocket, WebSocketSession } from '../../embedded/web-socket-session.ts';
import type { Subprotocol } from '../../net/subprotocol.ts';
import { MessageLink } from './message-link.ts';

export interface LinkedSocketOptions {
  readonly place: MessagePort | BroadcastChannel;
  readonly broker: Pick<EmbeddedBroker, 'accept' | 'messageBytesMax'>;
  readonly subprotocol: Subprotocol;
  readonly tabId: string;
  readonly clock: Clock;
  /** Told once, however the connection ends. */
  readonly onEnd: () => void;
}

export class LinkedSocket implements ServedSocket {
  readonly #link: MessageLink;
  readonly #session: WebSocketSession;
  readonly #onEnd: () => void;
  #hasEnded = false;

  /** @throws LogFault ERR_CONNECTION where the broker accepts no connection now */
  constructor({ place, broker, subprotocol, tabId, clock, onEnd }: LinkedSocketOptions) {
    this.#onEnd = onEnd;
    this.#link = new MessageLink(place, {
      onFrame: (frame) => this.#session.onMessage(frame),
      onTaken: () => this.#session.onDrain(),
      onClose: () => this.#end(),
    });
    try {
      this.#session = new WebSocketSession({
        broker,
        socket: this,
        subprotocol,
        clientHost: `tab-${tabId}`,
        localHost: 'localhost',
        localPort: 0,
        clock,
        announcesDrain: true,
      });
    } catch (error) {
      this.#link.close(String(error));
      throw error;
    }
    this.#link.open();
  }

  get bufferedAmount(): number {
    return this.#link.unreadBytes;
  }

  send(message: string | Uint8Array<ArrayBuffer>): void {
    this.#link.send(message);
  }

  close(code: number, reason: string): void {
    this.#link.close(`${reason} (${code})`);
    queueMicrotask(() => this.#end());
  }

  terminate(): void {
    this.close(0, 'ended by the log');
  }

  /** The tab is gone. */
  abandon(): void {
    this.#link.abandon();
    this.#end();
  }

  #end(): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#session.onClose();
    this.#onEnd();
  }
}
