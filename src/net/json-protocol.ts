// The messages of the json subprotocol as values: text to checked requests, results to text. JSON.md is its page.
// Nothing here knows sockets, sessions or the broker.

import { textOrBase64 } from './json-content.ts';

/** How keys and values stand in a message: UTF-8 text, a JSON value, or base64. */
export type Encoding = 'text' | 'json' | 'base64';

/** Echoed in the answer. */
export type RequestId = string | number;

export interface JsonRecordInput {
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers: readonly (readonly [name: string, value: Uint8Array | null])[];
  readonly partition: number | undefined;
  /** Milliseconds since 1970. */
  readonly timestamp: number | undefined;
}

/** Where a subscription begins: an end of the log, a time, or an offset for every partition or for some. */
export type StartPosition =
  | { readonly kind: 'beginning' | 'end' }
  | { readonly kind: 'timestamp'; readonly timestamp: number }
  | { readonly kind: 'offset'; readonly offset: number }
  | { readonly kind: 'offsets'; readonly offsets: ReadonlyMap<number, number> };

export type JsonRequest =
  | {
      readonly op: 'create-topic';
      readonly topic: string;
      readonly partitions: number | undefined;
      readonly replicationFactor: number | undefined;
      readonly configs: Readonly<Record<string, string>>;
    }
  | { readonly op: 'list-topics' }
  | { readonly op: 'describe-topic' | 'delete-topic'; readonly topic: string }
  | {
      readonly op: 'produce';
      readonly topic: string;
      readonly acks: 0 | 1 | -1;
      readonly records: readonly JsonRecordInput[];
      /** The message had one record in itself and not a list, and so has the answer. */
      readonly isSingle: boolean;
    }
  | {
      readonly op: 'subscribe';
      readonly subscription: string | undefined;
      readonly topic: string;
      readonly partitions: readonly number[] | undefined;
      readonly from: StartPosition;
      readonly credit: number;
      readonly keyEncoding: Encoding;
      readonly valueEncoding: Encoding;
    }
  | { readonly op: 'unsubscribe'; readonly subscription: string }
  | { readonly op: 'credit'; readonly subscription: string; readonly credit: number };

export interface ParsedRequest {
  readonly id: RequestId | undefined;
  readonly request: JsonRequest;
}

/** A message that cannot be understood; the answer carries the id where one could be read. */
export class InvalidRequest extends Error {
  override readonly name = 'InvalidRequest';
  readonly id: RequestId | undefined;
  readonly op: string | undefined;

  constructor(message: string, about: { readonly id?: RequestId | undefined; readonly op?: string | undefined } = {}) {
    super(message);
    this.id = about.id;
    this.op = about.op;
  }
}

/** Records that a subscription may be sent before its client grants more. */
export const CREDIT_DEFAULT = 100;
const CREDIT_MAX = 1_000_000;
const NAME_LENGTH_MAX = 128;
const RECORDS_MAX = 10_000;
const PARTITIONS_MAX = 100_000;
const HEADERS_MAX = 1000;

type Message = Readonly<Record<string, unknown>>;

/** @throws InvalidRequest where the text is no request; its message names the field and what is allowed. */
export function parseRequest(text: string): ParsedRequest {
  const message = parseMessage(text);
  const id = readId(message.id);
  const op = message.op;
  try {
    return { id, request: parseOperation(op, message) };
  } catch (error) {
    if (!(error instanceof InvalidRequest)) throw error;
    throw new InvalidRequest(error.message, { id, op: typeof op === 'string' && OPERATIONS.has(op) ? op : undefined });
  }
}

