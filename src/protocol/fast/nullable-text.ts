// Text that may be null, as the codecs written by hand read and write it: compact in flexible versions.

import type { Reader } from '../reader.ts';
import type { Writer } from '../writer.ts';

export function readNullableText(reader: Reader, flexible: boolean): string | null {
  const length = flexible ? reader.compactLength() : reader.int16Length();
  return length < 0 ? null : reader.text(length);
}

export function writeNullableText(writer: Writer, text: string | null, flexible: boolean): void {
  if (text !== null) writer.text(text, flexible);
  else if (flexible) writer.uvarint(0);
  else writer.int16(-1);
}
