// What holds for every message at every version, whatever it says.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AssertionError } from '../../src/core/assert.ts';
import { LogFault } from '../../src/core/fault.ts';
import type { AnyApi } from '../../src/protocol/api.ts';
import { type AnyField, type Fields, isCarried } from '../../src/protocol/field.ts';
import { APIS } from '../../src/protocol/messages/registry.ts';
import { ZERO_UUID } from '../../src/protocol/uuid.ts';
import { arbitraryMessage } from './arbitrary-message.ts';
import {
  decode,
  encode,
  expected,
  fieldsOf,
  type GoldenFrame,
  goldenFrames,
  hexOf,
  type MessageKind,
} from './golden-frames.ts';

const KINDS: readonly MessageKind[] = ['request', 'response'];
const ROUND_TRIPS_PER_VERSION = 12;

function versionsOf({ versions: [first, last] }: AnyApi): number[] {
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}

/** The code of the fault that `run` throws, `ok` if it throws nothing; any other error passes. */
function outcome(run: () => unknown): string {
  try {
    run();
    return 'ok';
  } catch (error) {
    if (error instanceof LogFault) return error.code;
    throw error;
  }
}

describe.each(APIS.map((api) => [api.name, api] as const))('%s', (_name, api) => {
  const frames = goldenFrames(api);

  test.each(KINDS)('round-trips any %s at every version', (kind) => {
    for (const version of versionsOf(api)) {
      fc.assert(
        fc.property(arbitraryMessage(fieldsOf(api, kind), version), (value) => {
          const place = { api, kind, version };
          expect(decode(place, encode(place, value))).toEqual(value);
        }),
        { numRuns: ROUND_TRIPS_PER_VERSION },
      );
    }
  });

  test('calls every truncation of every message malformed', () => {
    const outcomes = new Set<string>();
    for (const frame of frames) {
      for (let length = 0; length < frame.bytes.length; length++) {
        outcomes.add(outcome(() => decode(frame, frame.bytes.subarray(0, length))));
      }
    }
    expect([...outcomes]).toEqual(['ERR_MALFORMED_FRAME']);
  });

  test('takes a huge length at any place as malformed or as another value, never as anything else', () => {
    const outcomes = new Set<string>();
    for (const frame of frames.filter(({ variant }) => variant === 'full')) {
      for (const huge of [
        [0x7f, 0xff, 0xff, 0xff],
        [0xff, 0xff, 0xff, 0xff, 0x0f],
      ]) {
        for (let at = 0; at + huge.length <= frame.bytes.length; at++) {
          const bytes = frame.bytes.slice();
          bytes.set(huge, at);
          outcomes.add(outcome(() => decode(frame, bytes)));
        }
      }
    }
    expect([...outcomes].filter((each) => each !== 'ok')).toEqual(['ERR_MALFORMED_FRAME']);
  });

  test('skips tagged fields that it does not know, in flexible versions', () => {
    const unknown = [1, 0x88, 0x27, 3, 0xaa, 0xbb, 0xcc];
    for (const frame of frames.filter(({ variant, version }) => variant === 'empty' && api.isFlexible(version))) {
      expect(frame.bytes.at(-1)).toBe(0);
      const bytes = Uint8Array.from([...frame.bytes.subarray(0, -1), ...unknown]);
      expect(decode(frame, bytes)).toEqual(decode(frame, frame.bytes));
    }
  });

  test('refuses a value that the version cannot carry, unless the field is ignorable', () => {
    for (const frame of frames.filter(({ variant }) => variant === 'full')) {
      for (const { path, ignorable, value } of misplaced(frame)) {
        const result = outcome(() => encode(frame, value));
        expect(result, `v${frame.version} ${frame.kind} ${path}`).toBe(ignorable ? 'ok' : 'ERR_UNSUPPORTED');
        if (ignorable) expect(hexOf(encode(frame, value))).toBe(hexOf(frame.bytes));
      }
    }
  });

  test('refuses versions outside its range', () => {
    for (const version of [api.versions[0] - 1, api.versions[1] + 1, 32767]) {
      for (const kind of KINDS) {
        expect(outcome(() => decode({ api, kind, version }, new Uint8Array(100)))).toBe('ERR_UNSUPPORTED');
        expect(outcome(() => encode({ api, kind, version }, {}))).toBe('ERR_UNSUPPORTED');
      }
    }
  });

  test('asks for every field that has no default', () => {
    for (const kind of KINDS) {
      const version = api.versions[1];
      const required = Object.entries(fieldsOf(api, kind)).filter(([, field]) => isRequired(field));
      if (required.length === 0) continue;
      expect(() => encode({ api, kind, version }, {})).toThrow(AssertionError);
    }
  });
});

function isRequired({ options: { default: normal, from, to, tag } }: AnyField): boolean {
  return [normal, from, to, tag].every((option) => option === undefined);
}

interface Misplaced {
  readonly path: string;
  readonly ignorable: boolean;
  /** The golden value with one field set that the version does not carry. */
  readonly value: unknown;
}

/** Every way to say, at any depth, something that the version of the frame cannot carry. */
function misplaced(frame: GoldenFrame): Misplaced[] {
  const fields = fieldsOf(frame.api, frame.kind);
  return misplacedIn(fields, expected(fields, frame.value), frame.version);
}

type Members = Readonly<Record<string, unknown>>;

function misplacedIn(fields: Fields, value: Members, version: number): Misplaced[] {
  return Object.entries(fields).flatMap(([name, field]) => {
    if (isCarried(field, version)) {
      return misplacedInside(field, value[name], version).map((inner) => ({
        path: `${name}.${inner.path}`,
        ignorable: inner.ignorable,
        value: { ...value, [name]: inner.value },
      }));
    }
    const other = otherThanDefault(field);
    return [{ path: name, ignorable: field.options.ignorable === true, value: { ...value, [name]: other } }];
  });
}

function misplacedInside({ type: { fields } }: AnyField, value: unknown, version: number): Misplaced[] {
  if (fields === undefined || value === null) return [];
  if (!Array.isArray(value)) return isMembers(value) ? misplacedIn(fields, value, version) : [];
  const [first, ...rest] = value;
  return misplacedIn(fields, first, version).map((inner) => ({ ...inner, value: [inner.value, ...rest] }));
}

function isMembers(value: unknown): value is Members {
  return typeof value === 'object' && value !== null;
}

/** A value of the field's type that is not its default. */
function otherThanDefault({ type, options }: AnyField): unknown {
  switch (type.kind) {
    case 'boolean':
      return options.default !== true;
    case 'string':
      return 'said';
    case 'uuid':
      return `B${ZERO_UUID.slice(1)}`;
    case 'array':
      return [{}];
    case 'struct':
      return Object.fromEntries(
        Object.entries(type.fields ?? {}).map(([name, each]) => [name, otherThanDefault(each)]),
      );
    case 'bytes':
    case 'records':
      return new Uint8Array(1);
    default:
      return 77;
  }
}
