// Entries of Kafka's two segment indexes, big-endian. Portable: constants only.
//
//   offset index   | relative offset i32 | position i32 |              offset = segment base offset + relative offset
//   time index     | timestamp i64               | relative offset i32 |

export const OFFSET_ENTRY_BYTES = 8;
export const OFFSET_ENTRY_RELATIVE_OFFSET = 0;
export const OFFSET_ENTRY_POSITION = 4;

export const TIME_ENTRY_BYTES = 12;
export const TIME_ENTRY_TIMESTAMP = 0;
export const TIME_ENTRY_RELATIVE_OFFSET = 8;
