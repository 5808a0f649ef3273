// The language in which Kafka's messages are declared: one table of fields per request and response for the whole
// range of versions. It owns field types, their TypeScript types, and how a table becomes a codec for one version.
//
//   export const example = api({
//     key: 99, name: 'Example', versions: [1, 4], flexibleFrom: 3,
//     request: {
//       topics: array({ name: string(), partitions: array(int32()) }, { nullableFrom: 2 }),
//       timeoutMs: int32({ default: 1000 }),
//     },
//     response: {
//       throttleTimeMs: int32({ from: 2, ignorable: true }),
//       leader: struct({ id: int32({ default: -1 }) }, { tag: 0, from: 3 }),
//     },
//   });
//
// Fields are on the wire in the order of the table. Options of a field, all of them optional:
//   from, to      first and last version that carries it (inclusive; open where absent)
//   nullableFrom  first version in which it may be null; its type becomes `T | null` in every version
//   default       its value where it is not given, or not carried. Absent: 0, '', false, the zero uuid, no elements,
//                 a struct of defaults, null for records
//   tag           it is a tagged field, on the wire only where it differs from its default
//   ignorable     a value is dropped silently in versions that do not carry it. Without it, a value other than the
//                 default is ERR_UNSUPPORTED there, so that no meaning is lost unnoticed (Kafka's rule)
//
// A decoded message has every field, absent ones with their defaults. In a message to encode, a field may be left out
// (or be undefined) if it has one of `default`, `tag`, `from`, `to`; what every version carries must be given.
// Unknown tagged fields are skipped. Byte fields and records decode as views of the frame: whoever keeps them copies.

import { assert } from '../core/assert.ts';
import { LogFault } from '../core/fault.ts';
import { FrameFault, inside } from './frame-fault.ts';
import type { Reader } from './reader.ts';
import { isUuid, type Uuid, ZERO_UUID } from './uuid.ts';
import { Writer } from './writer.ts';

/** The options of a field; see the top of this file. */
export interface FieldOptions<T = unknown> {
  readonly from?: number;
  readonly to?: number;
  readonly nullableFrom?: number;
  readonly default?: T | null;
  readonly tag?: number;
  readonly ignorable?: boolean;
}

type NoOptions = Readonly<Record<never, never>>;
type Nullable<T, O> = O extends { readonly nullableFrom: number } ? T | null : T;
type MayBeAbsent<O> = O extends
  | { readonly default: unknown }
  | { readonly tag: number }
  | { readonly from: number }
  | { readonly to: number }
  ? true
  : false;

/** Reads and writes one type in one version. */
export interface Codec {
  /** The least number of bytes that a value takes. */
  readonly bytesMin: number;
  read(reader: Reader): unknown;
  write(writer: Writer, value: unknown): void;
}

/** How a codec is to behave: the version, whether it is flexible, and whether this field may be null in it. */
export interface CodecContext {
  readonly version: number;
  readonly flexible: boolean;
  readonly nullable: boolean;
}

/** What a field is made of, apart from its options. */
interface FieldType {
  readonly kind: string;
  /** The default of a field without `default`. */
  readonly zero: unknown;
  isZero(value: unknown): boolean;
  codec(context: CodecContext): Codec;
  /** The nested table, of structs and of arrays of structs. */
  readonly fields?: Fields;
  /** The element, of arrays of anything else. */
  readonly element?: AnyField;
}

/** A field of a message: `Out` when decoded, `In` to encode. */
export interface Field<Out, In, Optional extends boolean> {
  readonly type: FieldType;
  readonly options: FieldOptions;
  /** Never there at run time: it carries the types. */
  readonly inferred?: { readonly out: Out; readonly in: In; readonly optional: Optional };
}

export type AnyField = Field<unknown, unknown, boolean>;

/** A table of fields, in wire order. */
export interface Fields {
  readonly [name: string]: AnyField;
}

type OutOf<F> = F extends Field<infer Out, infer _In, infer _Optional> ? Out : never;
type InOf<F> = F extends Field<infer _Out, infer In, infer _Optional> ? In : never;
type OptionalNames<S> = {
  [K in keyof S]: S[K] extends Field<infer _Out, infer _In, infer Optional>
    ? Optional extends true
      ? K
      : never
    : never;
}[keyof S];
type Flat<T> = { [K in keyof T]: T[K] };

