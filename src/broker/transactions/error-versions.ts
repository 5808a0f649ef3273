// Errors that came into the protocol later, told to older clients by the words they know.

import { ERROR_CODES } from '../../protocol/errors.ts';

/** A fenced producer, as a client of `version` knows it where PRODUCER_FENCED came with `knownFrom` (KIP-588). */
export function fencedFor(version: number, knownFrom: number, errorCode: number): number {
  const older = errorCode === ERROR_CODES.PRODUCER_FENCED && version < knownFrom;
  return older ? ERROR_CODES.INVALID_PRODUCER_EPOCH : errorCode;
}

/** A transaction that can only be aborted, as a client knows it where TRANSACTION_ABORTABLE came later (KIP-890). */
export function abortableFor(version: number, knownFrom: number, errorCode: number): number {
  const older = errorCode === ERROR_CODES.TRANSACTION_ABORTABLE && version < knownFrom;
  return older ? ERROR_CODES.INVALID_TXN_STATE : errorCode;
}
