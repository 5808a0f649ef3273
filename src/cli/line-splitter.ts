// Cuts a stream of bytes into lines: at every newline byte, and nowhere else. A carriage return belongs to its line, an
// empty line is a line, and so is a last one without a newline. Bytes are never decoded.

import { LogFault } from '../core/fault.ts';

const NEWLINE = 10;

/** Lines are views of the chunks given where they lie in one chunk, and copies where they do not. */
export class LineSplitter {
  readonly #lineBytesMax: number;
  /** The beginning of a line whose end has not come yet. */
  #parts: Uint8Array[] = [];
  #partBytes = 0;
  #lines = 0;

  /** A longer line throws ERR_USAGE: it could not be sent, and would have to be held in memory. */
  constructor(lineBytesMax: number) {
    this.#lineBytesMax = lineBytesMax;
  }

  /** The lines that end in this chunk. */
  *push(chunk: Uint8Array): Generator<Uint8Array, void, undefined> {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
      yield this.#complete(chunk.subarray(start, end));
      start = end + 1;
    }
    if (start < chunk.length) this.#keep(chunk.subarray(start));
  }

  /** The last line, where the input did not end with a newline. */
  end(): Uint8Array | undefined {
    return this.#partBytes === 0 ? undefined : this.#complete(new Uint8Array(0));
  }

  #keep(part: Uint8Array): void {
    this.#partBytes += part.length;
    this.#check(this.#partBytes);
    this.#parts.push(part);
  }

  #complete(last: Uint8Array): Uint8Array {
    this.#check(this.#partBytes + last.length);
    this.#lines++;
    if (this.#partBytes === 0) return last;
    const line = Buffer.concat([...this.#parts, last]);
    this.#parts = [];
    this.#partBytes = 0;
    return line;
  }

  #check(byteCount: number): void {
    if (byteCount <= this.#lineBytesMax) return;
    throw new LogFault('ERR_USAGE', `line ${this.#lines + 1} is longer than ${this.#lineBytesMax} bytes`);
  }
}
