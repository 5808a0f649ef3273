// A record as a line of output.

import type { ConsumedRecord } from '../client/index.ts';

const NEWLINE = Buffer.from('\n');
const STRICT_UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The value byte for byte and a newline; with a separator, the key and it before the value. A null is empty. */
export function textLine({ key, value }: ConsumedRecord, separator: Uint8Array | undefined): Uint8Array[] {
  const parts = separator === undefined || key === null ? [] : [key, separator];
  if (value !== null) parts.push(value);
  parts.push(NEWLINE);
  return parts;
}

/** A JSON object on one line. */
export function jsonLine(record: ConsumedRecord): Uint8Array[] {
  const { topic, partition, offset, timestamp, key, value } = record;
  const headers = record.headers.map((header) => ({ key: header.key, ...field('value', header.value) }));
  const line = { topic, partition, offset, timestamp, ...field('key', key), ...field('value', value), headers };
  return [Buffer.from(`${JSON.stringify(line)}\n`)];
}

/** Text under its name where the bytes are UTF-8; otherwise base64 under a name that says so. */
function field(name: string, bytes: Uint8Array | null): Record<string, string | null> {
  if (bytes === null) return { [name]: null };
  try {
    return { [name]: STRICT_UTF8.decode(bytes) };
  } catch {
    return { [`${name}Base64`]: Buffer.from(bytes).toString('base64') };
  }
}
