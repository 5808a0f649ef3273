// How coordinators keep records in Kafka's format: a key and a value, each a table of fields behind a 16-bit version.
// The version of a key tells what kind of record it is; that of a value, which fields it has. It knows no kind.

import { assert, present } from '../core/assert.ts';
import type { Codec } from '../protocol/field.ts';
import { Reader } from '../protocol/reader.ts';
import type { Decoded, Encodable, Fields } from '../protocol/schema.ts';
import { structCodec } from '../protocol/struct-codec.ts';
import { Writer } from '../protocol/writer.ts';

/** Most keys and values are small. */
const FIRST_BUFFER_BYTES = 128;

export interface StoredSchemaDeclaration<F extends Fields> {
  /** First and last version that can be read, inclusive. */
  readonly versions: readonly [number, number];
  /** First version with compact types and tagged fields; absent: none. */
  readonly flexibleFrom?: number;
  /** The version written: one that the oldest Kafka which may read the log understands. */
  readonly written: number;
  readonly fields: F;
}

/** The version before a key or a value; undefined where there is none. */
export function storedVersion(bytes: Uint8Array | null): number | undefined {
  if (bytes === null || bytes.length < 2) return undefined;
  return new DataView(bytes.buffer, bytes.byteOffset, 2).getInt16(0);
}

/** One table, for keys or for values. */
export class StoredSchema<F extends Fields> {
  readonly #declaration: StoredSchemaDeclaration<F>;
  readonly #codecs: Codec[] = [];

  constructor(declaration: StoredSchemaDeclaration<F>) {
    this.#declaration = declaration;
  }

  /** Whether `version` can be read. */
  reads(version: number | undefined): boolean {
    const [first, last] = this.#declaration.versions;
    return version !== undefined && version >= first && version <= last;
  }

  /** `version` stands in place of the one that is normally written. */
  encode(value: Encodable<F>, version?: number): Uint8Array {
    return this.#encode(value, version);
  }

  /** The same for a value in which every field is there. */
  encodeDecoded(value: Decoded<F>, version?: number): Uint8Array {
    return this.#encode(value, version);
  }

  #encode(value: unknown, version = this.#declaration.written): Uint8Array {
    const writer = new Writer(FIRST_BUFFER_BYTES);
    writer.int16(version);
    this.#codec(version).write(writer, value);
    return writer.finishFlat();
  }

  /**
   * The fields, those that the version has not with their defaults. Byte fields are views: whoever keeps them copies.
   * @throws LogFault ERR_MALFORMED_FRAME
   */
  decode(bytes: Uint8Array): Decoded<F> {
    const version = present(storedVersion(bytes), 'version');
    assert(this.reads(version), 'the version was looked at before');
    const reader = new Reader(bytes);
    reader.skip(2);
    // The codec makes from a table what the table's types say.
    return this.#codec(version).read(reader) as Decoded<F>;
  }

  #codec(version: number): Codec {
    const { fields, flexibleFrom = Number.POSITIVE_INFINITY } = this.#declaration;
    this.#codecs[version] ??= structCodec(fields, { version, flexible: version >= flexibleFrom, nullable: false });
    return present(this.#codecs[version], 'codec');
  }
}

/** The key and value of a record, encoded. */
export interface EncodedEntry {
  readonly key: Uint8Array;
  readonly value: Uint8Array | null;
}

/** Turns a coordinator's records into entries of its log and back. */
export interface RecordFormat<R> {
  encode(record: R): EncodedEntry;
  /**
   * Undefined for a kind of record that is not known here (a later Kafka's): it is skipped.
   * @throws LogFault where the bytes do not follow the format
   */
  decode(key: Uint8Array, value: Uint8Array | null): R | undefined;
}
