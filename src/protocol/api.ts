// One Kafka API: its key, its versions, and its codecs, which are made on first use and kept. It knows nothing of
// headers and of what the messages mean.

import { LogFault } from '../core/fault.ts';
import type { Codec } from './field.ts';
import { FrameFault } from './frame-fault.ts';
import { Reader } from './reader.ts';
import type { Decoded, Encodable, Fields } from './schema.ts';
import { structCodec } from './struct-codec.ts';
import { Writer } from './writer.ts';

/** What `api` takes. Versions are inclusive. */
export interface ApiDeclaration<Request extends Fields, Response extends Fields> {
  readonly key: number;
  readonly name: string;
  /** First and last version that the tables describe. */
  readonly versions: readonly [number, number];
  /** First version to advertise in ApiVersions, where clients need to see one below those understood. */
  readonly advertisedFrom?: number;
  /** First version with compact types and tagged fields (KIP-482); absent: none. */
  readonly flexibleFrom?: number;
  readonly request: Request;
  readonly response: Response;
}

/** An API whose messages are not known statically, as found in the registry. */
export interface AnyApi {
  readonly key: number;
  readonly name: string;
  readonly versions: readonly [number, number];
  readonly advertisedFrom: number;
  readonly flexibleFrom: number;
  readonly request: Fields;
  readonly response: Fields;
  supports(version: number): boolean;
  isFlexible(version: number): boolean;
  decodeRequest(source: Reader | Uint8Array, version: number): unknown;
  decodeResponse(source: Reader | Uint8Array, version: number): unknown;
  encodeRequest(value: unknown, version: number): Uint8Array;
  encodeResponse(value: unknown, version: number): Uint8Array;
  writeRequest(writer: Writer, value: unknown, version: number): void;
  writeResponse(writer: Writer, value: unknown, version: number): void;
}

/** The request as decoded: every field is there. */
export type RequestOf<A extends { decodeRequest(...args: never[]): unknown }> = ReturnType<A['decodeRequest']>;
/** The response as decoded: every field is there. */
export type ResponseOf<A extends { decodeResponse(...args: never[]): unknown }> = ReturnType<A['decodeResponse']>;
/** The request to encode: fields with a default may be left out. */
export type RequestInput<A extends { encodeRequest(value: never, version: number): Uint8Array }> = Parameters<
  A['encodeRequest']
>[0];
/** The response to encode: fields with a default may be left out. */
export type ResponseInput<A extends { encodeResponse(value: never, version: number): Uint8Array }> = Parameters<
  A['encodeResponse']
>[0];

/**
 * One Kafka API over its whole range of versions. Decoding throws LogFault ERR_MALFORMED_FRAME that names the field;
 * bytes after the message are left to the caller, as Kafka ignores them. Encoding throws ERR_UNSUPPORTED for a value
 * that the version cannot carry. Either throws ERR_UNSUPPORTED for a version outside the range.
 */
export class Api<Request extends Fields, Response extends Fields> implements AnyApi {
  readonly key: number;
  readonly name: string;
  readonly versions: readonly [number, number];
  readonly advertisedFrom: number;
  readonly flexibleFrom: number;
  readonly request: Request;
  readonly response: Response;
  readonly #requests: MessageCodecs;
  readonly #responses: MessageCodecs;

  constructor(declaration: ApiDeclaration<Request, Response>) {
    this.key = declaration.key;
    this.name = declaration.name;
    this.versions = declaration.versions;
    this.advertisedFrom = declaration.advertisedFrom ?? declaration.versions[0];
    this.flexibleFrom = declaration.flexibleFrom ?? Number.POSITIVE_INFINITY;
    this.request = declaration.request;
    this.response = declaration.response;
    this.#requests = new MessageCodecs(this, 'request', this.request);
    this.#responses = new MessageCodecs(this, 'response', this.response);
  }

  /** Whether the tables describe `version`. */
  supports(version: number): boolean {
    return version >= this.versions[0] && version <= this.versions[1];
  }

  isFlexible(version: number): boolean {
    return version >= this.flexibleFrom;
  }

  // The codec makes from a table what the table's types say: this is the one place where the two meet.

  decodeRequest(source: Reader | Uint8Array, version: number): Decoded<Request> {
    return this.#requests.decode(source, version) as Decoded<Request>;
  }

  decodeResponse(source: Reader | Uint8Array, version: number): Decoded<Response> {
    return this.#responses.decode(source, version) as Decoded<Response>;
  }

  /** The body alone, as one byte array. */
  encodeRequest(value: Encodable<Request>, version: number): Uint8Array {
    return this.#requests.encode(value, version);
  }

  /** The body alone, as one byte array. */
  encodeResponse(value: Encodable<Response>, version: number): Uint8Array {
    return this.#responses.encode(value, version);
  }

  /** Appends the body to the message that `writer` holds; after an error, discard that message. */
  writeRequest(writer: Writer, value: Encodable<Request>, version: number): void {
    this.#requests.write(writer, value, version);
  }

  /** Appends the body to the message that `writer` holds; after an error, discard that message. */
  writeResponse(writer: Writer, value: Encodable<Response>, version: number): void {
    this.#responses.write(writer, value, version);
  }
}

/** The codecs of the requests, or of the responses, of one API. */
class MessageCodecs {
  readonly #api: AnyApi;
  readonly #kind: 'request' | 'response';
  readonly #fields: Fields;
  readonly #codecs: Codec[] = [];

  constructor(owner: AnyApi, kind: 'request' | 'response', fields: Fields) {
    this.#api = owner;
    this.#kind = kind;
    this.#fields = fields;
  }

  #codec(version: number): Codec {
    return this.#codecs[version] ?? this.#compose(version);
  }

  #compose(version: number): Codec {
    const { name, versions } = this.#api;
    if (!this.#api.supports(version)) {
      throw new LogFault('ERR_UNSUPPORTED', `${name} has versions ${versions[0]} to ${versions[1]}, not ${version}`);
    }
    const codec = structCodec(this.#fields, { version, flexible: this.#api.isFlexible(version), nullable: false });
    this.#codecs[version] = codec;
    return codec;
  }

  decode(source: Reader | Uint8Array, version: number): unknown {
    const codec = this.#codec(version);
    const reader = source instanceof Reader ? source : new Reader(source);
    try {
      return codec.read(reader);
    } catch (error) {
      throw error instanceof FrameFault ? error.of(`${this.#api.name} v${version} ${this.#kind}`) : error;
    }
  }

  encode(value: unknown, version: number): Uint8Array {
    const writer = new Writer();
    this.write(writer, value, version);
    return writer.finishFlat();
  }

  write(writer: Writer, value: unknown, version: number): void {
    const codec = this.#codec(version);
    try {
      codec.write(writer, value);
    } catch (error) {
      throw error instanceof LogFault && !(error instanceof FrameFault)
        ? new LogFault(error.code, `${this.#api.name} v${version} ${this.#kind}: ${error.message}`, error)
        : error;
    }
  }
}

/** Declares a Kafka API; see schema.ts for the tables. */
export function api<Request extends Fields, Response extends Fields>(
  declaration: ApiDeclaration<Request, Response>,
): Api<Request, Response> {
  return new Api(declaration);
}
