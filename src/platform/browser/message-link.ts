// Frames over a MessagePort, or over a BroadcastChannel that two have to themselves. Neither says how much is on its way,
// so each side tells what it has taken in. Both ends of a connection are made of it.

import type { LinkMessage } from './messages.ts';

/** Bytes taken in before the other side is told. */
const TAKEN_BYTES_STEP = 64 * 1024;

/** What MessagePort and BroadcastChannel have in common. */
interface MessagePlace {
  onmessage: ((event: MessageEvent) => void) | null;
  close(): void;
}

export interface LinkEvents {
  onOpen?(): void;
  /** Text where the connection speaks `json`. */
  onFrame(frame: Uint8Array<ArrayBuffer> | string): void;
  /** Fewer bytes are on their way than before. */
  onTaken(): void;
  /** The other side has ended it. Called once, and not after {@link MessageLink.close}. */
  onClose(reason: string): void;
}

export class MessageLink {
  readonly #place: MessagePort | BroadcastChannel;
  readonly #events: LinkEvents;
  #unreadBytes = 0;
  #untoldBytes = 0;
  #isClosed = false;

  constructor(place: MessagePort | BroadcastChannel, events: LinkEvents) {
    this.#place = place;
    this.#events = events;
    const receiving: MessagePlace = place;
    receiving.onmessage = (event) => this.#receive(event.data);
  }

  /** Bytes sent that the other side has not taken in, but for those that it need not have told of yet. */
  get unreadBytes(): number {
    return Math.max(0, this.#unreadBytes - TAKEN_BYTES_STEP);
  }

  /** Says that this side is there. */
  open(): void {
    this.#post({ kind: 'open' });
  }

  /** Sends a copy. */
  send(frame: Uint8Array | string): void {
    if (this.#isClosed) return;
    this.#unreadBytes += sizeOf(frame);
    if (typeof frame === 'string') {
      this.#post({ kind: 'frame', frame });
      return;
    }
    // A view would bring all of its buffer along.
    const copy = new Uint8Array(frame);
    this.#post({ kind: 'frame', frame: copy }, [copy.buffer]);
  }

  close(reason: string): void {
    if (this.#isClosed) return;
    this.#post({ kind: 'close', reason });
    this.#end();
  }

  /** Ends this side without a word, where the other is gone. */
  abandon(): void {
    this.#end();
  }

  #end(): void {
    this.#isClosed = true;
    this.#place.close();
  }

  #post(message: LinkMessage, transfer: Transferable[] = []): void {
    if (this.#place instanceof MessagePort) this.#place.postMessage(message, transfer);
    else this.#place.postMessage(message);
  }

  #receive(message: LinkMessage): void {
    if (this.#isClosed) return;
    switch (message.kind) {
      case 'open':
        this.#events.onOpen?.();
        return;
      case 'frame':
        this.#take(message.frame);
        return;
      case 'taken':
        this.#unreadBytes -= message.bytes;
        this.#events.onTaken();
        return;
      case 'close':
        this.#end();
        this.#events.onClose(message.reason);
    }
  }

  #take(frame: Uint8Array<ArrayBuffer> | string): void {
    this.#untoldBytes += sizeOf(frame);
    if (this.#untoldBytes >= TAKEN_BYTES_STEP) {
      this.#post({ kind: 'taken', bytes: this.#untoldBytes });
      this.#untoldBytes = 0;
    }
    this.#events.onFrame(frame);
  }
}

function sizeOf(frame: Uint8Array | string): number {
  return typeof frame === 'string' ? frame.length : frame.byteLength;
}
