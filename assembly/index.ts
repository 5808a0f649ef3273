// What the module exports. Everything takes and returns numbers: pointers into linear memory, byte counts, status codes.
import { makeTables } from "./crc32c";
import { makeRepetitions } from "./lz4-block";

export { crc32c } from "./crc32c";
export { offsetIndexFloor, timeIndexFloor } from "./index-search";
export { hashKeys } from "./key-hash";
export { lz4FrameBytesMax, packLz4Frame, unpackLz4Frame } from "./lz4-frame";
export {
  batchBytes,
  checkStoredBatch,
  findBatch,
  recodeBatch,
  sealBatch,
  stampBatch,
  stampLogAppendTime,
  stampMaxTimestamp,
  tabulateRecords,
  validateBatch,
  validateRecords,
  wholeBatchesBytes,
} from "./record-batch";
export { packSnappyBlock, unpackSnappyElements } from "./snappy-block";

/** End of AssemblyScript's own statics; must not be above HEAP_BASE. */
export function staticsEnd(): usize {
  return __heap_base;
}

makeTables();
makeRepetitions();