/** What decoding a table gives. */
export type Decoded<S> = { readonly [K in keyof S]: OutOf<S[K]> };
/** What encoding a table takes. */
export type Encodable<S> = Flat<
  { readonly [K in Exclude<keyof S, OptionalNames<S>>]: InOf<S[K]> } & {
    readonly [K in OptionalNames<S>]?: InOf<S[K]> | undefined;
  }
>;

type FieldOf<Out, In, O> = Field<Nullable<Out, O>, Nullable<In, O>, MayBeAbsent<O>>;

function field<Out, In, O extends FieldOptions>(type: FieldType, options: O | undefined): FieldOf<Out, In, O> {
  return { type, options: options ?? {} };
}

// Fields of fixed size.

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

const BOOLEAN = scalar('boolean', false, {
  bytesMin: 1,
  read: (reader) => reader.boolean(),
  write: (writer, value) => writer.boolean(expectBoolean(value)),
});
const INT8 = scalar('int8', 0, {
  bytesMin: 1,
  read: (reader) => reader.int8(),
  write: (writer, value) => writer.int8(expectNumber(value)),
});
const INT16 = scalar('int16', 0, {
  bytesMin: 2,
  read: (reader) => reader.int16(),
  write: (writer, value) => writer.int16(expectNumber(value)),
});
const UINT16 = scalar('uint16', 0, {
  bytesMin: 2,
  read: (reader) => reader.uint16(),
  write: (writer, value) => writer.uint16(expectNumber(value)),
});
const INT32 = scalar('int32', 0, {
  bytesMin: 4,
  read: (reader) => reader.int32(),
  write: (writer, value) => writer.int32(expectNumber(value)),
});
const INT64 = scalar('int64', 0, {
  bytesMin: 8,
  read: (reader) => reader.int64(),
  write: (writer, value) => writer.int64(expectNumber(value)),
});
const INT64_CLAMPED = scalar('int64', 0, {
  bytesMin: 8,
  read: (reader) => reader.int64Clamped(),
  write: (writer, value) => writer.int64(expectNumber(value)),
});
const FLOAT64 = scalar('float64', 0, {
  bytesMin: 8,
  read: (reader) => reader.float64(),
  write: (writer, value) => writer.float64(expectNumber(value)),
});
const UUID = scalar('uuid', ZERO_UUID, {
  bytesMin: 16,
  read: (reader) => reader.uuid(),
  write: (writer, value) => writer.uuid(expectUuid(value)),
});

export function boolean<const O extends FieldOptions<boolean> = NoOptions>(options?: O): FieldOf<boolean, boolean, O> {
  return field(BOOLEAN, options);
}

export function int8<const O extends FieldOptions<number> = NoOptions>(options?: O): FieldOf<number, number, O> {
  return field(INT8, options);
}

export function int16<const O extends FieldOptions<number> = NoOptions>(options?: O): FieldOf<number, number, O> {
  return field(INT16, options);
}

export function uint16<const O extends FieldOptions<number> = NoOptions>(options?: O): FieldOf<number, number, O> {
  return field(UINT16, options);
}

export function int32<const O extends FieldOptions<number> = NoOptions>(options?: O): FieldOf<number, number, O> {
  return field(INT32, options);
}

/** A 64-bit integer as a safe JavaScript one. */
export function int64<const O extends FieldOptions<number> = NoOptions>(options?: O): FieldOf<number, number, O> {
  return field(INT64, options);
}

/** A 64-bit integer in which a huge value means "without limit": it decodes as the nearest safe one. */
export function int64Clamped<const O extends FieldOptions<number> = NoOptions>(
  options?: O,
): FieldOf<number, number, O> {
  return field(INT64_CLAMPED, options);
}

export function float64<const O extends FieldOptions<number> = NoOptions>(options?: O): FieldOf<number, number, O> {
  return field(FLOAT64, options);
}

export function uuid<const O extends FieldOptions<Uuid> = NoOptions>(options?: O): FieldOf<Uuid, Uuid, O> {
  return field(UUID, options);
}

// Fields with a length before them: a varint of length + 1 in flexible versions, 16 or 32 bits otherwise.

