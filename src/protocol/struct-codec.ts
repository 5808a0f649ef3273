// Codecs of structs and arrays in one version. In flexible versions a section of tagged fields ends every struct.

import { assert } from '../core/assert.ts';
import { LogFault } from '../core/fault.ts';
import {
  type AnyField,
  type Codec,
  type CodecContext,
  defaultOf,
  type Fields,
  isCarried,
  isDefault,
  isNullable,
  mayBeAbsent,
} from './field.ts';
import { FrameFault, inside } from './frame-fault.ts';
import { checkNull, readLength, writeLength } from './primitive-types.ts';
import type { Reader } from './reader.ts';
import { Writer } from './writer.ts';

/** An array, which takes no more elements than the bytes left can hold. */
export function arrayCodec(element: Codec, { flexible, nullable }: CodecContext): Codec {
  const elementBytesMin = Math.max(1, element.bytesMin);
  return {
    bytesMin: flexible ? 1 : 4,
    read(reader) {
      const length = readLength(reader, flexible);
      if (length < 0 && nullable) return null;
      const values: unknown[] = [];
      reader.elements(length, elementBytesMin);
      for (let index = 0; index < length; index++) values.push(readElement(element, reader, index));
      return values;
    },
    write(writer, value) {
      if (value === null) {
        checkNull(nullable);
        return writeLength(writer, -1, flexible);
      }
      assert(Array.isArray(value), 'the field holds an array');
      writeLength(writer, value.length, flexible);
      for (let index = 0; index < value.length; index++) element.write(writer, value[index]);
    },
  };
}

function readElement(element: Codec, reader: Reader, index: number): unknown {
  try {
    return element.read(reader);
  } catch (error) {
    throw inside(error, `[${index}]`);
  }
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

/** A struct with a byte before it: -1 for null. */
export function nullableStructCodec(codec: Codec): Codec {
  return {
    bytesMin: 1,
    read: (reader) => (reader.int8() < 0 ? null : codec.read(reader)),
    write(writer, value) {
      writer.int8(value === null ? -1 : 1);
      if (value !== null) codec.write(writer, value);
    },
  };
}

/** One field in one version. */
interface Column {
  readonly name: string;
  readonly field: AnyField;
  readonly codec: Codec;
  readonly normal: unknown;
  /** Where the value comes from and goes to: among the others in order, in the tagged section, or nowhere. */
  readonly place: 'inline' | 'tagged' | 'absent';
}

function columnsOf(fields: Fields, context: CodecContext): Column[] {
  return Object.entries(fields).map(([name, each]) => {
    const carried = isCarried(each, context.version);
    const tagged = each.options.tag !== undefined;
    assert(!carried || !tagged || context.flexible, `tagged field ${name} needs a flexible version`);
    return {
      name,
      field: each,
      codec: each.type.codec({ ...context, nullable: isNullable(each, context.version) }),
      normal: defaultOf(each),
      place: carried ? (tagged ? 'tagged' : 'inline') : 'absent',
    };
  });
}

/** The codec of a table in one version: in flexible ones its tagged section ends it. */
export function structCodec(fields: Fields, context: CodecContext): Codec {
  const columns = columnsOf(fields, context);
  const inline = columns.filter(({ place }) => place === 'inline');
  const tagged = columns.filter(({ place }) => place === 'tagged').sort((one, other) => tagOf(one) - tagOf(other));
  const absent = columns.filter(({ place, field: { options } }) => place === 'absent' && options.ignorable !== true);
  const readInline = structReader(columns);
  const readTagged = tagged.length === 0 ? skipTagged : taggedReader(tagged);
  return {
    bytesMin: inline.reduce((sum, { codec }) => sum + codec.bytesMin, context.flexible ? 1 : 0),
    read(reader) {
      const value = readInline(reader);
      if (context.flexible) readTagged(reader, value);
      return value;
    },
    write(writer, value) {
      if (value === null) checkNull(false);
      assert(isRecord(value), 'a struct is an object');
      for (const column of absent) refuse(column, value[column.name], context.version);
      for (const column of inline) writeColumn(writer, column, value[column.name]);
      if (context.flexible) writeTagged(writer, tagged, value);
    },
  };
}

function tagOf({ field: { options } }: Column): number {
  return options.tag ?? -1;
}

/** Reads the fields that stand in order; the others get their defaults, so that every version has one object shape. */
function structReader(columns: readonly Column[]): (reader: Reader) => Record<string, unknown> {
  const names = columns.map(({ name }) => name);
  const reads = columns.map(({ codec, place, normal }) =>
    place === 'inline' ? (reader: Reader) => codec.read(reader) : () => normal,
  );
  return (reader) => {
    const value: Record<string, unknown> = {};
    let index = 0;
    try {
      for (; index < reads.length; index++) {
        const read = reads[index];
        const name = names[index];
        if (read !== undefined && name !== undefined) value[name] = read(reader);
      }
    } catch (error) {
      throw inside(error, names[index] ?? '');
    }
    return value;
  };
}

function skipTagged(reader: Reader): void {
  reader.skipTaggedFields();
}

function taggedReader(tagged: readonly Column[]): (reader: Reader, value: Record<string, unknown>) => void {
  const columnOfTag = new Map(tagged.map((column) => [tagOf(column), column]));
  return (reader, value) => {
    for (let count = reader.uvarint(); count > 0; count--) {
      const column = columnOfTag.get(reader.uvarint());
      const size = reader.uvarint();
      if (column === undefined) reader.skip(size);
      else value[column.name] = readTaggedField(reader, column, size);
    }
  };
}

/** A tagged field ends exactly where its size says, so that its content cannot reach into what follows. */
function readTaggedField(reader: Reader, { name, codec }: Column, size: number): unknown {
  const { end } = reader;
  try {
    if (size > reader.remaining) throw new FrameFault(`length ${size} exceeds the ${reader.remaining} bytes left`);
    reader.end = reader.position + size;
    const value = codec.read(reader);
    if (reader.remaining !== 0) throw new FrameFault(`${reader.remaining} bytes are left over`);
    reader.end = end;
    return value;
  } catch (error) {
    throw inside(error, name);
  }
}

function refuse({ name, field: each }: Column, value: unknown, version: number): void {
  if (isDefault(each, value)) return;
  throw new LogFault('ERR_UNSUPPORTED', `${name} cannot be said in version ${version}`);
}

function writeColumn(writer: Writer, { name, field: { options }, codec, normal }: Column, value: unknown): void {
  assert(value !== undefined || mayBeAbsent(options), `${name} is missing`);
  codec.write(writer, value === undefined ? normal : value);
}

function writeTagged(writer: Writer, tagged: readonly Column[], value: Readonly<Record<string, unknown>>): void {
  let count = 0;
  for (const { field: each, name } of tagged) if (!isDefault(each, value[name])) count++;
  writer.uvarint(count);
  if (count === 0) return;
  for (const column of tagged) {
    const content = value[column.name];
    if (!isDefault(column.field, content)) writeTaggedField(writer, column, content);
  }
}

function writeTaggedField(writer: Writer, column: Column, value: unknown): void {
  const content = new Writer();
  column.codec.write(content, value);
  writer.uvarint(tagOf(column));
  writer.uvarint(content.length);
  writer.append(content);
}
