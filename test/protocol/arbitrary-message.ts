// Arbitrary messages from the tables themselves, for property tests: every value that decoding a version may give.

import fc from 'fast-check';
import { type AnyField, defaultOf, type Fields, isCarried, isNullable } from '../../src/protocol/field.ts';
import { uuidFromBytes } from '../../src/protocol/uuid.ts';

/** Messages of a table as `version` carries them: what it does not carry has its default. */
export function arbitraryMessage(fields: Fields, version: number): fc.Arbitrary<Record<string, unknown>> {
  return fc.record(
    Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, arbitraryField(field, version)])),
    { noNullPrototype: true },
  );
}

function arbitraryField(field: AnyField, version: number): fc.Arbitrary<unknown> {
  if (!isCarried(field, version)) return fc.constant(defaultOf(field));
  const value = arbitraryValue(field, version);
  return isNullable(field, version) ? fc.option(value, { freq: 4 }) : value;
}

function arbitraryValue({ type }: AnyField, version: number): fc.Arbitrary<unknown> {
  const { kind, fields, element } = type;
  if (kind === 'struct' && fields !== undefined) return arbitraryMessage(fields, version);
  if (kind === 'array' && fields !== undefined) return fc.array(arbitraryMessage(fields, version), { maxLength: 3 });
  if (kind === 'array' && element !== undefined) return fc.array(arbitraryValue(element, version), { maxLength: 5 });
  return arbitraryScalar(kind);
}

function arbitraryScalar(kind: string): fc.Arbitrary<unknown> {
  switch (kind) {
    case 'boolean':
      return fc.boolean();
    case 'int8':
      return fc.integer({ min: -0x80, max: 0x7f });
    case 'int16':
      return fc.integer({ min: -0x8000, max: 0x7fff });
    case 'uint16':
      return fc.integer({ min: 0, max: 0xffff });
    case 'int32':
      return fc.integer();
    case 'int64':
      return fc.maxSafeInteger();
    case 'float64':
      return fc.double({ noNaN: true });
    case 'uuid':
      return fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => uuidFromBytes(bytes));
    case 'string':
      return fc.oneof(fc.string({ maxLength: 12 }), fc.string({ unit: 'binary', maxLength: 100 }));
    case 'bytes':
    case 'records':
      return fc.oneof(fc.uint8Array({ maxLength: 20 }), fc.constant(new Uint8Array(5000).fill(7)));
    default:
      throw new Error(`no arbitrary for ${kind}`);
  }
}
