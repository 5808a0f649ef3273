// What compaction leaves of a batch, by Kafka's rules: the last record of every key, tombstones and markers until their
// delete horizon has passed, nothing of aborted transactions, and at least the header of a batch that is the last of its
// producer or of its segment.

import {
  ATTRIBUTE_COMPRESSION_MASK,
  ATTRIBUTE_CONTROL,
  BATCH_HEADER_BYTES,
} from '../../assembly/shared/batch-layout.ts';
import { STATUS_OK } from '../../assembly/shared/status.ts';
import { type BatchCodecs, codecName } from '../core/compression.ts';
import { LogFault } from '../core/fault.ts';
import { CLEANER_RECORDS_PER_STEP, DECOMPRESSED_BATCH_BYTES_MAX } from '../core/limits.ts';
import type { BatchHeader } from '../wasm/batch-header.ts';
import type { Kernels } from '../wasm/kernels.ts';
import type { KeyOffsetMap } from './cleaner-offset-map.ts';
import type { BatchRecords } from './cleaner-records.ts';
import { deleteHorizonOf, emptyBatch, rewriteBatch } from './cleaner-rewrite.ts';
import type { SourceBatch } from './cleaner-source.ts';
import type { CleanedTransactions, MarkerKind } from './cleaner-transactions.ts';

/** What is known of a producer when its batches are cleaned. */
export interface LastOfProducer {
  readonly producerEpoch: number;
  /** Last offset of its last data batch in this epoch; -1 where a marker was the last that it wrote. */
  readonly lastDataOffset: number;
}

export type LastOfProducers = ReadonlyMap<number, LastOfProducer>;

export interface FilterOptions {
  readonly kernels: Kernels;
  readonly records: BatchRecords;
  readonly codecs: BatchCodecs | undefined;
  readonly map: KeyOffsetMap;
  /** The map knows every record below. */
  readonly mapEnd: number;
  readonly nowMs: number;
  readonly deleteRetentionMs: number;
  readonly transactions: CleanedTransactions;
}

/** COMMIT or ABORT of a control batch; undefined where compaction has emptied it, or for a type that is not known. */
export function markerKindOf(records: BatchRecords, { header, bytes }: SourceBatch): MarkerKind | undefined {
  if (header.recordCount === 0 || records.load(bytes, header) !== STATUS_OK) return undefined;
  const type = records.key(0)?.[3];
  if (type === 0) return 'abort';
  return type === 1 ? 'commit' : undefined;
}

/**
 * Takes the records of a data batch; false where they are compressed and cannot be read: there are no codecs, or the
 * batch is from a time without them and not what it says.
 */
export function loadRecords(
  records: BatchRecords,
  codecs: BatchCodecs | undefined,
  { header, bytes }: SourceBatch,
): boolean {
  const stored = bytes.subarray(BATCH_HEADER_BYTES);
  const compression = header.attributes & ATTRIBUTE_COMPRESSION_MASK;
  if (compression !== 0) {
    const plain = decompressed(codecs, compression, stored);
    return plain !== undefined && records.loadRecords(plain, header) === STATUS_OK;
  }
  const status = records.loadRecords(stored, header);
  if (status === STATUS_OK) return true;
  throw new LogFault('ERR_CORRUPT_LOG', `the records at offset ${header.baseOffset} do not pass (status ${status})`);
}

function decompressed(
  codecs: BatchCodecs | undefined,
  compression: number,
  stored: Uint8Array,
): Uint8Array | undefined {
  const name = codecName(compression);
  if (codecs === undefined || name === undefined) return undefined;
  try {
    return codecs[name].decompress(stored, DECOMPRESSED_BATCH_BYTES_MAX);
  } catch (error) {
    if (error instanceof LogFault) return undefined;
    throw error;
  }
}

/** What is to be written of a batch, in steps; undefined for nothing. */
export type FilterSteps = Generator<void, Uint8Array | undefined, void>;

export class BatchFilter {
  readonly #options: FilterOptions;
  #keep: Uint8Array = new Uint8Array(0);
  /**
   * A batch was kept that nobody could look into. What a later tombstone deletes may still be in it, so from here on
   * tombstones stay.
   */
  #isBlind = false;

  constructor(options: FilterOptions) {
    this.#options = options;
  }

  /**
   * The batch as it is to be written, or undefined. `keepsHeader`: it is the last of its segment. A large batch takes
   * several steps, between which the thread may be given away; the source's bytes must stay as they are.
   */
  *apply(source: SourceBatch, lastOfProducers: LastOfProducers, keepsHeader: boolean): FilterSteps {
    const mustStay = keepsHeader || isLastOfProducer(source.header, lastOfProducers);
    const isControl = (source.header.attributes & ATTRIBUTE_CONTROL) !== 0;
    return yield* isControl ? this.#applyControl(source, mustStay) : this.#applyData(source, mustStay);
  }

