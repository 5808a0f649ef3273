// Records as callers of the client give and get them.

import { LogFault } from '../core/fault.ts';

/** A key or a value to send: bytes as they are, text as UTF-8, or null. */
export type Content = Uint8Array | string | null;

/** Headers to send: an object, or pairs where a name occurs more than once. A list of values repeats its name. */
export type HeadersInput =
  | Readonly<Record<string, Content | readonly Content[]>>
  | readonly (readonly [name: string, value: Content])[];

/** One record to send. */
export interface RecordInput {
  /** Records of one key go to one partition, in order. */
  readonly key?: Content | undefined;
  /** Null is a tombstone: a compacted topic forgets the key. */
  readonly value: Content;
  readonly headers?: HeadersInput | undefined;
  /** Overrides the choice by key. */
  readonly partition?: number | undefined;
  /** Milliseconds since 1970; by default the time of the call. */
  readonly timestamp?: number | string | undefined;
}

/** Where an acknowledged record lies. */
export interface RecordMetadata {
  readonly topic: string;
  readonly partition: number;
  /** -1 with acks=0, where the broker does not tell. */
  readonly offset: number;
  /** The record's timestamp: the broker's where the topic has `message.timestamp.type=LogAppendTime`. */
  readonly timestamp: number;
}

export interface TopicPartition {
  readonly topic: string;
  readonly partition: number;
}

export interface RecordHeader {
  readonly key: string;
  readonly value: Uint8Array | null;
}

/** One header to encode. */
export type HeaderPair = readonly [name: string, value: Content];

const UTF8_DECODER = new TextDecoder();
const UTF8_ENCODER = new TextEncoder();
const NO_HEADERS: readonly HeaderPair[] = [];

/** Where the parts of a record are, until they are asked for. */
export interface RecordSource {
  offset(index: number): number;
  timestamp(index: number): number;
  key(index: number): Uint8Array | null;
  value(index: number): Uint8Array | null;
  headers(index: number): readonly RecordHeader[];
}

/**
 * A record as it came from the log. Key and value are views of the response they came in, made when they are asked for:
 * copy what is kept long.
 */
export class ConsumedRecord implements TopicPartition {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly #source: RecordSource;
  readonly #index: number;

  constructor(place: TopicPartition, source: RecordSource, index: number) {
    this.topic = place.topic;
    this.partition = place.partition;
    this.offset = source.offset(index);
    this.#source = source;
    this.#index = index;
  }

  /** Milliseconds since 1970; -1 where the record has none. */
  get timestamp(): number {
    return this.#source.timestamp(this.#index);
  }

  get key(): Uint8Array | null {
    return this.#source.key(this.#index);
  }

  get value(): Uint8Array | null {
    return this.#source.value(this.#index);
  }

  get headers(): readonly RecordHeader[] {
    return this.#source.headers(this.#index);
  }

  /** The value as UTF-8 text; '' where it is null. */
  text(): string {
    return textOf(this.value);
  }

  /** The key as UTF-8 text; '' where it is null. */
  keyText(): string {
    return textOf(this.key);
  }

  /** The value parsed as JSON. Throws a SyntaxError where it is not JSON. */
  json(): unknown {
    return JSON.parse(this.text());
  }

  /** What Node's and Deno's `console.log` show. */
  [Symbol.for('nodejs.util.inspect.custom')](): object {
    const { topic, partition, offset, timestamp, key, value, headers } = this;
    return { topic, partition, offset, timestamp, key, value, headers };
  }
}

function textOf(bytes: Uint8Array | null): string {
  return bytes === null ? '' : UTF8_DECODER.decode(bytes);
}

/** The bytes of a key or value; undefined counts as null. */
export function bytesOf(content: Content | undefined): Uint8Array | null {
  if (content === undefined || content === null) return null;
  if (typeof content === 'string') return UTF8_ENCODER.encode(content);
  // Programs without types give numbers and objects, whose length is nothing that memory could be taken for.
  if (ArrayBuffer.isView(content)) return content;
  throw new LogFault('ERR_USAGE', `a key or value is text or bytes, not ${typeof content}`);
}

/** Headers as pairs, in their order. */
export function headerPairs(headers: HeadersInput | undefined): readonly HeaderPair[] {
  if (headers === undefined) return NO_HEADERS;
  if (isPairs(headers)) return headers;
  return Object.entries(headers).flatMap(([name, value]) =>
    isList(value) ? value.map((each): HeaderPair => [name, each]) : [[name, value] satisfies HeaderPair],
  );
}

function isPairs(headers: HeadersInput): headers is readonly HeaderPair[] {
  return Array.isArray(headers);
}

function isList(value: Content | readonly Content[]): value is readonly Content[] {
  return Array.isArray(value);
}
