// The language in which Kafka's messages are declared: one table of fields per request and response for the whole
// range of versions. It owns how fields are declared and which TypeScript types follow; codecs are made elsewhere.
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

import type { FramePart } from '../core/file-range.ts';
import {
  type AnyField,
  type CodecContext,
  defaultsOf,
  type Field,
  type FieldOptions,
  type Fields,
  type FieldType,
  isDefault,
} from './field.ts';
import {
  BOOLEAN,
  BYTES,
  FLOAT64,
  INT8,
  INT16,
  INT32,
  INT64,
  INT64_CLAMPED,
  RECORDS,
  STRING,
  UINT16,
  UUID,
} from './primitive-types.ts';
import { arrayCodec, isRecord, nullableStructCodec, structCodec } from './struct-codec.ts';
import type { Uuid } from './uuid.ts';

export type { AnyField, Fields } from './field.ts';

type NoOptions = Readonly<Record<never, never>>;
type Nullable<T, O> = O extends { readonly nullableFrom: number } ? T | null : T;
type MayBeAbsent<O> = O extends
  | { readonly default: unknown }
  | { readonly tag: number }
  | { readonly from: number }
  | { readonly to: number }
  ? true
  : false;

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

export function string<const O extends FieldOptions<string> = NoOptions>(options?: O): FieldOf<string, string, O> {
  return field(STRING, options);
}

/** Bytes, decoded as a view of the frame. */
export function bytes<const O extends FieldOptions<Uint8Array> = NoOptions>(
  options?: O,
): FieldOf<Uint8Array, Uint8Array, O> {
  return field(BYTES, options);
}

/** What records are encoded from: bytes in memory or in a file, or several byte arrays that follow each other. They are not copied if large. */
export type RecordsInput = FramePart | readonly Uint8Array[];

/** Record batches, decoded as a view of the frame. Null and empty are distinct. */
export function records<const O extends FieldOptions<Uint8Array> = NoOptions>(
  options?: O,
): FieldOf<Uint8Array, RecordsInput, O> {
  return field(RECORDS, options);
}

const NO_ELEMENTS: readonly unknown[] = Object.freeze([]);

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
