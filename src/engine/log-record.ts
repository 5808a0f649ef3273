// Records as they go into a log and come out of it.

import { LogFault } from '../core/fault.ts';
import type { DecodedHeader, DecodedRecord } from '../wasm/record-batch-decoder.ts';
import type { EncodableRecord } from '../wasm/record-batch-encoder.ts';

/** Bytes as they are, text as UTF-8, or null. */
export type Content = Uint8Array | string | null;

/** One record to append. */
export interface LogRecordInput {
  readonly key?: Content | undefined;
  /** Null is a tombstone: compaction forgets the key. */
  readonly value: Content;
  readonly headers?: Readonly<Record<string, Content>> | undefined;
  /** Milliseconds since 1970; by default the time of the call. */
  readonly timestamp?: number | undefined;
}

const UTF8_ENCODER = new TextEncoder();
const UTF8_DECODER = new TextDecoder();

/** One record as it stands in the log. Key and value are views of what was read: copy what is kept long. */
export class LogRecord {
  readonly offset: number;
  /** Milliseconds since 1970. */
  readonly timestamp: number;
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers: readonly DecodedHeader[];

  constructor({ offset, timestamp, key, value, headers }: DecodedRecord) {
    this.offset = offset;
    this.timestamp = timestamp;
    this.key = key;
    this.value = value;
    this.headers = headers;
  }

  /** The value as UTF-8 text; '' where it is null. */
  text(): string {
    return this.value === null ? '' : UTF8_DECODER.decode(this.value);
  }

  /** The key as UTF-8 text; '' where it is null. */
  keyText(): string {
    return this.key === null ? '' : UTF8_DECODER.decode(this.key);
  }
}

/** A record as the encoder takes it. */
export function encodable(input: LogRecordInput, nowMs: number): EncodableRecord {
  const { key = null, value, headers = {}, timestamp = nowMs } = input;
  return {
    key: bytesOf(key),
    value: bytesOf(value),
    headers: Object.entries(headers).map(([name, content]) => ({ key: name, value: bytesOf(content) })),
    timestamp,
  };
}

function bytesOf(content: Content): Uint8Array | null {
  if (typeof content === 'string') return UTF8_ENCODER.encode(content);
  if (content === null || ArrayBuffer.isView(content)) return content;
  throw new LogFault('ERR_USAGE', `a key or value is text, bytes or null, not ${typeof content}`);
}
