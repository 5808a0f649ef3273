// Status codes of the kernels that check batches. Portable: constants only.

export const STATUS_OK = 0;
/** Fewer bytes than a header, or than the length field promises. */
export const STATUS_TRUNCATED = 1;
/** The length field is smaller than a header or negative. */
export const STATUS_LENGTH = 2;
/** Magic is not 2. */
export const STATUS_MAGIC = 3;
export const STATUS_CRC = 4;
/** Unknown compression codec, or a bit that a producer may not set. */
export const STATUS_ATTRIBUTES = 5;
/** The record count is not positive, or is more than the bytes can hold. */
export const STATUS_COUNT = 6;
/** The last offset delta is negative, or is not record count - 1 in a batch from a producer. */
export const STATUS_OFFSET_DELTA = 7;
/** A 64-bit field is outside of the safe integers of JavaScript (magnitude above 2^53 - 1). */
export const STATUS_FIELD_RANGE = 8;
/** A record's varints lead outside of its bounds, or its offset delta is out of order. */
export const STATUS_RECORD = 9;
/** Bytes are left over behind the last record. */
export const STATUS_TRAILING_BYTES = 10;
