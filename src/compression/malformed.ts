// The faults of compressed bytes that cannot be read.

import { LogFault } from '../core/fault.ts';

/** Bytes that do not follow their format. */
export function malformed(format: string, what: string, cause?: unknown): LogFault {
  return new LogFault('ERR_CORRUPT_LOG', `malformed ${format}: ${what}`, cause);
}

/** Bytes that would become more than was allowed. */
export function oversized(format: string, bytesMax: number): LogFault {
  return new LogFault('ERR_CORRUPT_LOG', `${format} decompresses to more than ${bytesMax} bytes`);
}