  /** A marker stays as long as a batch of its transaction does, and a delete.retention.ms more. */
  *#applyControl(source: SourceBatch, mustStay: boolean): FilterSteps {
    const { records, transactions, nowMs } = this.#options;
    const { header, bytes } = source;
    const kind = markerKindOf(records, source);
    if (kind === undefined) return mustStay || header.recordCount > 0 ? bytes : undefined;
    const endsNothing = transactions.noteMarker(header, kind);
    const horizon = deleteHorizonOf(header);
    if (!endsNothing) return bytes;
    if (horizon === undefined) return yield* this.#rewrite(source, this.#keepAll(), this.#horizon);
    return mustStay || horizon > nowMs ? bytes : undefined;
  }

  *#applyData(source: SourceBatch, mustStay: boolean): FilterSteps {
    const { records, codecs, transactions, kernels, mapEnd } = this.#options;
    const { header, bytes } = source;
    const isAborted = transactions.noteBatch(header);
    const nothing = () => (mustStay ? emptyBatch(kernels, header, bytes) : undefined);
    if (isAborted || header.recordCount === 0) return nothing();
    if (header.baseOffset >= mapEnd) return bytes;
    if (!loadRecords(records, codecs, source)) {
      this.#isBlind = true;
      return bytes;
    }
    const horizon = deleteHorizonOf(header);
    const { kept, tombstones } = yield* this.#choose(header, horizon);
    if (kept === 0) return nothing();
    const setsHorizon = tombstones > 0 && horizon === undefined && header.lastOffset < mapEnd;
    if (kept === records.count && !setsHorizon) return bytes;
    return yield* this.#rewrite(source, this.#keep, setsHorizon ? this.#horizon : undefined);
  }

  get #horizon(): number {
    return Math.min(Number.MAX_SAFE_INTEGER, this.#options.nowMs + this.#options.deleteRetentionMs);
  }

  /** Marks the records to keep, and counts them. */
  *#choose(
    { baseOffset }: BatchHeader,
    horizon: number | undefined,
  ): Generator<void, { kept: number; tombstones: number }, void> {
    const { records, map, mapEnd, nowMs } = this.#options;
    const dropsTombstones = horizon !== undefined && horizon <= nowMs && !this.#isBlind;
    const keep = this.#keepAll();
    let kept = 0;
    let tombstones = 0;
    for (let index = 0; index < records.count; index++) {
      if (index % CLEANER_RECORDS_PER_STEP === CLEANER_RECORDS_PER_STEP - 1) yield;
      const offset = baseOffset + records.offsetDelta(index);
      const hasValue = records.hasValue(index);
      // A record without a key has no place in a compacted log; some are left from before it was one.
      const stays =
        offset >= mapEnd ||
        (records.hasKey(index) && (hasValue || !dropsTombstones) && offset >= map.get(records.hashes, 4 * index));
      keep[index] = stays ? 1 : 0;
      if (!stays) continue;
      kept += 1;
      if (!hasValue) tombstones += 1;
    }
    return { kept, tombstones };
  }

  #keepAll(): Uint8Array {
    const { count } = this.#options.records;
    if (this.#keep.length < count) this.#keep = new Uint8Array(2 * count);
    this.#keep.fill(1, 0, count);
    return this.#keep;
  }

  #rewrite({ header, bytes }: SourceBatch, keep: Uint8Array, deleteHorizonMs: number | undefined): FilterSteps {
    const { kernels, records, codecs } = this.#options;
    const name = codecName(header.attributes & ATTRIBUTE_COMPRESSION_MASK);
    const codec = name === undefined ? undefined : codecs?.[name];
    const compress = codec === undefined ? undefined : (plain: Uint8Array) => codec.compress(plain);
    return rewriteBatch(kernels, { header, batch: bytes, records, keep, deleteHorizonMs, compress });
  }
}

/** What is remembered of a producer must be found again in its batches: the last data batch, else markers of its epoch. */
function isLastOfProducer(header: BatchHeader, producers: LastOfProducers): boolean {
  if (header.producerId < 0) return false;
  const last = producers.get(header.producerId);
  if (last === undefined) return false;
  if (last.lastDataOffset >= 0) return header.lastOffset === last.lastDataOffset;
  return (header.attributes & ATTRIBUTE_CONTROL) !== 0 && header.producerEpoch === last.producerEpoch;
}
