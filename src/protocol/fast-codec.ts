// The shape of a codec written by hand for the messages that a broker sees most. It stands beside the table of its API
// and never in its place: what it does not know, or finds malformed, it leaves to the table, whose word is the last.
// test/protocol/fast-codecs.test.ts holds the two together.

import type { Api } from './api.ts';
import type { AnyField } from './field.ts';
import { FrameFault } from './frame-fault.ts';
import { Reader } from './reader.ts';
import type { Decoded, Encodable, Fields } from './schema.ts';
import type { Writer } from './writer.ts';

export interface FastCodec<Request extends Fields, Response extends Fields> {
  /**
   * Reads a body as the table reads it, or answers undefined where it leaves that to the table. It may throw FrameFault
   * for what the table refuses too.
   */
  readRequest(reader: Reader, version: number): Decoded<Request> | undefined;
  /** Writes a body as the table writes it, or answers false, with nothing written, where it leaves that to the table. */
  writeResponse(writer: Writer, response: Encodable<Response>, version: number): boolean;
}

/** The codecs of an API: that of its table, behind a fast one where there is one. */
export interface BodyCodec<Request extends Fields, Response extends Fields> {
  /** Reads the body at which the reader stands. Throws ERR_MALFORMED_FRAME, ERR_UNSUPPORTED. */
  readRequest(reader: Reader, version: number): Decoded<Request>;
  /** Appends the body to the message that the writer holds; after an error, discard that message. */
  writeResponse(writer: Writer, response: Encodable<Response>, version: number): void;
}

export function bodyCodec<Request extends Fields, Response extends Fields>(
  api: Api<Request, Response>,
  fast: FastCodec<Request, Response> | undefined,
): BodyCodec<Request, Response> {
  if (fast === undefined) {
    return {
      readRequest: (reader, version) => api.decodeRequest(reader, version),
      writeResponse: (writer, response, version) => api.writeResponse(writer, response, version),
    };
  }
  return {
    readRequest(reader, version) {
      const { position } = reader;
      const known = api.supports(version) ? quickly(fast, reader, version) : undefined;
      if (known !== undefined) return known;
      // From the start of the body again, by a reader that has not counted anything yet.
      const again = new Reader(reader.bytes, position, reader.end);
      const request = api.decodeRequest(again, version);
      reader.position = again.position;
      return request;
    },
    writeResponse(writer, response, version) {
      if (!api.supports(version) || !fast.writeResponse(writer, response, version)) {
        api.writeResponse(writer, response, version);
      }
    },
  };
}

function quickly<Request extends Fields>(
  fast: FastCodec<Request, Readonly<Record<string, AnyField>>>,
  reader: Reader,
  version: number,
): Decoded<Request> | undefined {
  try {
    return fast.readRequest(reader, version);
  } catch (error) {
    if (error instanceof FrameFault) return undefined;
    throw error;
  }
}
