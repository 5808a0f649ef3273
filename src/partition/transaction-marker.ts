// The record that ends a transaction, as Kafka's EndTransactionMarker: written into a control batch by the leader, read
// back when producer state is rebuilt. Version 0 of both schemas; later ones only add fields behind.
//
//   key:    int16 version | int16 type (0 abort, 1 commit)
//   value:  int16 version | int32 coordinator epoch

import type { EncodableRecord } from '../wasm/record-batch-encoder.ts';

const KEY_BYTES = 4;
const VALUE_BYTES = 6;
const TYPE_ABORT = 0;
const TYPE_COMMIT = 1;

export interface TransactionMarker {
  readonly commit: boolean;
  readonly coordinatorEpoch: number;
}

export function encodeMarker(marker: TransactionMarker, timestamp: number): EncodableRecord {
  const key = new Uint8Array(KEY_BYTES);
  new DataView(key.buffer).setInt16(2, marker.commit ? TYPE_COMMIT : TYPE_ABORT);
  const value = new Uint8Array(VALUE_BYTES);
  new DataView(value.buffer).setInt32(2, marker.coordinatorEpoch);
  return { key, value, headers: [], timestamp };
}

/** Undefined for control records of other kinds (snapshots and leader changes of KRaft), and for what is no marker. */
export function decodeMarker(key: Uint8Array | null, value: Uint8Array | null): TransactionMarker | undefined {
  if (key === null || value === null || key.length < KEY_BYTES || value.length < VALUE_BYTES) return undefined;
  const type = new DataView(key.buffer, key.byteOffset).getInt16(2);
  if (type !== TYPE_ABORT && type !== TYPE_COMMIT) return undefined;
  return { commit: type === TYPE_COMMIT, coordinatorEpoch: new DataView(value.buffer, value.byteOffset).getInt32(2) };
}
