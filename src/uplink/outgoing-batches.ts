// Makes of stored batches the batches that go to the remote broker: small ones become large ones, large and compressed
// ones keep their bytes, and each gets the transaction's producer and sequence. Knows neither topics nor connections.

import { type Codecs, decompress } from '../client/compression.ts';
import type { ProducerIdentity } from '../client/producer-identity.ts';
import type { Kernels } from '../wasm/kernels.ts';
import type { DecodedBatch } from '../wasm/record-batch-decoder.ts';
import { type EncodableRecord, RecordBatchEncoder } from '../wasm/record-batch-encoder.ts';

/** Uncompressed batches below this are joined. */
const WHOLE_BYTES_MIN = 64 * 1024;
/** After 2^31 - 1 comes 0. */
const SEQUENCE_MASK = 0x7fff_ffff;

/** A stored batch, and the first of its records that is still to be sent. */
export interface StoredPart {
  readonly batch: DecodedBatch;
  readonly fromOffset: number;
}

export interface OutgoingOptions {
  readonly kernels: Kernels;
  readonly codecs: Codecs;
  readonly identity: ProducerIdentity;
  /** Sequence of the first record. */
  readonly baseSequence: number;
  /** Batches are made no larger than this, but for a single record. */
  readonly batchBytesMax: number;
}

export interface OutgoingBatches {
  readonly batches: readonly Uint8Array[];
  readonly recordCount: number;
  readonly nextSequence: number;
}

/** Makes the batches of one partition, in the order of their records. Throws ERR_CORRUPT_LOG, ERR_UNSUPPORTED. */
export async function makeOutgoing(parts: readonly StoredPart[], options: OutgoingOptions): Promise<OutgoingBatches> {
  const maker = new Maker(options);
  for (const part of parts) {
    if (isWhole(part) && isWorthwhile(part.batch, options.batchBytesMax)) maker.addWhole(part.batch);
    else await maker.addRecords(part);
  }
  return maker.finish();
}

/** Whether the records are those of the producer, all of them, with its timestamps. */
function isWhole({ batch, fromOffset }: StoredPart): boolean {
  const { baseOffset, lastOffset, recordCount, hasLogAppendTime } = batch;
  return fromOffset <= baseOffset && lastOffset - baseOffset + 1 === recordCount && !hasLogAppendTime;
}

function isWorthwhile({ bytes, compression }: DecodedBatch, batchBytesMax: number): boolean {
  return bytes.length <= batchBytesMax && (compression !== 0 || bytes.length >= WHOLE_BYTES_MIN);
}

class Maker {
  readonly #options: OutgoingOptions;
  readonly #encoder: RecordBatchEncoder;
  readonly #batches: Uint8Array[] = [];
  #sequence: number;
  #recordCount = 0;

  constructor(options: OutgoingOptions) {
    this.#options = options;
    this.#encoder = new RecordBatchEncoder(options.kernels);
    this.#sequence = options.baseSequence;
  }

  addWhole(batch: DecodedBatch): void {
    this.#flush();
    const { recordsBytes: bytes, recordCount, baseTimestamp, maxTimestamp, compression } = batch;
    const records = { bytes, recordCount, baseTimestamp, maxTimestamp, compression };
    this.#push(this.#encoder.assemble(records, this.#stamp()), recordCount);
  }

  async addRecords({ batch, fromOffset }: StoredPart): Promise<void> {
    const bytes = await decompress(batch.compression, batch.recordsBytes, this.#options.codecs);
    for (const record of batch.records(bytes)) {
      if (record.offset < fromOffset) continue;
      const { key, value, headers, timestamp } = record;
      this.#append({ key, value, headers, timestamp });
    }
  }

  #append(record: EncodableRecord): void {
    const { byteCount, recordCount } = this.#encoder;
    const isFull = byteCount + this.#encoder.sizeOf(record) > this.#options.batchBytesMax;
    if (recordCount > 0 && isFull) this.#flush();
    this.#encoder.append(record);
  }

  #flush(): void {
    const { recordCount } = this.#encoder;
    if (recordCount > 0) this.#push(this.#encoder.finish(this.#stamp()), recordCount);
  }

  #stamp() {
    return { ...this.#options.identity, isTransactional: true, baseSequence: this.#sequence };
  }

  #push(batch: Uint8Array, recordCount: number): void {
    this.#batches.push(batch);
    this.#sequence = (this.#sequence + recordCount) & SEQUENCE_MASK;
    this.#recordCount += recordCount;
  }

  finish(): OutgoingBatches {
    this.#flush();
    return { batches: this.#batches, recordCount: this.#recordCount, nextSequence: this.#sequence };
  }
}
