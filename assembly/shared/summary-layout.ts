// Slots (64-bit floats) of the batch summary that the check kernels fill. Portable: constants only.

export const SUMMARY_BASE_OFFSET = 0;
export const SUMMARY_BATCH_BYTES = 1;
export const SUMMARY_LEADER_EPOCH = 2;
export const SUMMARY_ATTRIBUTES = 3;
export const SUMMARY_LAST_OFFSET_DELTA = 4;
export const SUMMARY_BASE_TIMESTAMP = 5;
export const SUMMARY_MAX_TIMESTAMP = 6;
export const SUMMARY_PRODUCER_ID = 7;
export const SUMMARY_PRODUCER_EPOCH = 8;
export const SUMMARY_BASE_SEQUENCE = 9;
export const SUMMARY_RECORD_COUNT = 10;
export const SUMMARY_OFFSET_DELTA_OF_MAX = 11;
export const SUMMARY_HAS_KEYLESS = 12;
/** Largest timestamp found in the records; the header's where the records were not read. */
export const SUMMARY_RECORDS_MAX_TIMESTAMP = 13;
export const SUMMARY_SLOTS = 14;
