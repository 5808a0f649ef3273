// LZ4 frames in linear memory: where they are decompressed to, how much room they get, and what is told of those that are
// refused. The kernels know the format.

import * as lz4 from '../../assembly/shared/lz4-layout.ts';
import { LogFault } from '../core/fault.ts';
import type { Kernels } from './kernels.ts';

/** Bytes of linear memory. */
export interface MemoryRegion {
  readonly first: number;
  readonly byteCount: number;
}

const REASONS: ReadonlyMap<number, string> = new Map([
  [lz4.LZ4_ENDS_IN_HEADER, 'it ends inside of its header'],
  [lz4.LZ4_NO_MAGIC, 'it does not begin with the magic'],
  [lz4.LZ4_UNKNOWN_VERSION, 'its version is unknown'],
  [lz4.LZ4_REFUSED_FLAG, 'it asks for a dictionary or sets a reserved bit'],
  [lz4.LZ4_LINKED_BLOCKS, 'its blocks depend on each other'],
  [lz4.LZ4_UNKNOWN_BLOCK_SIZE, 'its block size is unknown'],
  [lz4.LZ4_HEADER_CHECKSUM, 'the checksum of its header does not match'],
  [lz4.LZ4_NO_END_MARK, 'it has no end mark'],
  [lz4.LZ4_ENDS_IN_BLOCK, 'it ends inside of a block'],
  [lz4.LZ4_MALFORMED_BLOCK, 'a sequence leads outside of its block'],
  [lz4.LZ4_LARGE_BLOCK, 'a block is larger than its frame allows'],
  [lz4.LZ4_BLOCK_CHECKSUM, 'the checksum of a block does not match'],
  [lz4.LZ4_ENDS_IN_CHECKSUM, 'it ends inside of its checksum'],
  [lz4.LZ4_CONTENT_CHECKSUM, 'its checksum does not match'],
]);

/**
 * Decompresses the frame in `source`, which may lie in scratch, into scratch beside it: at most `bytesMax` bytes, valid
 * until the next `reserve`. Throws LogFault ERR_CORRUPT_LOG where they would be more or do not follow the format, and
 * ERR_STORAGE where memory cannot grow.
 */
export function unpackLz4Frame(kernels: Kernels, source: MemoryRegion, bytesMax: number): MemoryRegion {
  const { exports } = kernels;
  const expected = exports.lz4FrameBytesMax(source.first, source.byteCount);
  if (expected < 0) throw refused(expected, bytesMax);
  const room = Math.min(expected, bytesMax);
  const first = kernels.reserveBeside(source.first, source.byteCount, room);
  const byteCount = exports.unpackLz4Frame(source.first, source.byteCount, first, room);
  if (byteCount < 0) throw refused(byteCount, bytesMax);
  return { first, byteCount };
}

function refused(status: number, bytesMax: number): LogFault {
  const what =
    status === lz4.LZ4_NO_ROOM
      ? `LZ4 frame decompresses to more than ${bytesMax} bytes`
      : `malformed LZ4 frame: ${REASONS.get(status) ?? `status ${status}`}`;
  return new LogFault('ERR_CORRUPT_LOG', what);
}
