// Fixed places in linear memory, as typed constants for the kernels.
import { CRC_SCRATCH_POINTER, CRC_TABLES_POINTER, SUMMARY_POINTER } from "./shared/memory-layout";

// @ts-ignore: decorator
@inline export const SUMMARY: usize = SUMMARY_POINTER;
// @ts-ignore: decorator
@inline export const CRC_TABLES: usize = CRC_TABLES_POINTER;
// @ts-ignore: decorator
@inline export const CRC_SCRATCH: usize = CRC_SCRATCH_POINTER;
