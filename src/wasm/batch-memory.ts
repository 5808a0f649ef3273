// Memory of batches that have ended, for those to come: a large buffer costs more to get than to fill.

const FIRST_BUFFER_BYTES = 16 * 1024;

/** Buffers that nobody reads any more, for encoders to write into. */
export class BatchMemory {
  readonly #buffers: Uint8Array<ArrayBuffer>[] = [];
  readonly #bytesMax: number;
  #bytes = 0;

  /** Keeps up to `bytesMax` bytes. */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** A buffer of any size, whose content is of no meaning. */
  take(): Uint8Array<ArrayBuffer> {
    const buffer = this.#buffers.pop();
    if (buffer === undefined) return new Uint8Array(FIRST_BUFFER_BYTES);
    this.#bytes -= buffer.length;
    return buffer;
  }

  /** Takes the memory of a batch that nobody reads any more: the whole buffer in which it lies. */
  give(batch: Uint8Array): void {
    const { buffer } = batch;
    if (!(buffer instanceof ArrayBuffer) || this.#bytes + buffer.byteLength > this.#bytesMax) return;
    this.#bytes += buffer.byteLength;
    this.#buffers.push(new Uint8Array(buffer));
  }
}
