// Reads the golden frames that Kafka's own serialisers made (golden/Golden.java), for tests and for the fuzzer.

import { readFileSync } from 'node:fs';
import type { AnyApi } from '../../src/protocol/api.ts';
import { type AnyField, defaultOf, type Fields } from '../../src/protocol/field.ts';
import { APIS } from '../../src/protocol/messages/registry.ts';

export type MessageKind = 'request' | 'response';

/** One message as Kafka writes it; `value` has exactly the fields of its version. */
export interface GoldenFrame {
  readonly api: AnyApi;
  readonly kind: MessageKind;
  readonly version: number;
  readonly variant: string;
  readonly bytes: Uint8Array;
  readonly value: unknown;
}

/** The lines of a file in golden/, each parsed. */
export function goldenLines<Line>(file: string): Line[] {
  const text = readFileSync(new URL(`golden/${file}`, import.meta.url), 'utf8');
  return text
    .trimEnd()
    .split('\n')
    .map((line): Line => JSON.parse(line));
}

/** Where the frames of an API are kept. */
export function goldenFile(api: AnyApi): string {
  const kebab = api.name.replace(/(?<!^)[A-Z]/g, (letter) => `-${letter}`).toLowerCase();
  return `${String(api.key).padStart(2, '0')}-${kebab}.jsonl`;
}

interface Line {
  readonly kind: MessageKind;
  readonly version: number;
  readonly variant: string;
  readonly hex: string;
  readonly value: unknown;
}

export function goldenFrames(api: AnyApi): GoldenFrame[] {
  return goldenLines<Line>(goldenFile(api)).map(({ kind, version, variant, hex, value }) => ({
    api,
    kind,
    version,
    variant,
    bytes: bytesOf(hex),
    value,
  }));
}

export function allGoldenFrames(): GoldenFrame[] {
  return APIS.flatMap(goldenFrames);
}

export function bytesOf(hex: string): Uint8Array {
  return Uint8Array.from(hex.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

export function hexOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

export function fieldsOf(api: AnyApi, kind: MessageKind): Fields {
  return kind === 'request' ? api.request : api.response;
}

export function decode(
  { api, kind, version }: Pick<GoldenFrame, 'api' | 'kind' | 'version'>,
  bytes: Uint8Array,
): unknown {
  return kind === 'request' ? api.decodeRequest(bytes, version) : api.decodeResponse(bytes, version);
}

export function encode(
  { api, kind, version }: Pick<GoldenFrame, 'api' | 'kind' | 'version'>,
  value: unknown,
): Uint8Array {
  return kind === 'request' ? api.encodeRequest(value, version) : api.encodeResponse(value, version);
}

type Members = Readonly<Record<string, unknown>>;

function isMembers(value: unknown): value is Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** What decoding the frame must give: Kafka's value, with our default in each field that the version does not carry. */
export function expected(fields: Fields, value: unknown): Members {
  if (!isMembers(value)) throw new TypeError('a struct is an object');
  const unknown = Object.keys(value).filter((name) => !(name in fields));
  if (unknown.length > 0) throw new Error(`not declared: ${unknown.join(', ')}`);
  return Object.fromEntries(
    Object.entries(fields).map(([name, field]) => [
      name,
      name in value ? expectedField(field, value[name]) : defaultOf(field),
    ]),
  );
}

function expectedField({ type }: AnyField, value: unknown): unknown {
  if (value === null) return null;
  const { fields } = type;
  if (type.kind === 'bytes' || type.kind === 'records') return expectedBytes(value);
  if (fields === undefined)
    return Array.isArray(value) ? value.map((each) => expectedElement(type.element, each)) : value;
  return Array.isArray(value) ? value.map((each) => expected(fields, each)) : expected(fields, value);
}

function expectedElement(element: AnyField | undefined, value: unknown): unknown {
  return element === undefined ? value : expectedField(element, value);
}

function expectedBytes(value: unknown): Uint8Array {
  if (!isMembers(value) || typeof value.hex !== 'string') throw new TypeError('bytes are written as {"hex"}');
  return bytesOf(value.hex);
}
