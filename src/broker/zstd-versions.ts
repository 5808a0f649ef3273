// Zstandard is only for those who say that they know it, by the version of their request (KIP-110).

import {
  ATTRIBUTE_COMPRESSION_MASK,
  BATCH_ATTRIBUTES,
  BATCH_HEADER_BYTES,
  BATCH_LENGTH,
  BATCH_LENGTH_OVERHEAD,
} from '../../assembly/shared/batch-layout.ts';
import { codecNumber } from '../core/compression.ts';

/** From this version on a Produce request may carry it. */
export const ZSTD_PRODUCE_VERSION = 7;
/** From this version on a Fetch response may carry it. */
export const ZSTD_FETCH_VERSION = 10;

const ZSTD = codecNumber('zstd');

/** Whether a batch of the region is under it. Goes from header to header, as far as there are any. */
export function holdsZstd(region: Uint8Array): boolean {
  const view = new DataView(region.buffer, region.byteOffset, region.length);
  for (let at = 0; at + BATCH_HEADER_BYTES <= region.length; ) {
    if ((view.getInt16(at + BATCH_ATTRIBUTES) & ATTRIBUTE_COMPRESSION_MASK) === ZSTD) return true;
    const bytes = view.getInt32(at + BATCH_LENGTH) + BATCH_LENGTH_OVERHEAD;
    if (bytes < BATCH_HEADER_BYTES) return false;
    at += bytes;
  }
  return false;
}
