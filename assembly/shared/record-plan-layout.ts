// What the encode kernel is told about each record: little-endian 32-bit words, records back to back. Portable.
//
//   words 0-1: timestamp delta i64 | 2: key bytes | 3: value bytes | 4: header count | 5...: { key bytes, value bytes }
//   A length of -1 stands for null. The bytes themselves lie in the stage, in the order of the record.

export const RECORD_PLAN_WORDS = 5;
export const RECORD_PLAN_HEADER_WORDS = 2;
/** What a record takes beside its own bytes at most: length 5, attributes 1, timestamp 10, offset 5, and 3 x 5. */
export const RECORD_OVERHEAD_BYTES_MAX = 36;
/** What a header takes beside its own bytes at most: two lengths. */
export const HEADER_OVERHEAD_BYTES_MAX = 10;
