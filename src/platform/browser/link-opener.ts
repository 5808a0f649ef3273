// Connections of a client to the worker that has the log, in this tab or in another. Which worker that is, and how it is
// reached, is leader.ts's business.

import type { BrokerAddress, ClientTransport, TransportEvents, TransportOpener } from '../../client/transport.ts';
import { LogFault } from '../../core/fault.ts';
import type { Clock } from '../../core/platform.ts';
import { joined } from '../../protocol/writer.ts';
import { MessageLink } from './message-link.ts';

/** Bytes on their way before senders are held back. */
const UNREAD_BYTES_MAX = 8 * 1024 * 1024;
const OPEN_TIMEOUT_MS = 10_000;

/** The worker that has the log at the moment. */
export interface LinkTarget {
  /** Asks the worker for a connection, and gives this side's end of it. */
  connect(): MessagePort | BroadcastChannel;
  /** Aborted when this worker has the log no more. */
  readonly lost: AbortSignal;
}

export class LinkOpener implements TransportOpener {
  readonly name: string;
  readonly #target: () => Promise<LinkTarget>;
  readonly #clock: Clock;

  constructor(name: string, clock: Clock, target: () => Promise<LinkTarget>) {
    this.name = `the log ${name} of this origin`;
    this.#clock = clock;
    this.#target = target;
  }

  async open(_address: BrokerAddress | undefined, events: TransportEvents): Promise<ClientTransport> {
    const target = await this.#target();
    return await new Promise((resolve, reject) => {
      const transport = new LinkTransport(target, {
        onFrame: (frame) => events.onFrame(frame),
        onClose: (fault) => events.onClose(fault),
        onOpen: () => {
          timer.cancel();
          resolve(transport);
        },
        onFail: (fault) => {
          timer.cancel();
          reject(fault);
        },
      });
      const timer = this.#clock.schedule(OPEN_TIMEOUT_MS, () => {
        transport.fail(new LogFault('ERR_TIMEOUT', `${this.name} did not answer within ${OPEN_TIMEOUT_MS} ms`));
      });
    });
  }
}

interface LinkTransportEvents extends TransportEvents {
  onOpen(): void;
  onFail(fault: LogFault): void;
}

class LinkTransport implements ClientTransport {
  readonly #link: MessageLink;
  readonly #events: LinkTransportEvents;
  #state: 'opening' | 'open' | 'closed' = 'opening';
  #writable: Promise<void> | undefined;
  #resume: () => void = () => undefined;
  readonly #lost: AbortSignal;
  readonly #onLost = (): void => this.fail(new LogFault('ERR_CONNECTION', 'the tab that had the log is gone'));

  constructor(target: LinkTarget, events: LinkTransportEvents) {
    this.#events = events;
    this.#lost = target.lost;
    this.#link = new MessageLink(target.connect(), {
      onOpen: () => this.#opened(),
      onFrame: (frame) => {
        if (this.#state === 'open' && typeof frame !== 'string') events.onFrame(frame);
      },
      onTaken: () => this.#taken(),
      onClose: (reason) => this.fail(new LogFault('ERR_CONNECTION', `the log ended the connection: ${reason}`)),
    });
    target.lost.addEventListener('abort', this.#onLost);
  }

  #opened(): void {
    if (this.#state !== 'opening') return;
    this.#state = 'open';
    this.#events.onOpen();
  }

  #taken(): void {
    if (this.#link.unreadBytes > UNREAD_BYTES_MAX) return;
    this.#resume();
    this.#writable = undefined;
  }

  send(parts: readonly Uint8Array[]): void {
    this.#link.send(joined(parts));
  }

  whenWritable(): Promise<void> | undefined {
    if (this.#state !== 'open' || this.#link.unreadBytes <= UNREAD_BYTES_MAX) return undefined;
    this.#writable ??= new Promise((resolve) => {
      this.#resume = resolve;
    });
    return this.#writable;
  }

  close(): void {
    this.fail(new LogFault('ERR_CLOSED', 'the connection was closed'));
  }

  abort(): void {
    this.close();
  }

  fail(fault: LogFault): void {
    const before = this.#state;
    if (before === 'closed') return;
    this.#state = 'closed';
    this.#lost.removeEventListener('abort', this.#onLost);
    this.#link.close('the client has closed it');
    this.#resume();
    if (before === 'opening') this.#events.onFail(fault);
    else this.#events.onClose(fault);
  }
}
