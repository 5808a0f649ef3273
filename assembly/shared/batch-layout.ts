// Byte offsets inside a record batch of magic 2, as in Kafka's clients/record DefaultRecordBatch. Big-endian.
// Portable: read by TypeScript and by AssemblyScript, so constants only.
//
//   0        8      12     16 17     21   23     27          35          43        51  53     57     61
//   +--------+------+------+--+------+----+------+-----------+-----------+---------+---+------+------+---------+
//   | base   |batch |leader|m |CRC32C|attr|last  | base      | max       |producer |pr.|base  |record| records |
//   | offset |length|epoch |  |      |    |offset| timestamp | timestamp | id      |ep.|seq.  |count | ...     |
//   |        |      |      |  |      |    |delta |           |           |         |   |      |      |         |
//   +--------+------+------+--+------+----+------+-----------+-----------+---------+---+------+------+---------+
//                                      \---- covered by the CRC ------------------------------------------- .../
//   attributes: bits 0-2 compression, 3 timestamp type (1 = log append time), 4 transactional, 5 control,
//   6 delete horizon, 7-15 unused. batch length counts the bytes behind itself.

export const BATCH_BASE_OFFSET = 0;
export const BATCH_LENGTH = 8;
export const BATCH_LEADER_EPOCH = 12;
export const BATCH_MAGIC = 16;
export const BATCH_CRC = 17;
/** First byte that the CRC covers. */
export const BATCH_ATTRIBUTES = 21;
export const BATCH_LAST_OFFSET_DELTA = 23;
export const BATCH_BASE_TIMESTAMP = 27;
export const BATCH_MAX_TIMESTAMP = 35;
export const BATCH_PRODUCER_ID = 43;
export const BATCH_PRODUCER_EPOCH = 51;
export const BATCH_BASE_SEQUENCE = 53;
export const BATCH_RECORD_COUNT = 57;
/** Header bytes in all, and the offset of the first record. */
export const BATCH_HEADER_BYTES = 61;
/** Bytes that the length field does not count: base offset and length. */
export const BATCH_LENGTH_OVERHEAD = 12;
/** The only magic that is written or taken. */
export const BATCH_MAGIC_VALUE = 2;

export const ATTRIBUTE_COMPRESSION_MASK = 7;
/** Codecs: 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd. */
export const COMPRESSION_CODEC_LAST = 4;
export const ATTRIBUTE_LOG_APPEND_TIME = 8;
export const ATTRIBUTE_TRANSACTIONAL = 16;
export const ATTRIBUTE_CONTROL = 32;
/** Set by compaction alone: the base timestamp is then the delete horizon (KIP-534). */
export const ATTRIBUTE_DELETE_HORIZON = 64;
/** Every bit that a producer may set. */
export const ATTRIBUTES_FROM_PRODUCERS = 63;

/** Smallest record: length, attributes, timestamp delta, offset delta, key length, value length, header count. */
export const RECORD_BYTES_MIN = 7;
