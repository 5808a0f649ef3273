// Record batches to and from bytes, for parts that keep records of their own in a log (coordinators) and must not know
// how batches are made. The composition root supplies the implementation.

/** A record of a log that the broker itself keeps: no headers. */
export interface BatchRecord {
  readonly key: Uint8Array | null;
  /** Null is a tombstone: compaction drops what earlier records of the key said. */
  readonly value: Uint8Array | null;
  /** Milliseconds since 1970. */
  readonly timestamp: number;
}

/** The producer of a transactional batch. */
export interface BatchProducer {
  readonly producerId: number;
  readonly producerEpoch: number;
}

export interface StoredRecord extends BatchRecord {
  readonly offset: number;
}

/** One batch as it stands in a log. Keys and values are views over the bytes that were given. */
export interface StoredBatch extends BatchProducer {
  readonly baseOffset: number;
  readonly lastOffset: number;
  readonly isTransactional: boolean;
  /** Its one record ends a transaction of its producer; see {@link isCommitMarker}. */
  readonly isControl: boolean;
  /** @throws LogFault ERR_CORRUPT_LOG, or ERR_UNSUPPORTED where the records are compressed */
  records(): StoredRecord[];
}

export interface RecordBatchCodec {
  /** One batch of at least one record; a transactional one where it has a producer. */
  encode(records: readonly BatchRecord[], producer?: BatchProducer): Uint8Array;
  /** The whole batches of a region, each checked. @throws LogFault ERR_CORRUPT_LOG */
  decode(region: Uint8Array): Iterable<StoredBatch>;
}

const CONTROL_KEY_BYTES = 4;
const CONTROL_TYPE_COMMIT = 1;

/** Whether the key of a control record (version and type, 16 bits each) says commit; anything else is an abort. */
export function isCommitMarker(key: Uint8Array | null): boolean {
  if (key === null || key.length < CONTROL_KEY_BYTES) return false;
  return new DataView(key.buffer, key.byteOffset, key.length).getInt16(2) === CONTROL_TYPE_COMMIT;
}
