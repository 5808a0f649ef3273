// A bare client for tests: Kafka frames over one WebSocket, as many in flight as the test sends. It shares nothing with
// src/client, so that it can be its referee.

import { once } from 'node:events';
import { WebSocket } from 'ws';
import type { Api } from '../../src/protocol/api.ts';
import { decodeResponseFrame, encodeRequestFrame } from '../../src/protocol/headers.ts';
import type { Decoded, Encodable, Fields } from '../../src/protocol/schema.ts';

interface Waiting {
  readonly settle: (frame: Uint8Array) => void;
  readonly fail: (error: Error) => void;
}

export class FrameClient {
  readonly #socket: WebSocket;
  readonly #waiting = new Map<number, Waiting>();
  #correlationId = 0;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.on('message', (data: Buffer) => this.#receive(data));
    socket.on('close', () => this.#failAll(new Error('the connection was closed')));
    socket.on('error', (error) => this.#failAll(error));
  }

  static async connect(url: string): Promise<FrameClient> {
    const socket = new WebSocket(url, 'kafka', { perMessageDeflate: false });
    await once(socket, 'open');
    return new FrameClient(socket);
  }

  /** Sends a request; rejects when the connection ends before its response. */
  async request<Request extends Fields, Response extends Fields>(
    api: Api<Request, Response>,
    version: number,
    body: Encodable<Request>,
  ): Promise<Decoded<Response>> {
    const correlationId = this.#correlationId++;
    const chunks = encodeRequestFrame(api, body, { version, correlationId, clientId: 'test' });
    const frame = await new Promise<Uint8Array>((settle, fail) => {
      this.#waiting.set(correlationId, { settle, fail });
      this.#socket.send(Buffer.concat(chunks));
    });
    return decodeResponseFrame(api, version, frame).body;
  }

  close(): void {
    this.#socket.terminate();
  }

  #receive(frame: Buffer): void {
    const correlationId = frame.readInt32BE(0);
    const waiting = this.#waiting.get(correlationId);
    if (waiting === undefined) throw new Error(`a response nobody asked for: ${correlationId}`);
    this.#waiting.delete(correlationId);
    waiting.settle(frame);
  }

  #failAll(error: Error): void {
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const { fail } of waiting) fail(error);
  }
}
