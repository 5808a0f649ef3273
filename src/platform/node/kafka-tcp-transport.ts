// The client's way to a broker over TCP: Kafka frames after their lengths, on a plain socket. It knows neither what is
// inside a frame nor when to try again.

import { createConnection, type Socket } from 'node:net';
import type { BrokerAddress, ClientTransport, TransportEvents, TransportOpener } from '../../client/index.ts';
import { LogFault } from '../../core/fault.ts';
import type { FrameMemory } from '../../net/frame-memory.ts';
import { FrameSplitter, LENGTH_BYTES, writeLength } from '../../net/kafka-tcp.ts';
import { CorkedWriter } from './corked-writer.ts';

const PORT_DEFAULT = 9092;
/** Bytes that may wait in the socket before senders are held back. */
const BUFFERED_BYTES_MAX = 8 * 1024 * 1024;
/** What an HTTP server answers to bytes that are no request of its protocol begins with this. */
const HTTP = Buffer.from('HTTP/1.');
/** How long what was taken may take to leave after the end, in milliseconds. */
const CLOSE_MS_MAX = 5000;

export interface KafkaTcpOptions {
  /** `kafka://HOST:PORT`; the port is 9092 where it is left out. */
  readonly url: string;
  readonly connectTimeoutMs: number;
  /** Largest response, in bytes. */
  readonly responseBytesMax: number;
}

/** Opens sockets to the URL, and to the other brokers of its cluster. */
export class KafkaTcpOpener implements TransportOpener {
  readonly name: string;
  readonly #first: BrokerAddress;
  readonly #options: KafkaTcpOptions;

  /** Throws ERR_USAGE where the URL is not of the form `kafka://HOST:PORT`. */
  constructor(options: KafkaTcpOptions) {
    this.#first = addressOf(options.url);
    this.#options = options;
    this.name = options.url;
  }

  open(address: BrokerAddress | undefined, events: TransportEvents): Promise<ClientTransport> {
    const { host, port } = address ?? this.#first;
    const about = `${host}:${port}`;
    const { connectTimeoutMs } = this.#options;
    return new Promise((resolve, reject) => {
      const socket = createConnection({ host, port, noDelay: true });
      const timer = setTimeout(() => {
        reject(new LogFault('ERR_TIMEOUT', `${about} did not answer within ${connectTimeoutMs} ms`));
        socket.destroy();
      }, connectTimeoutMs);
      const refuse = (error: Error): void => {
        clearTimeout(timer);
        reject(new LogFault('ERR_CONNECTION', `cannot reach ${about}: ${reasonOf(error)}`, error));
      };
      socket.once('error', refuse);
      socket.once('connect', () => {
        clearTimeout(timer);
        socket.off('error', refuse);
        resolve(new KafkaTcpTransport(socket, { ...this.#options, about, events }));
      });
    });
  }
}

function addressOf(url: string): BrokerAddress {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  const hasMore = parsed !== undefined && !['', '/'].includes(`${parsed.pathname}${parsed.search}${parsed.hash}`);
  if (parsed?.protocol !== 'kafka:' || parsed.hostname === '' || hasMore) {
    throw new LogFault('ERR_USAGE', `a Kafka listener is named kafka://HOST:PORT, not ${url}`);
  }
  const host = parsed.hostname.replace(/^\[(.*)\]$/, '$1');
  return { host, port: parsed.port === '' ? PORT_DEFAULT : Number(parsed.port) };
}

/** Where several addresses of a name were tried, Node gives one error for each and no words of its own. */
function reasonOf(error: Error): string {
  const errors: readonly unknown[] = error instanceof AggregateError ? error.errors : [];
  const words = errors.filter((each) => each instanceof Error).map(({ message }) => message);
  return words.length === 0 ? error.message : words.join(', ');
}

interface TransportParts {
  readonly about: string;
  readonly events: TransportEvents;
  readonly responseBytesMax: number;
}

/** Frames belong to whoever receives them: nothing comes back. */
const UNFILLED_MEMORY: FrameMemory = { take: (bytes) => Buffer.allocUnsafe(bytes), give: () => undefined };

class KafkaTcpTransport implements ClientTransport {
  readonly #socket: Socket;
  readonly #parts: TransportParts;
  readonly #splitter: FrameSplitter;
  readonly #writer: CorkedWriter;
  #hasEnded = false;
  #fault: Error | undefined;
  #writable: Promise<void> | undefined;
  #release: (() => void) | undefined;

  constructor(socket: Socket, parts: TransportParts) {
    this.#socket = socket;
    this.#parts = parts;
    this.#writer = new CorkedWriter(socket);
    this.#splitter = new FrameSplitter({
      bytesMax: parts.responseBytesMax,
      onFrame: (frame) => parts.events.onFrame(frame),
      onObjection: (reason) => this.#end(new LogFault('ERR_MALFORMED_FRAME', `${parts.about}: ${reason}`)),
      memory: UNFILLED_MEMORY,
    });
    socket.once('data', (chunk: Uint8Array) => this.#refuseHttp(chunk));
    socket.on('data', (chunk: Uint8Array) => this.#splitter.push(chunk));
    socket.on('drain', () => this.#drained());
    socket.on('error', (error) => {
      this.#fault = error;
    });
    socket.on('close', () => this.#end(this.#lost()));
  }

  /** As a length these bytes are more than a gigabyte, so that no Kafka broker's answer is taken for them. */
  #refuseHttp(chunk: Uint8Array): void {
    if (!HTTP.equals(chunk.subarray(0, HTTP.length))) return;
    const { about } = this.#parts;
    const words = `${about} answers in HTTP, not in Kafka's protocol: it is reached by ws://${about}`;
    this.#end(new LogFault('ERR_MALFORMED_FRAME', words));
  }

  #lost(): LogFault {
    const words = this.#fault === undefined ? 'connection closed' : reasonOf(this.#fault);
    return new LogFault('ERR_CONNECTION', `connection to ${this.#parts.about} ended: ${words}`, this.#fault);
  }

  #end(fault: LogFault): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#splitter.end();
    if (fault.code === 'ERR_CLOSED') this.#finish();
    else this.#socket.destroy();
    this.#drained();
    this.#parts.events.onClose(fault);
  }

  /** What was taken still leaves, unless the peer does not read it. */
  #finish(): void {
    const timer = setTimeout(() => this.#socket.destroy(), CLOSE_MS_MAX).unref();
    this.#socket.once('close', () => clearTimeout(timer));
    this.#socket.end(() => this.#socket.destroy());
  }

  /** The frames of one turn of the event loop leave in one call of the operating system. */
  send(parts: readonly Uint8Array[]): void {
    if (this.#hasEnded) return;
    this.#writer.write(LENGTH_BYTES, parts, writeLengthOf);
  }

  whenWritable(): Promise<void> | undefined {
    if (this.#hasEnded || this.#socket.writableLength <= BUFFERED_BYTES_MAX) return undefined;
    this.#writable ??= new Promise((resolve) => {
      this.#release = resolve;
    });
    return this.#writable;
  }

  #drained(): void {
    this.#release?.();
    this.#writable = undefined;
    this.#release = undefined;
  }

  close(): void {
    this.#end(new LogFault('ERR_CLOSED', `the connection to ${this.#parts.about} was closed`));
  }

  abort(): void {
    this.#socket.destroy();
    this.close();
  }
}

function writeLengthOf(head: Uint8Array, frameBytes: number): void {
  writeLength(head, 0, frameBytes);
}
