// What host and kernels agree on about Snappy blocks. Portable: constants only.

/** Most bytes that one block is made of here: places in it have 16 bits. */
export const SNAPPY_BLOCK_BYTES_MAX = 65536;
/** Scratch of the compressor. */
export const SNAPPY_TABLE_BYTES = 16384;
/** Before a block's first element: what it becomes, as a varint. */
export const SNAPPY_LENGTH_BYTES_MAX = 5;
