// The client's end of a WebSocket as a load generator wants it: prepared frames go out in one write per turn, and what
// comes back is cut into messages without a copy where it can be. Only what a load needs; the product's clients use `ws`.

import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

const OPCODE_BINARY = 2;
const FINAL = 0x80;
const MASKED = 0x80;

/** A whole WebSocket frame around a request, with a mask of zeros (RFC 6455, 5.2). */
export function webSocketFrame(payload: Uint8Array): Buffer {
  const { length } = payload;
  const extended = length < 126 ? 0 : length < 65_536 ? 2 : 8;
  const frame = Buffer.alloc(2 + extended + 4 + length);
  frame[0] = FINAL | OPCODE_BINARY;
  frame[1] = MASKED | (extended === 0 ? length : extended === 2 ? 126 : 127);
  if (extended === 2) frame.writeUInt16BE(length, 2);
  if (extended === 8) frame.writeBigUInt64BE(BigInt(length), 2);
  frame.set(payload, 2 + extended + 4);
  return frame;
}

export class LoadSocket {
  readonly #socket: Socket;
  readonly #parser = new MessageParser((message) => this.onMessage(message));
  onMessage: (message: Buffer) => void = () => undefined;
  onEnd: (error: Error) => void = () => undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (chunk: Buffer) => {
      // Whatever the messages of this chunk make the load send leaves together.
      socket.cork();
      this.#parser.take(chunk);
      socket.uncork();
    });
    socket.on('error', (error) => this.onEnd(error));
    socket.on('close', () => this.onEnd(new Error('the server closed the connection')));
  }

  static async open(url: string): Promise<LoadSocket> {
    const { hostname, port } = new URL(url);
    const socket = connect({ host: hostname, port: Number(port), noDelay: true });
    await once(socket, 'connect');
    const key = randomBytes(16).toString('base64');
    socket.write(
      `GET / HTTP/1.1\r\nHost: ${hostname}:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
        `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: kafka\r\nSec-WebSocket-Key: ${key}\r\n\r\n`,
    );
    const [answer] = await once(socket, 'data');
    const text = String(answer);
    if (!text.startsWith('HTTP/1.1 101') || !text.endsWith('\r\n\r\n')) throw new Error(`no upgrade: ${text}`);
    return new LoadSocket(socket);
  }

  send(frame: Buffer): void {
    this.#socket.write(frame);
  }

  end(): void {
    this.onEnd = () => undefined;
    this.#socket.destroy();
  }
}

/** Cuts a stream of unmasked frames into messages; the fragments of one are joined. */
class MessageParser {
  readonly #onMessage: (message: Buffer) => void;
  #pending: Buffer[] = [];
  #pendingBytes = 0;
  /** Bytes without which the frame at the start of `#pending` cannot be cut. */
  #needed = 2;
  #fragments: Buffer[] = [];

  constructor(onMessage: (message: Buffer) => void) {
    this.#onMessage = onMessage;
  }

  take(chunk: Buffer): void {
    this.#pending.push(chunk);
    this.#pendingBytes += chunk.length;
    if (this.#pendingBytes < this.#needed) return;
    const [only] = this.#pending;
    let rest = this.#pending.length === 1 && only !== undefined ? only : Buffer.concat(this.#pending);
    for (;;) {
      this.#needed = frameBytes(rest);
      if (rest.length < this.#needed) break;
      this.#frame(rest.subarray(0, this.#needed));
      rest = rest.subarray(this.#needed);
    }
    this.#pending = rest.length === 0 ? [] : [rest];
    this.#pendingBytes = rest.length;
  }

  #frame(frame: Buffer): void {
    const first = frame[0] ?? 0;
    const payload = frame.subarray(headerBytes(frame));
    const opcode = first & 15;
    if (opcode > OPCODE_BINARY) return;
    if ((first & FINAL) !== 0 && this.#fragments.length === 0) {
      this.#onMessage(payload);
      return;
    }
    this.#fragments.push(payload);
    if ((first & FINAL) === 0) return;
    const message = Buffer.concat(this.#fragments);
    this.#fragments = [];
    this.#onMessage(message);
  }
}

function headerBytes(frame: Buffer): number {
  const length = (frame[1] ?? 0) & 127;
  if (length < 126) return 2;
  return length === 126 ? 4 : 10;
}

/** Bytes of the frame at the start, or of as much of its header as is needed to know. */
function frameBytes(rest: Buffer): number {
  if (rest.length < 2) return 2;
  const header = headerBytes(rest);
  if (rest.length < header) return header;
  if (header === 2) return header + ((rest[1] ?? 0) & 127);
  return header + (header === 4 ? rest.readUInt16BE(2) : Number(rest.readBigUInt64BE(2)));
}
