// The place of a codec that a host does not have. Batches that need it are refused with UNSUPPORTED_COMPRESSION_TYPE.

import type { BatchCodec, CodecName } from '../core/compression.ts';
import { LogFault } from '../core/fault.ts';

/** A codec that throws ERR_UNSUPPORTED, with its name and what would bring it, for everything asked of it. */
export function unavailableCodec(name: CodecName, remedy = 'option `codecs`'): BatchCodec {
  const refuse = (): never => {
    throw new LogFault('ERR_UNSUPPORTED', `the codec ${name} is not available on this host (${remedy})`);
  };
  return { compress: refuse, decompress: refuse };
}
