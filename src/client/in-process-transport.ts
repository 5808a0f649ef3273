// Frames handed straight to a broker in the same process, for embedding, for gateways and for tests.

import type { ConnectionContext, RequestHandler, ResponseFrame } from '../broker/request-handler.ts';
import { LogFault } from '../core/fault.ts';
import { bytesOnly } from '../core/file-range.ts';
import { flatten, joined } from '../protocol/writer.ts';
import type { BrokerAddress, ClientTransport, TransportEvents, TransportOpener } from './transport.ts';

/** Opens connections to the handler. Every address leads to it: there is one broker in the process. */
export class InProcessOpener implements TransportOpener {
  readonly name = 'the broker in this process';
  readonly #handler: RequestHandler;
  readonly #context: (closed: AbortSignal) => ConnectionContext;

  /** `context` says who the client is, for a gateway that speaks for somebody; by default it is local. */
  constructor(handler: RequestHandler, context: (closed: AbortSignal) => ConnectionContext = localContext) {
    this.#handler = handler;
    this.#context = context;
  }

  open(_address: BrokerAddress | undefined, events: TransportEvents): Promise<ClientTransport> {
    return Promise.resolve(new InProcessTransport(this.#handler, this.#context, events));
  }
}

function localContext(closed: AbortSignal): ConnectionContext {
  return { id: 0, listener: 'LOCAL', clientHost: 'localhost', localHost: 'localhost', localPort: 0, closed };
}

class InProcessTransport implements ClientTransport {
  readonly #handler: RequestHandler;
  readonly #events: TransportEvents;
  readonly #closing = new AbortController();
  readonly #context: ConnectionContext;
  /** The responses so far: the next one is sent after them, as on a socket. */
  #sent: Promise<void> = Promise.resolve();

  constructor(handler: RequestHandler, context: (closed: AbortSignal) => ConnectionContext, events: TransportEvents) {
    this.#handler = handler;
    this.#events = events;
    this.#context = context(this.#closing.signal);
  }

  /** The parts are copied: a broker may keep what it was given. */
  send(parts: readonly Uint8Array[]): void {
    if (this.#closing.signal.aborted) return;
    const response = this.#handler.handle(flatten(parts), this.#context);
    const before = this.#sent;
    this.#sent = Promise.allSettled([response, before]).then(([outcome]) => {
      if (outcome.status === 'fulfilled') this.#receive(outcome.value);
      else this.#end(new LogFault('ERR_CONNECTION', `the broker refused a frame: ${String(outcome.reason)}`));
    });
  }

  #receive(response: ResponseFrame | undefined): void {
    if (response === undefined) return;
    if (!this.#closing.signal.aborted) this.#events.onFrame(ownBytes(response));
    response.release?.();
  }

  #end(fault: LogFault): void {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort();
    this.#events.onClose(fault);
  }

  whenWritable(): Promise<void> | undefined {
    return this.#handler.whenWritable();
  }

  close(): void {
    this.#end(new LogFault('ERR_CLOSED', 'the connection was closed'));
  }

  abort(): void {
    this.close();
  }
}

/** The frame as one piece that stays as it is. */
function ownBytes({ chunks: parts, release }: ResponseFrame): Uint8Array {
  const chunks = bytesOnly(parts);
  return release === undefined ? joined(chunks) : flatten(chunks);
}
