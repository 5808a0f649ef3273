// Request and response headers, and whole frames made of header and body. A frame here has no length before it: that
// belongs to TCP alone.

import type { Api } from './api.ts';
import { FrameFault } from './frame-fault.ts';
import { Reader } from './reader.ts';
import type { Decoded, Encodable, Fields } from './schema.ts';
import { Writer } from './writer.ts';

/** 0: no client id (ControlledShutdown 0 alone); 1: with client id; 2: with tagged fields too (flexible requests). */
export type RequestHeaderVersion = 0 | 1 | 2;
/** 0: the correlation id alone; 1: with tagged fields too (flexible responses). */
export type ResponseHeaderVersion = 0 | 1;

/** What every request begins with. */
export interface RequestHeader {
  readonly apiKey: number;
  readonly apiVersion: number;
  readonly correlationId: number;
  readonly clientId: string | null;
}

/** The part of an API that its headers depend on. */
export interface HeaderRule {
  readonly key: number;
  isFlexible(version: number): boolean;
}

const API_VERSIONS_KEY = 18;

export function requestHeaderVersion(api: HeaderRule, version: number): 1 | 2 {
  return api.isFlexible(version) ? 2 : 1;
}

/** ApiVersions is answered with header 0 at every version, so that a client that is newer understands it (KIP-511). */
export function responseHeaderVersion(api: HeaderRule, version: number): ResponseHeaderVersion {
  return api.key !== API_VERSIONS_KEY && api.isFlexible(version) ? 1 : 0;
}

/**
 * Reads a request header; `find` gives the API of a key, or undefined: then header 1 is assumed. The reader is left at
 * the body. Throws ERR_MALFORMED_FRAME.
 */
export function readRequestHeader(reader: Reader, find: (apiKey: number) => HeaderRule | undefined): RequestHeader {
  try {
    const apiKey = reader.int16();
    const apiVersion = reader.int16();
    const correlationId = reader.int32();
    const api = find(apiKey);
    // The client id keeps its classic form in header 2, so that any broker can read it (KIP-482).
    const clientId = readClassicString(reader);
    if (api !== undefined && requestHeaderVersion(api, apiVersion) === 2) reader.skipTaggedFields();
    return { apiKey, apiVersion, correlationId, clientId };
  } catch (error) {
    throw error instanceof FrameFault ? error.of('request header') : error;
  }
}

function readClassicString(reader: Reader): string | null {
  const length = reader.int16Length();
  return length < 0 ? null : reader.text(length);
}

export function writeRequestHeader(writer: Writer, header: RequestHeader, version: RequestHeaderVersion): void {
  writer.int16(header.apiKey);
  writer.int16(header.apiVersion);
  writer.int32(header.correlationId);
  if (version >= 1) {
    if (header.clientId === null) writer.int16(-1);
    else writer.text(header.clientId, false);
  }
  if (version === 2) writer.uvarint(0);
}

/** Reads a response header and returns its correlation id. Throws ERR_MALFORMED_FRAME. */
export function readResponseHeader(reader: Reader, version: ResponseHeaderVersion): number {
  try {
    const correlationId = reader.int32();
    if (version === 1) reader.skipTaggedFields();
    return correlationId;
  } catch (error) {
    throw error instanceof FrameFault ? error.of('response header') : error;
  }
}

export function writeResponseHeader(writer: Writer, correlationId: number, version: ResponseHeaderVersion): void {
  writer.int32(correlationId);
  if (version === 1) writer.uvarint(0);
}

/** What a request frame is made of, apart from its body. */
export interface RequestFrameOptions {
  readonly version: number;
  readonly correlationId: number;
  readonly clientId: string | null;
  /** A writer to carve the frame from; it must hold no unfinished message. */
  readonly writer?: Writer;
}

/** A whole request as chunks that follow each other; large records among them are not copies. */
export function encodeRequestFrame<Request extends Fields>(
  api: Api<Request, Fields>,
  value: Encodable<Request>,
  { version, correlationId, clientId, writer = new Writer() }: RequestFrameOptions,
): Uint8Array[] {
  const header = { apiKey: api.key, apiVersion: version, correlationId, clientId };
  return frame(writer, () => {
    writeRequestHeader(writer, header, requestHeaderVersion(api, version));
    api.writeRequest(writer, value, version);
  });
}

/** What a response frame is made of, apart from its body. */
export interface ResponseFrameOptions {
  readonly version: number;
  readonly correlationId: number;
  /** A writer to carve the frame from; it must hold no unfinished message. */
  readonly writer?: Writer;
}

/** A whole response as chunks that follow each other; large records among them are not copies. */
export function encodeResponseFrame<Response extends Fields>(
  api: Api<Fields, Response>,
  value: Encodable<Response>,
  { version, correlationId, writer = new Writer() }: ResponseFrameOptions,
): Uint8Array[] {
  return frame(writer, () => {
    writeResponseHeader(writer, correlationId, responseHeaderVersion(api, version));
    api.writeResponse(writer, value, version);
  });
}

/** A frame that fails half-way must not leak into the next one. */
function frame(writer: Writer, write: () => void): Uint8Array[] {
  try {
    write();
  } catch (error) {
    writer.discard();
    throw error;
  }
  return writer.finish();
}

/** A response frame, decoded: the correlation id of its header, and its body. */
export interface ResponseFrame<Body> {
  readonly correlationId: number;
  readonly body: Body;
}

/** Decodes a whole response frame to a request of `version`. Throws ERR_MALFORMED_FRAME. */
export function decodeResponseFrame<Response extends Fields>(
  api: Api<Fields, Response>,
  version: number,
  bytes: Uint8Array,
): ResponseFrame<Decoded<Response>> {
  const reader = new Reader(bytes);
  const correlationId = readResponseHeader(reader, responseHeaderVersion(api, version));
  return { correlationId, body: api.decodeResponse(reader, version) };
}
