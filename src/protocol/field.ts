// What a field of a message is: its type, its options, and what follows from them for a version. It knows nothing of how
// fields are declared (schema.ts) and of how they are encoded (primitive-types.ts, struct-codec.ts).

import type { Reader } from './reader.ts';
import type { Writer } from './writer.ts';

/** The options of a field; see the top of this file. */
export interface FieldOptions<T = unknown> {
  readonly from?: number;
  readonly to?: number;
  readonly nullableFrom?: number;
  readonly default?: T | null;
  readonly tag?: number;
  readonly ignorable?: boolean;
}

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
export interface FieldType {
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

/** A message in which every field has its default. */
export function defaultsOf(fields: Fields): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).map(([name, each]) => [name, defaultOf(each)]));
}

/** The value of a field that is not given, or not carried. */
export function defaultOf({ type, options }: AnyField): unknown {
  return options.default === undefined || Array.isArray(options.default) ? type.zero : options.default;
}

/** Whether `value`, given or not, is the default of the field. */
export function isDefault(each: AnyField, value: unknown): boolean {
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

/** Whether a message to encode may leave the field out. */
export function mayBeAbsent({ default: normal, tag, from, to }: FieldOptions): boolean {
  return normal !== undefined || tag !== undefined || from !== undefined || to !== undefined;
}
