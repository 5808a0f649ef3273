// Where things lie in linear memory. Portable: constants only. Exactly one instance may work on a memory, because
// all of these are used without locks.
//
//   0       1024        17408          38912 ...         126976          131072
//   | (nil) | summary   | CRC tables   | CRC scratch ... | AS statics   | heap: the caller's region, then scratch
//
// asconfig.json's memoryBase is MEMORY_STATIC_BASE; a test holds that AssemblyScript's own statics end below HEAP_BASE.

/** What the batch checks report: 64-bit floats, one per SUMMARY_* slot. */
export const SUMMARY_POINTER = 1024;
export const CRC_TABLES_POINTER = 2048;
export const CRC_SCRATCH_POINTER = 81920;
export const MEMORY_STATIC_BASE = 126976;
/** First byte that kernels never touch on their own. */
export const HEAP_BASE = 131072;
/** Readable bytes that must follow every input: SIMD loads may run over its end. */
export const OVER_READ_BYTES = 64;