function checkNull(nullable: boolean): void {
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

function writeLength(writer: Writer, length: number, flexible: boolean): void {
  if (flexible) writer.uvarint(length + 1);
  else writer.int32(length);
}

function readLength(reader: Reader, flexible: boolean): number {
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
const STRING: FieldType = { kind: 'string', zero: '', isZero: (value) => value === '', codec: stringCodec };
const BYTES: FieldType = {
  kind: 'bytes',
  zero: EMPTY_BYTES,
  isZero: (value) => value instanceof Uint8Array && value.length === 0,
  codec: bytesCodec,
};
const RECORDS: FieldType = { kind: 'records', zero: null, isZero: (value) => value === null, codec: bytesCodec };

export function string<const O extends FieldOptions<string> = NoOptions>(options?: O): FieldOf<string, string, O> {
  return field(STRING, options);
}

/** Bytes, decoded as a view of the frame. */
export function bytes<const O extends FieldOptions<Uint8Array> = NoOptions>(
  options?: O,
): FieldOf<Uint8Array, Uint8Array, O> {
  return field(BYTES, options);
}

/** What records are encoded from: one byte array, or several that follow each other. They are not copied if large. */
export type RecordsInput = Uint8Array | readonly Uint8Array[];

/** Record batches, decoded as a view of the frame. Null and empty are distinct. */
export function records<const O extends FieldOptions<Uint8Array> = NoOptions>(
  options?: O,
): FieldOf<Uint8Array, RecordsInput, O> {
  return field(RECORDS, options);
}

// Arrays and structs.

const NO_ELEMENTS: readonly unknown[] = Object.freeze([]);

function arrayCodec(element: Codec, { flexible, nullable }: CodecContext): Codec {
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

function isField(value: AnyField | Fields): value is AnyField {
  return 'type' in value && 'options' in value && typeof value.options === 'object' && !('type' in value.options);
}

/** An array of elements of one type. */
export function array<Out, In, const O extends FieldOptions<readonly never[]> = NoOptions>(
  element: Field<Out, In, boolean>,
  options?: O,
): FieldOf<readonly Out[], readonly In[], O>;
/** An array of structs. */
export function array<S extends Fields, const O extends FieldOptions<readonly never[]> = NoOptions>(
  fields: S,
  options?: O,
): FieldOf<readonly Decoded<S>[], readonly Encodable<S>[], O>;
export function array(of: AnyField | Fields, options?: FieldOptions): AnyField {
  const elementOf = isField(of)
    ? (context: CodecContext) => of.type.codec({ ...context, nullable: false })
    : (context: CodecContext) => structCodec(of, context);
  return field(
    {
      kind: 'array',
      zero: NO_ELEMENTS,
      isZero: (value) => Array.isArray(value) && value.length === 0,
      codec: (context) => arrayCodec(elementOf(context), context),
      ...(isField(of) ? { element: of } : { fields: of }),
    },
    options,
  );
}

/** A nested struct. A null one is told by a byte before it (in versions where it may be null). */
export function struct<S extends Fields, const O extends FieldOptions<never> = NoOptions>(
  fields: S,
  options?: O,
): FieldOf<Decoded<S>, Encodable<S>, O> {
  return field(
    {
      kind: 'struct',
      zero: Object.freeze(defaultsOf(fields)),
      isZero: (value) =>
        isRecord(value) && Object.entries(fields).every(([name, each]) => isDefault(each, value[name])),
      codec: (context) => {
        const codec = structCodec(fields, context);
        return context.nullable ? nullableStructCodec(codec) : codec;
      },
      fields,
    },
    options,
  );
}

/** A message in which every field has its default. */
export function defaultsOf(fields: Fields): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).map(([name, each]) => [name, defaultOf(each)]));
}

/** The value of a field that is not given, or not carried. */
export function defaultOf({ type, options }: AnyField): unknown {
  return options.default === undefined || Array.isArray(options.default) ? type.zero : options.default;
}

function isDefault(each: AnyField, value: unknown): boolean {
  if (value === undefined) return true;
  const normal = defaultOf(each);
  return normal === each.type.zero ? each.type.isZero(value) : value === normal;
}

/** Whether `version` carries the field. */
export function isCarried(
  { options: { from = 0, to = Number.POSITIVE_INFINITY } }: AnyField,
  version: number,
): boolean {
  return version >= from && version <= to;
}

/** Whether the field may be null in `version`. */
export function isNullable(
  { options: { nullableFrom = Number.POSITIVE_INFINITY } }: AnyField,
  version: number,
): boolean {
  return version >= nullableFrom;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

function nullableStructCodec(codec: Codec): Codec {
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

function mayBeAbsent({ default: normal, tag, from, to }: FieldOptions): boolean {
  return normal !== undefined || tag !== undefined || from !== undefined || to !== undefined;
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
