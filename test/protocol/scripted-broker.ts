// A TCP listener that answers from a script through the codec, for holding the codec against real clients. It keeps
// every request, and checks that our encoding of what was decoded is what the client sent. It is not a broker.

import { createServer, type Server, type Socket } from 'node:net';
import type { Api } from '../../src/protocol/api.ts';
import {
  type RequestHeader,
  readRequestHeader,
  responseHeaderVersion,
  writeResponseHeader,
} from '../../src/protocol/headers.ts';
import { APIS, findApi } from '../../src/protocol/messages/registry.ts';
import { Reader } from '../../src/protocol/reader.ts';
import type { Decoded, Encodable, Fields } from '../../src/protocol/schema.ts';
import { flatten, Writer } from '../../src/protocol/writer.ts';
import { hexOf } from './golden-frames.ts';

/** A request as a real client sent it. */
export interface SeenRequest {
  readonly header: RequestHeader;
  readonly body: unknown;
  /** Whether encoding `body` gives the client's own bytes, and the frame held nothing more. */
  readonly isSame: boolean;
}

/** The body of the response to the body of a request; undefined leaves it without one. */
type Answer = (sent: Uint8Array, version: number) => Uint8Array | undefined;

/** Answers by API key. */
export type Script = ReadonlyMap<number, Answer>;

/** A line of a script. */
export function on<Request extends Fields, Response extends Fields>(
  api: Api<Request, Response>,
  respond: (request: Decoded<Request>, version: number) => Encodable<Response> | undefined,
): [number, Answer] {
  return [
    api.key,
    (sent, version) => {
      const response = respond(api.decodeRequest(sent, version), version);
      return response === undefined ? undefined : api.encodeResponse(response, version);
    },
  ];
}

export class ScriptedBroker {
  readonly seen: SeenRequest[] = [];
  /** Errors of the script or the codec; each has ended its connection. */
  readonly failures: string[] = [];
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #script: Script;

  private constructor(script: Script) {
    this.#script = script;
    this.#server = createServer((socket) => this.#serve(socket));
  }

  /** Listens on a free port of the loopback address; the script is made when the port is known. */
  static async listen(scriptFor: (port: () => number) => Script): Promise<ScriptedBroker> {
    const broker: ScriptedBroker = new ScriptedBroker(scriptFor(() => broker.port));
    await new Promise<void>((resolve) => broker.#server.listen(0, '127.0.0.1', resolve));
    return broker;
  }

  get port(): number {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('not listening');
    return address.port;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket);
    let pending: Uint8Array = new Uint8Array(0);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#sockets.delete(socket));
    socket.on('data', (bytes) => {
      pending = flatten([pending, bytes]);
      for (let frame = frameIn(pending); frame !== undefined; frame = frameIn(pending)) {
        pending = pending.subarray(4 + frame.length);
        this.#reply(socket, frame);
      }
    });
  }

  #reply(socket: Socket, frame: Uint8Array): void {
    try {
      const answer = this.#answer(frame);
      if (answer !== undefined) socket.write(answer);
    } catch (error) {
      this.failures.push(String(error));
      socket.destroy();
    }
  }

  #answer(frame: Uint8Array): Uint8Array | undefined {
    const reader = new Reader(frame);
    const header = readRequestHeader(reader, findApi);
    const { apiKey, apiVersion, correlationId } = header;
    const api = findApi(apiKey);
    if (api === undefined) throw new Error(`no API ${apiKey}`);
    const sent = frame.subarray(reader.position);
    const body = api.decodeRequest(reader, apiVersion);
    const isSame = reader.remaining === 0 && hexOf(api.encodeRequest(body, apiVersion)) === hexOf(sent);
    this.seen.push({ header, body, isSame });
    const response = this.#script.get(apiKey)?.(sent, apiVersion);
    if (response === undefined) return undefined;
    const writer = new Writer();
    writeResponseHeader(writer, correlationId, responseHeaderVersion(api, apiVersion));
    writer.raw(response);
    return withLength(writer.finishFlat());
  }

  /** The names of the APIs that clients have used, with the versions they chose. */
  used(): string[] {
    const names = this.seen.map(({ header }) => `${findApi(header.apiKey)?.name} v${header.apiVersion}`);
    return [...new Set(names)].sort();
  }
}

function frameIn(bytes: Uint8Array): Uint8Array | undefined {
  if (bytes.length < 4) return undefined;
  const length = new Reader(bytes).int32();
  return bytes.length < 4 + length ? undefined : bytes.subarray(4, 4 + length);
}

function withLength(frame: Uint8Array): Uint8Array {
  const writer = new Writer();
  writer.int32(frame.length);
  writer.raw(frame);
  return writer.finishFlat();
}

/** What ApiVersions answers: every declared API in its whole range. */
export function everyApi(): { apiKey: number; minVersion: number; maxVersion: number }[] {
  return APIS.map(({ key, advertisedFrom, versions: [, last] }) => ({
    apiKey: key,
    minVersion: advertisedFrom,
    maxVersion: last,
  }));
}
