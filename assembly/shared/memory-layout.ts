// Where things lie in linear memory. Portable: constants only. Exactly one instance may work on a memory, because
// all of these are used without locks.
//
//   0       1024      1280         1536          2048         18432              192 Ki       240 Ki    256 Ki
//   | (nil) | summary | CRC planes | CRC nibbles | CRC tables | CRC shift tables | CRC folding | statics | heap
//
// asconfig.json's memoryBase is MEMORY_STATIC_BASE; a test holds that AssemblyScript's own statics end below HEAP_BASE.
// The heap belongs to the caller: its reserved region, then scratch that grows.

/** What the batch checks report: 64-bit floats, one per SUMMARY_* slot. */
export const SUMMARY_POINTER = 1024;
/** Sixteen vectors between the transposition and the lookups. */
export const CRC_PLANES_POINTER = 1280;
/** 32 tables of 16 bytes. */
export const CRC_NIBBLES_POINTER = 1536;
/** 16 tables of 256 words. */
export const CRC_TABLES_POINTER = 2048;
/** 18 pairs of tables of 4 x 256 words. */
export const CRC_SHIFTS_POINTER = 18432;
/** 79 zero vectors that nothing writes, then 1,024 vectors of the eight-term folding. */
export const CRC_EIGHT_TAKEN_POINTER = 196608;
/** 80 vectors. */
export const CRC_EIGHT_LEFT_POINTER = 214272;
/** 5,424 + 16,384 bytes of the four-term folding, and a vector of zeroes. */
export const CRC_FOUR_TAKEN_POINTER = 215552;
/** 5,424 bytes. */
export const CRC_FOUR_LEFT_POINTER = 237376;
export const MEMORY_STATIC_BASE = 245760;
/** First byte that kernels never touch on their own. */
export const HEAP_BASE = 262144;
/** Readable bytes that must follow every input: SIMD loads may run over its end. */
export const OVER_READ_BYTES = 64;
