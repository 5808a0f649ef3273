// The types of fields that hold no other fields, and their codecs. Some have a length before them: a varint of
// length + 1 in flexible versions, 16 or 32 bits otherwise.

import { assert } from '../core/assert.ts';
import { LogFault } from '../core/fault.ts';
import { FileRange } from '../core/file-range.ts';
import type { Codec, CodecContext, FieldType } from './field.ts';
import type { Reader } from './reader.ts';
import { isUuid, type Uuid, ZERO_UUID } from './uuid.ts';
import type { Writer } from './writer.ts';

function scalar<T>(kind: string, zero: T, codec: Codec): FieldType {
  return { kind, zero, isZero: (value) => value === zero, codec: () => codec };
}

function expectNumber(value: unknown): number {
  assert(typeof value === 'number', 'the field holds a number');
  return value;
}

function expectBoolean(value: unknown): boolean {
  assert(typeof value === 'boolean', 'the field holds a boolean');
  return value;
}

function expectUuid(value: unknown): Uuid {
  assert(typeof value === 'string' && isUuid(value), 'the field holds a uuid');
  return value;
}

export const BOOLEAN = scalar('boolean', false, {
  bytesMin: 1,
  read: (reader) => reader.boolean(),
  write: (writer, value) => writer.boolean(expectBoolean(value)),
});
export const INT8 = scalar('int8', 0, {
  bytesMin: 1,
  read: (reader) => reader.int8(),
  write: (writer, value) => writer.int8(expectNumber(value)),
});
export const INT16 = scalar('int16', 0, {
  bytesMin: 2,
  read: (reader) => reader.int16(),
  write: (writer, value) => writer.int16(expectNumber(value)),
});
export const UINT16 = scalar('uint16', 0, {
  bytesMin: 2,
  read: (reader) => reader.uint16(),
  write: (writer, value) => writer.uint16(expectNumber(value)),
});
export const INT32 = scalar('int32', 0, {
  bytesMin: 4,
  read: (reader) => reader.int32(),
  write: (writer, value) => writer.int32(expectNumber(value)),
});
export const INT64 = scalar('int64', 0, {
  bytesMin: 8,
  read: (reader) => reader.int64(),
  write: (writer, value) => writer.int64(expectNumber(value)),
});
export const INT64_CLAMPED = scalar('int64', 0, {
  bytesMin: 8,
  read: (reader) => reader.int64Clamped(),
  write: (writer, value) => writer.int64(expectNumber(value)),
});
export const FLOAT64 = scalar('float64', 0, {
  bytesMin: 8,
  read: (reader) => reader.float64(),
  write: (writer, value) => writer.float64(expectNumber(value)),
});
export const UUID = scalar('uuid', ZERO_UUID, {
  bytesMin: 16,
  read: (reader) => reader.uuid(),
  write: (writer, value) => writer.uuid(expectUuid(value)),
});

/** Null in a version that has no way to say it is ERR_UNSUPPORTED. */
export function checkNull(nullable: boolean): void {
  if (!nullable) throw new LogFault('ERR_UNSUPPORTED', 'null cannot be said in this version');
}

function stringCodec({ flexible, nullable }: CodecContext): Codec {
  return {
    bytesMin: flexible ? 1 : 2,
    read(reader) {
      const length = flexible ? reader.compactLength() : reader.int16Length();
      return length < 0 && nullable ? null : reader.text(length);
    },
    write(writer, value) {
      if (value === null) {
        checkNull(nullable);
        return flexible ? writer.uvarint(0) : writer.int16(-1);
      }
      assert(typeof value === 'string', 'the field holds a string');
      writer.text(value, flexible);
    },
  };
}

/** The length of bytes or of an array; -1 for null. */
export function writeLength(writer: Writer, length: number, flexible: boolean): void {
  if (flexible) writer.uvarint(length + 1);
  else writer.int32(length);
}

/** The length of bytes or of an array; -1 for null. */
export function readLength(reader: Reader, flexible: boolean): number {
  return flexible ? reader.compactLength() : reader.int32Length();
}

function bytesCodec({ flexible, nullable }: CodecContext): Codec {
  return {
    bytesMin: flexible ? 1 : 4,
    read(reader) {
      const length = readLength(reader, flexible);
      return length < 0 && nullable ? null : reader.view(length);
    },
    write(writer, value) {
      if (value === null) {
        checkNull(nullable);
        return writeLength(writer, -1, flexible);
      }
      if (value instanceof Uint8Array) {
        writeLength(writer, value.length, flexible);
        return writer.raw(value);
      }
      if (value instanceof FileRange) {
        writeLength(writer, value.length, flexible);
        return writer.file(value);
      }
      writeParts(writer, value, flexible);
    },
  };
}

/** Byte arrays that follow each other make up one value. */
function writeParts(writer: Writer, parts: unknown, flexible: boolean): void {
  assert(Array.isArray(parts), 'the field holds byte arrays');
  let length = 0;
  for (const part of parts) {
    assert(part instanceof Uint8Array, 'the field holds byte arrays');
    length += part.length;
  }
  writeLength(writer, length, flexible);
  for (const part of parts) writer.raw(part);
}

const EMPTY_BYTES = new Uint8Array(0);
export const STRING: FieldType = { kind: 'string', zero: '', isZero: (value) => value === '', codec: stringCodec };
export const BYTES: FieldType = {
  kind: 'bytes',
  zero: EMPTY_BYTES,
  isZero: (value) => value instanceof Uint8Array && value.length === 0,
  codec: bytesCodec,
};
export const RECORDS: FieldType = { kind: 'records', zero: null, isZero: (value) => value === null, codec: bytesCodec };
