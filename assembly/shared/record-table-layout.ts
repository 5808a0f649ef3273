// One entry of the table that the decode kernel writes for each record of a batch. Little-endian, positions in bytes
// from the start of the region that was scanned. Portable: constants only.
//
//   0             8            12    16         20      24           28        32             36
//   | timestamp   | offset     | key | key      | value | value      | headers | header       | (pad)
//   | f64         | delta i32  | i32 | bytes i32| i32   | bytes i32  | i32     | count i32    |
//   A length of -1 stands for null; `headers` is the position of the first header, behind the count.

export const RECORD_TABLE_TIMESTAMP = 0;
export const RECORD_TABLE_OFFSET_DELTA = 8;
export const RECORD_TABLE_KEY = 12;
export const RECORD_TABLE_KEY_BYTES = 16;
export const RECORD_TABLE_VALUE = 20;
export const RECORD_TABLE_VALUE_BYTES = 24;
export const RECORD_TABLE_HEADERS = 28;
export const RECORD_TABLE_HEADER_COUNT = 32;
export const RECORD_TABLE_STRIDE = 40;