function parseMessage(text: string): Message {
  let message: unknown;
  try {
    message = JSON.parse(text);
  } catch (error) {
    throw new InvalidRequest(`the message is not JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (!isObject(message)) throw new InvalidRequest('the message must be a JSON object with an "op"');
  return message;
}

const OPERATIONS: ReadonlyMap<string, (message: Message) => JsonRequest> = new Map([
  ['create-topic', parseCreateTopic],
  ['list-topics', (): JsonRequest => ({ op: 'list-topics' })],
  ['describe-topic', (message): JsonRequest => ({ op: 'describe-topic', topic: readTopic(message) })],
  ['delete-topic', (message): JsonRequest => ({ op: 'delete-topic', topic: readTopic(message) })],
  ['produce', parseProduce],
  ['subscribe', parseSubscribe],
  ['unsubscribe', (message): JsonRequest => ({ op: 'unsubscribe', subscription: readSubscription(message) })],
  ['credit', parseCredit],
]);

function parseOperation(op: unknown, message: Message): JsonRequest {
  const parse = typeof op === 'string' ? OPERATIONS.get(op) : undefined;
  if (parse === undefined) throw new InvalidRequest(`"op" must be one of ${[...OPERATIONS.keys()].join(', ')}`);
  return parse(message);
}

function parseCreateTopic(message: Message): JsonRequest {
  return {
    op: 'create-topic',
    topic: readTopic(message),
    partitions: readInteger(message, 'partitions', [1, PARTITIONS_MAX]),
    replicationFactor: readInteger(message, 'replicationFactor', [1, 32_767]),
    configs: readConfigs(message.configs),
  };
}

function readConfigs(configs: unknown): Readonly<Record<string, string>> {
  if (configs === undefined) return {};
  if (!isObject(configs)) throw new InvalidRequest('"configs" must be an object of names and values');
  const read: Record<string, string> = Object.create(null);
  for (const [name, value] of Object.entries(configs)) {
    if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'boolean') {
      throw new InvalidRequest(`config "${name}" must be a string, a number or a boolean`);
    }
    read[name] = String(value);
  }
  return read;
}

function parseProduce(message: Message): JsonRequest {
  const { records } = message;
  const isSingle = records === undefined;
  if (!isSingle && (!Array.isArray(records) || records.length === 0 || records.length > RECORDS_MAX)) {
    throw new InvalidRequest(`"records" must be a list of 1 to ${RECORDS_MAX} records`);
  }
  const list: readonly unknown[] = Array.isArray(records) ? records : [message];
  return {
    op: 'produce',
    topic: readTopic(message),
    acks: readAcks(message.acks),
    records: list.map((record, index) => parseRecord(record, message, isSingle ? '' : `record ${index}: `)),
    isSingle,
  };
}

function readAcks(acks: unknown): 0 | 1 | -1 {
  if (acks === undefined || acks === 'all' || acks === -1) return -1;
  if (acks === 0 || acks === 1) return acks;
  throw new InvalidRequest('"acks" must be 0, 1 or "all"');
}

function parseRecord(record: unknown, message: Message, where: string): JsonRecordInput {
  if (!isObject(record)) throw new InvalidRequest(`${where}must be an object with a "value"`);
  if (!('value' in record)) throw new InvalidRequest(`${where}"value" is missing; null writes a tombstone`);
  try {
    return {
      key: encodeContent(record.key ?? null, readEncoding(record, message, 'keyEncoding')),
      value: encodeContent(record.value, readEncoding(record, message, 'valueEncoding')),
      headers: readHeaders(record.headers),
      partition: readInteger(record, 'partition', [0, PARTITIONS_MAX]),
      timestamp: record.timestamp === undefined ? undefined : readTimestamp(record.timestamp),
    };
  } catch (error) {
    throw error instanceof InvalidRequest ? new InvalidRequest(where + error.message) : error;
  }
}

/** The record's own encoding, or that of the whole message; undefined lets the value decide. */
function readEncoding(record: Message, message: Message, name: 'keyEncoding' | 'valueEncoding'): Encoding | undefined {
  const encoding = record[name] ?? message[name];
  if (encoding === undefined) return undefined;
  if (isEncoding(encoding)) return encoding;
  throw new InvalidRequest(`"${name}" must be text, json or base64`);
}

function isEncoding(value: unknown): value is Encoding {
  return value === 'text' || value === 'json' || value === 'base64';
}

const ENCODER = new TextEncoder();

/** Bytes of a key, value or header: without an encoding strings are text, null is null, and all else is JSON. */
function encodeContent(content: unknown, encoding: Encoding | undefined): Uint8Array | null {
  if (encoding === 'json') return encodeJson(content);
  if (content === null) return null;
  if (typeof content !== 'string') {
    if (encoding === undefined) return encodeJson(content);
    throw new InvalidRequest(`a ${encoding} key or value must be a string`);
  }
  return encoding === 'base64' ? decodeBase64(content) : ENCODER.encode(content);
}

function encodeJson(content: unknown): Uint8Array {
  try {
    return ENCODER.encode(JSON.stringify(content));
  } catch {
    // Parsing nests further than writing, which recurses.
    throw new InvalidRequest('a JSON key or value is nested too deeply');
  }
}

function decodeBase64(text: string): Uint8Array {
  try {
    return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  } catch {
    throw new InvalidRequest('a base64 key or value is not base64');
  }
}

function readHeaders(headers: unknown): JsonRecordInput['headers'] {
  if (headers === undefined) return [];
  if (!isObject(headers)) throw new InvalidRequest('"headers" must be an object of names and values');
  const pairs = Object.entries(headers).flatMap(([name, value]) => {
    const values: readonly unknown[] = Array.isArray(value) ? value : [value];
    return values.map((each) => [name, readHeader(name, each)] as const);
  });
  if (pairs.length > HEADERS_MAX) throw new InvalidRequest(`a record may have ${HEADERS_MAX} headers`);
  return pairs;
}

function readHeader(name: string, value: unknown): Uint8Array | null {
  if (value === null) return null;
  if (typeof value === 'string') return ENCODER.encode(value);
  if (isObject(value) && typeof value.base64 === 'string') return decodeBase64(value.base64);
  throw new InvalidRequest(`header "${name}" must be a string, null, {"base64": "..."}, or a list of these`);
}

function parseSubscribe(message: Message): JsonRequest {
  return {
    op: 'subscribe',
    subscription: message.subscription === undefined ? undefined : readSubscription(message),
    topic: readTopic(message),
    partitions: readPartitions(message.partitions),
    from: readStart(message.from),
    credit: readInteger(message, 'credit', [0, CREDIT_MAX]) ?? CREDIT_DEFAULT,
    keyEncoding: readEncoding(message, message, 'keyEncoding') ?? 'text',
    valueEncoding: readEncoding(message, message, 'valueEncoding') ?? 'text',
  };
}

function readPartitions(partitions: unknown): readonly number[] | undefined {
  if (partitions === undefined) return undefined;
  if (
    !Array.isArray(partitions) ||
    partitions.length === 0 ||
    !partitions.every((each) => isWithin(each, PARTITIONS_MAX))
  ) {
    throw new InvalidRequest('"partitions" must be a list of partition numbers');
  }
  return [...new Set<number>(partitions)];
}

const START_HELP =
  '"from" must be "beginning", "end", {"offset": N}, {"offsets": {"PARTITION": N}} or {"timestamp": ms or ISO 8601}';

function readStart(from: unknown): StartPosition {
  if (from === undefined || from === 'end') return { kind: 'end' };
  if (from === 'beginning') return { kind: 'beginning' };
  if (!isObject(from)) throw new InvalidRequest(START_HELP);
  if (from.timestamp !== undefined) return { kind: 'timestamp', timestamp: readTimestamp(from.timestamp) };
  if (isWithin(from.offset, Number.MAX_SAFE_INTEGER)) return { kind: 'offset', offset: from.offset };
  if (!isObject(from.offsets)) throw new InvalidRequest(START_HELP);
  const offsets = new Map<number, number>();
  for (const [partition, offset] of Object.entries(from.offsets)) {
    if (!/^\d{1,9}$/.test(partition) || !isWithin(offset, Number.MAX_SAFE_INTEGER))
      throw new InvalidRequest(START_HELP);
    offsets.set(Number(partition), offset);
  }
  return { kind: 'offsets', offsets };
}

/** Milliseconds since 1970 from a number or an ISO 8601 string. */
function readTimestamp(timestamp: unknown): number {
  const milliseconds = typeof timestamp === 'string' ? Date.parse(timestamp) : timestamp;
  if (isWithin(milliseconds, Number.MAX_SAFE_INTEGER)) return milliseconds;
  throw new InvalidRequest('"timestamp" must be milliseconds since 1970 or an ISO 8601 string');
}

function parseCredit(message: Message): JsonRequest {
  const credit = readInteger(message, 'credit', [1, CREDIT_MAX]);
  if (credit === undefined) throw new InvalidRequest(`"credit" must be 1 to ${CREDIT_MAX} more records`);
  return { op: 'credit', subscription: readSubscription(message), credit };
}

function readId(id: unknown): RequestId | undefined {
  if (id === undefined || typeof id === 'number') return id;
  if (typeof id === 'string' && id.length <= NAME_LENGTH_MAX) return id;
  throw new InvalidRequest(`"id" must be a number or a string of up to ${NAME_LENGTH_MAX} characters`);
}

function readTopic(message: Message): string {
  const { topic } = message;
  if (typeof topic === 'string' && topic !== '') return topic;
  throw new InvalidRequest('"topic" must be the name of a topic');
}

function readSubscription(message: Message): string {
  const { subscription } = message;
  if (typeof subscription === 'string' && subscription !== '' && subscription.length <= NAME_LENGTH_MAX)
    return subscription;
  throw new InvalidRequest(`"subscription" must be a string of 1 to ${NAME_LENGTH_MAX} characters`);
}

function readInteger(message: Message, name: string, [min, max]: readonly [number, number]): number | undefined {
  const value = message[name];
  if (value === undefined) return undefined;
  if (isWithin(value, max) && value >= min) return value;
  throw new InvalidRequest(`"${name}" must be a whole number from ${min} to ${max}`);
}

function isWithin(value: unknown, max: number): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 && value <= max;
}

function isObject(value: unknown): value is Message {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export interface JsonError {
  /** Kafka's name of the error. */
  readonly code: string;
  /** Kafka's number of it. */
  readonly number: number;
  readonly message: string;
}

/** What an answer tells beside `ok`. */
export type AnswerFields = Readonly<Record<string, unknown>>;

export function formatAnswer(id: RequestId | undefined, op: string, fields: AnswerFields): string {
  return JSON.stringify({ id, op, ok: true, ...fields });
}

export function formatError(id: RequestId | undefined, op: string | undefined, error: JsonError): string {
  return JSON.stringify({ id, op, ok: false, error });
}

/** A record as a subscription sends it. */
export interface JsonRecordOutput {
  readonly partition: number;
  readonly offset: number;
  readonly timestamp: number;
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers: readonly { readonly key: string; readonly value: Uint8Array | null }[];
}

/**
 * One record as JSON text. Where bytes do not fit the encoding asked for, the field that names it tells another. A JSON
 * value stands as it was written, so that its numbers keep their digits.
 */
export function formatRecord(record: JsonRecordOutput, keyEncoding: Encoding, valueEncoding: Encoding): string {
  const key = formatContent('key', record.key, keyEncoding);
  const value = formatContent('value', record.value, valueEncoding);
  const headers = record.headers.length === 0 ? '' : `,"headers":${JSON.stringify(formatHeaders(record.headers))}`;
  const place = `"partition":${record.partition},"offset":${record.offset},"timestamp":${record.timestamp}`;
  return `{${place},${key},${value}${headers}}`;
}

/** A message of records, from the texts of {@link formatRecord}. */
export function formatRecords(subscription: string, credit: number, records: readonly string[]): string {
  return `{"op":"records","subscription":${JSON.stringify(subscription)},"credit":${credit},"records":[${records.join(',')}]}`;
}

export function formatSubscriptionEnd(subscription: string, error: JsonError): string {
  return JSON.stringify({ op: 'subscription-ended', subscription, error });
}

function formatContent(name: 'key' | 'value', bytes: Uint8Array | null, encoding: Encoding): string {
  if (bytes === null) return `"${name}":null`;
  const { isText, content } = textOrBase64(bytes, encoding === 'base64');
  if (isText && encoding === 'json' && isJson(content)) return `"${name}":${content}`;
  const actual = isText ? 'text' : 'base64';
  const marker = actual === encoding ? '' : `,"${name}Encoding":"${actual}"`;
  return `"${name}":${JSON.stringify(content)}${marker}`;
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** Headers as an object; a name that occurs more than once has a list. Prototype names are ordinary names here. */
function formatHeaders(headers: JsonRecordOutput['headers']): Readonly<Record<string, unknown>> {
  const formatted: Record<string, unknown> = Object.create(null);
  const seen = new Map<string, unknown[]>();
  for (const { key, value } of headers) {
    const shown = formatHeader(value);
    const earlier = seen.get(key);
    if (earlier === undefined) seen.set(key, [shown]);
    else earlier.push(shown);
  }
  for (const [name, values] of seen) formatted[name] = values.length === 1 ? values[0] : values;
  return formatted;
}

function formatHeader(value: Uint8Array | null): unknown {
  if (value === null) return null;
  const { isText, content } = textOrBase64(value, false);
  return isText ? content : { base64: content };
}
