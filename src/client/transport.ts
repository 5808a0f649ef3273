// How frames get to a broker and back: one Kafka request or response per message, without TCP's 4-byte length.
// It knows neither what is inside a frame nor when to try again.

import type { LogFault } from '../core/fault.ts';

/** Where a broker listens. */
export interface BrokerAddress {
  readonly host: string;
  readonly port: number;
}

/** What a transport tells its owner. */
export interface TransportEvents {
  /** One response frame; its bytes belong to the receiver. */
  onFrame(frame: Uint8Array): void;
  /** The end, told once. Never called before `open` has resolved. */
  onClose(fault: LogFault): void;
}

/** An open path to one broker. */
export interface ClientTransport {
  /** Takes one request frame in parts, which stay unchanged until it is answered, and for ever if that does not happen. */
  send(parts: readonly Uint8Array[]): void;
  /** Undefined while more may be sent, else resolves when it may. */
  whenWritable(): Promise<void> | undefined;
  /** Ends the path once everything taken has left; `onClose` is told, at once. */
  close(): void;
  /** Ends the path, and lets nothing leave any more: from now on the parts taken may change. `onClose` is told. */
  abort(): void;
}

/** Opens transports; a client has one. */
export interface TransportOpener {
  /**
   * Opens a path. `address` is undefined for the broker that the client was pointed at.
   * @throws LogFault ERR_CONNECTION when the broker cannot be reached, ERR_TIMEOUT when it does not answer.
   */
  open(address: BrokerAddress | undefined, events: TransportEvents): Promise<ClientTransport>;
  /** What the first broker is called in messages, for example its URL. */
  readonly name: string;
}
