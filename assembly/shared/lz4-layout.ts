// The LZ4 frame format (lz4_Frame_format.md 1.6.1), and what the kernels answer in place of a size. Portable: constants only.
//
//   magic u32 | flags u8 | block size u8 | [content size u64] | header checksum u8
//   | { size u32 (bit 31: stored as it is), block, [checksum u32] } ... | end mark 0 u32 | [content checksum u32]
//   All little-endian; checksums are XXH32. Blocks that lean on the one before are refused, as Kafka's own reader does;
//   the content size is not relied on, and what comes behind the frame is not looked at, as there.

export const LZ4_MAGIC = 0x184d2204;
export const LZ4_FLAGS = 4;
export const LZ4_BLOCK_SIZE = 5;
export const LZ4_CONTENT_SIZE_BYTES = 8;
/** Smallest header: without a content size. */
export const LZ4_HEADER_BYTES = 7;
export const LZ4_WORD_BYTES = 4;

export const LZ4_FLAG_VERSION = 0x40;
export const LZ4_FLAG_VERSION_MASK = 0xc0;
export const LZ4_FLAG_INDEPENDENT = 0x20;
export const LZ4_FLAG_BLOCK_CHECKSUM = 0x10;
export const LZ4_FLAG_CONTENT_SIZE = 0x08;
export const LZ4_FLAG_CONTENT_CHECKSUM = 0x04;
/** A dictionary, and a bit that is reserved. */
export const LZ4_FLAGS_REFUSED = 0x03;
/** Code of blocks of 64 KiB; each code above is four times as much. */
export const LZ4_BLOCK_CODE_FIRST = 4;
export const LZ4_BLOCK_CODE_LAST = 7;
export const LZ4_BLOCK_BYTES_FIRST = 65536;
/** Scratch of the compressor. */
export const LZ4_TABLE_BYTES = 16384;

export const LZ4_ENDS_IN_HEADER = -1;
export const LZ4_NO_MAGIC = -2;
export const LZ4_UNKNOWN_VERSION = -3;
export const LZ4_REFUSED_FLAG = -4;
export const LZ4_LINKED_BLOCKS = -5;
export const LZ4_UNKNOWN_BLOCK_SIZE = -6;
export const LZ4_HEADER_CHECKSUM = -7;
export const LZ4_NO_END_MARK = -8;
export const LZ4_ENDS_IN_BLOCK = -9;
/** A sequence leads outside of its block, or to before what was decompressed. */
export const LZ4_MALFORMED_BLOCK = -10;
/** A block is, or becomes, larger than the header allows. */
export const LZ4_LARGE_BLOCK = -11;
export const LZ4_BLOCK_CHECKSUM = -12;
export const LZ4_ENDS_IN_CHECKSUM = -13;
export const LZ4_CONTENT_CHECKSUM = -14;
/** More comes out than there was room for. */
export const LZ4_NO_ROOM = -15;
