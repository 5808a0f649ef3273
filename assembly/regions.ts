// Fixed places in linear memory, as typed constants for the kernels.
import {
  CRC_NIBBLES_POINTER,
  CRC_PLANES_POINTER,
  CRC_EIGHT_LEFT_POINTER,
  CRC_EIGHT_TAKEN_POINTER,
  CRC_SHIFTS_POINTER,
  CRC_FOUR_LEFT_POINTER,
  CRC_FOUR_TAKEN_POINTER,
  CRC_TABLES_POINTER,
  SUMMARY_POINTER,
} from "./shared/memory-layout";

// @ts-ignore: decorator
@inline export const SUMMARY: usize = SUMMARY_POINTER;
// @ts-ignore: decorator
@inline export const CRC_TABLES: usize = CRC_TABLES_POINTER;
// @ts-ignore: decorator
@inline export const CRC_NIBBLES: usize = CRC_NIBBLES_POINTER;
// @ts-ignore: decorator
@inline export const CRC_PLANES: usize = CRC_PLANES_POINTER;
// @ts-ignore: decorator
@inline export const CRC_SHIFTS: usize = CRC_SHIFTS_POINTER;
// @ts-ignore: decorator
@inline export const CRC_EIGHT_TAKEN: usize = CRC_EIGHT_TAKEN_POINTER;
// @ts-ignore: decorator
@inline export const CRC_EIGHT_LEFT: usize = CRC_EIGHT_LEFT_POINTER;
// @ts-ignore: decorator
@inline export const CRC_FOUR_TAKEN: usize = CRC_FOUR_TAKEN_POINTER;
// @ts-ignore: decorator
@inline export const CRC_FOUR_LEFT: usize = CRC_FOUR_LEFT_POINTER;
