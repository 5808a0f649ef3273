// Every message at every version against what Kafka's own serialisers make of it.

import { describe, expect, test } from 'vitest';
import { ERROR_CODES, errorOf, KAFKA_ERRORS } from '../../src/protocol/errors.ts';
import { defaultOf, type Fields } from '../../src/protocol/field.ts';
import {
  readRequestHeader,
  readResponseHeader,
  requestHeaderVersion,
  responseHeaderVersion,
  writeRequestHeader,
  writeResponseHeader,
} from '../../src/protocol/headers.ts';
import { APIS, findApi } from '../../src/protocol/messages/registry.ts';
import { Reader } from '../../src/protocol/reader.ts';
import { Writer } from '../../src/protocol/writer.ts';
import {
  bytesOf,
  decode,
  encode,
  expected,
  fieldsOf,
  goldenFrames,
  goldenLines,
  hexOf,
  type MessageKind,
} from './golden-frames.ts';

describe.each(APIS.map((api) => [api.name, api] as const))('%s', (_name, api) => {
  const frames = goldenFrames(api);

  test('has golden frames for exactly the versions that it declares', () => {
    const versions = [...new Set(frames.map(({ version }) => version))].sort((one, other) => one - other);
    const [first, last] = api.versions;
    expect(versions).toEqual(Array.from({ length: last - first + 1 }, (_, index) => first + index));
    expect(frames).toHaveLength(versions.length * 6);
  });

  test.each(['request', 'response'] as const)('decodes and encodes its %s as Kafka does, at every version', (kind) => {
    for (const frame of frames.filter((each) => each.kind === kind)) {
      const label = `version ${frame.version}, ${frame.variant}`;
      const value = expected(fieldsOf(api, kind), frame.value);
      expect(decode(frame, frame.bytes), label).toEqual(value);
      expect(hexOf(encode(frame, value)), label).toBe(hexOf(frame.bytes));
    }
  });
});

/** What Kafka's class has for a field, and for the fields of the struct that it holds. */
interface DefaultNode {
  readonly default: unknown;
  readonly fields?: DefaultTable;
}

interface DefaultTable {
  readonly [name: string]: DefaultNode;
}

interface DefaultLine {
  readonly key: number;
  readonly kind: MessageKind;
  readonly fields: DefaultTable;
}

describe('defaults', () => {
  test.each(goldenLines<DefaultLine>('defaults.jsonl').map((line) => [line.key, line.kind, line] as const))(
    'of API %i, %s, are those of Kafka',
    (key, kind, line) => {
      const api = APIS.find((each) => each.key === key);
      expect(api && differences(fieldsOf(api, kind), line.fields)).toEqual([]);
    },
  );
});

/** The fields whose default is not Kafka's. */
function differences(fields: Fields, table: DefaultTable): string[] {
  return Object.entries(fields).flatMap(([name, field]) => {
    const node = table[name];
    if (node === undefined) return [`${name} is not Kafka's`];
    const nested = field.type.fields;
    const inner = nested && node.fields ? differences(nested, node.fields).map((each) => `${name}.${each}`) : [];
    const wanted = comparable(node.default);
    const found = comparable(field.type.kind === 'struct' && defaultOf(field) !== null ? {} : defaultOf(field));
    // Kafka's classes say '' where its brokers say null: only a value that is left out tells the two apart.
    if (name === 'errorMessage' && wanted === '""' && found === 'null') return inner;
    return wanted === found ? inner : [...inner, `${name}: ${found} instead of ${wanted}`];
  });
}

function comparable(value: unknown): string {
  return JSON.stringify(value instanceof Uint8Array ? { hex: hexOf(value) } : value);
}

interface HeaderLine {
  readonly key: number;
  readonly version: number;
  readonly requestHeaderVersion: 0 | 1 | 2;
  readonly responseHeaderVersion: 0 | 1;
  readonly correlationId: number;
  readonly clientId: string | null;
  readonly request: string;
  readonly response: string;
}

describe('headers', () => {
  const lines = goldenLines<HeaderLine>('headers.jsonl');

  test('have the version that Kafka gives them for every API and version', () => {
    const mismatches = lines.filter(({ key, version, ...wanted }) => {
      const api = findApi(key);
      if (api === undefined) return true;
      return (
        requestHeaderVersion(api, version) !== wanted.requestHeaderVersion ||
        responseHeaderVersion(api, version) !== wanted.responseHeaderVersion
      );
    });
    expect(mismatches).toEqual([]);
  });

  test('are read and written as Kafka does', () => {
    for (const { key, version, correlationId, clientId, ...wanted } of lines) {
      const header = { apiKey: key, apiVersion: version, correlationId, clientId };
      const reader = new Reader(bytesOf(wanted.request));
      expect(readRequestHeader(reader, findApi)).toEqual(header);
      expect(reader.remaining).toBe(0);
      expect(readResponseHeader(new Reader(bytesOf(wanted.response)), wanted.responseHeaderVersion)).toBe(
        correlationId,
      );
      const writer = new Writer();
      writeRequestHeader(writer, header, wanted.requestHeaderVersion);
      expect(hexOf(writer.finishFlat())).toBe(wanted.request);
      writeResponseHeader(writer, correlationId, wanted.responseHeaderVersion);
      expect(hexOf(writer.finishFlat())).toBe(wanted.response);
    }
  });

  test('of ApiVersions responses are version 0 even where the body is flexible', () => {
    const apiVersions = findApi(18);
    expect(apiVersions?.isFlexible(4)).toBe(true);
    expect(apiVersions && responseHeaderVersion(apiVersions, 4)).toBe(0);
  });
});

describe('the error table', () => {
  test('has exactly the codes and names of Kafka, and retries what Kafka retries', () => {
    const ours = KAFKA_ERRORS.map(({ code, name, retriable }) => ({ code, name, retriable }));
    expect(ours).toEqual(goldenLines('errors.jsonl'));
  });

  test('finds an error by code, and names a code that it does not know by its number', () => {
    expect(errorOf(ERROR_CODES.NOT_LEADER_OR_FOLLOWER)).toMatchObject({ code: 6, name: 'NOT_LEADER_OR_FOLLOWER' });
    expect(errorOf(-1).name).toBe('UNKNOWN_SERVER_ERROR');
    expect(errorOf(9999)).toMatchObject({ code: 9999, name: 'UNKNOWN_ERROR_9999', retriable: false });
  });

  test('describes every error in a sentence of its own', () => {
    const sentences = KAFKA_ERRORS.map(({ description }) => description);
    expect(new Set(sentences).size).toBe(sentences.length);
    expect(sentences.filter((sentence) => !/^[A-Za-z].*\.$/.test(sentence))).toEqual([]);
  });
});
