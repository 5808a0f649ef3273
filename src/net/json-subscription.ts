// One subscription of a json session: records from a source to a transport, never more than the client has granted and
// no faster than it reads. What it holds is bounded by one batch of its source.

import type { FrameTransport } from './frame-transport.ts';
import {
  type Encoding,
  formatRecord,
  formatRecords,
  formatSubscriptionEnd,
  type JsonError,
  type JsonRecordOutput,
} from './json-protocol.ts';
import type { SavedSubscription } from './saved-session.ts';

/** Where records come from. */
export interface SubscriptionSource {
  /** The next records, some at least; undefined when the source was closed. Rejects when it can go on no more. */
  next(): Promise<readonly JsonRecordOutput[] | undefined>;
  close(): void;
}

export interface SubscriptionParts {
  readonly name: string;
  readonly topic: string;
  /** Offsets at which the source begins, by partition. */
  readonly positions: ReadonlyMap<number, number>;
  readonly credit: number;
  readonly keyEncoding: Encoding;
  readonly valueEncoding: Encoding;
  readonly source: SubscriptionSource;
  readonly transport: FrameTransport;
  readonly outboundBytesHigh: number;
  readonly describe: (error: unknown) => JsonError;
  /** Called when it ended by itself; the client has been told. */
  readonly onEnd: () => void;
}

/** Characters of records in one message, roughly: a message ends with the record that goes beyond. */
const MESSAGE_CHARACTERS_MAX = 128 * 1024;
const TEXT_ENCODER = new TextEncoder();

export class Subscription {
  readonly #parts: SubscriptionParts;
  #credit: number;
  /** Offsets of the next records to send, by partition. */
  readonly #positions: Map<number, number>;
  #records: readonly JsonRecordOutput[] = [];
  #next = 0;
  #isStarted = false;
  #isReading = false;
  #isClosed = false;

  constructor(parts: SubscriptionParts) {
    this.#parts = parts;
    this.#credit = parts.credit;
    this.#positions = new Map(parts.positions);
  }

  /** Grants more records; returns what is granted now. */
  grant(credit: number): number {
    this.#credit = Math.min(this.#credit + credit, Number.MAX_SAFE_INTEGER);
    const granted = this.#credit;
    this.wake();
    return granted;
  }

  /** What another subscription needs to go on where this one stands. */
  save(): SavedSubscription {
    const { name, topic, keyEncoding, valueEncoding } = this.#parts;
    return { name, topic, keyEncoding, valueEncoding, credit: this.#credit, positions: [...this.#positions] };
  }

  close(): void {
    this.#isClosed = true;
    this.#forgetRecords();
    this.#parts.source.close();
  }

  /** Begins; nothing is sent before. */
  start(): void {
    this.#isStarted = true;
    this.wake();
  }

  /** Sends what may be sent, then reads on. Called when credit, room or records have come. */
  wake(): void {
    if (!this.#isStarted) return;
    while (!this.#isClosed && this.#credit > 0 && this.#next < this.#records.length && this.#hasRoom())
      this.#sendSome();
    if (this.#isClosed || this.#isReading || this.#credit === 0 || this.#next < this.#records.length) return;
    this.#isReading = true;
    this.#parts.source.next().then(
      (records) => this.#receive(records),
      (error: unknown) => this.#fail(error),
    );
  }

  #hasRoom(): boolean {
    return this.#parts.transport.bufferedBytes <= this.#parts.outboundBytesHigh;
  }

  #receive(records: readonly JsonRecordOutput[] | undefined): void {
    this.#isReading = false;
    if (records === undefined || this.#isClosed) return;
    this.#records = records;
    this.#next = 0;
    this.wake();
  }

  #fail(error: unknown): void {
    if (this.#isClosed) return;
    this.close();
    this.#send(formatSubscriptionEnd(this.#parts.name, this.#parts.describe(error)));
    this.#parts.onEnd();
  }

  #sendSome(): void {
    const texts: string[] = [];
    let characters = 0;
    while (this.#credit > 0 && characters < MESSAGE_CHARACTERS_MAX) {
      const record = this.#records[this.#next];
      if (record === undefined) break;
      const text = formatRecord(record, this.#parts.keyEncoding, this.#parts.valueEncoding);
      texts.push(text);
      characters += text.length;
      this.#positions.set(record.partition, record.offset + 1);
      this.#next += 1;
      this.#credit -= 1;
    }
    if (this.#next === this.#records.length) this.#forgetRecords();
    this.#send(formatRecords(this.#parts.name, this.#credit, texts));
  }

  #forgetRecords(): void {
    this.#records = [];
    this.#next = 0;
  }

  #send(text: string): void {
    const bytes = TEXT_ENCODER.encode(text);
    this.#parts.transport.send([bytes], bytes.byteLength);
  }
}
