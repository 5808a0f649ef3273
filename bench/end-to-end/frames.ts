// The frames that the end-to-end rows send, and the checks of what comes back. All made before the clock runs.

import { loadWasmModule } from '../../src/platform/node/wasm-modules.ts';
import { encodeRequestFrame } from '../../src/protocol/headers.ts';
import { produce } from '../../src/protocol/messages/00-produce.ts';
import { fetch } from '../../src/protocol/messages/01-fetch.ts';
import { Kernels } from '../../src/wasm/kernels.ts';
import { RecordBatchEncoder } from '../../src/wasm/record-batch-encoder.ts';

export const PRODUCE_VERSION = 9;
export const FETCH_VERSION = 12;

/** A record batch of 100-byte records, as near to `batchBytes` as whole records come. */
export function batchOf(batchBytes: number): { readonly records: Uint8Array; readonly recordCount: number } {
  const encoder = new RecordBatchEncoder(Kernels.create(loadWasmModule('plain')));
  const timestamp = Date.now();
  let recordCount = 0;
  do {
    const value = new Uint8Array(100).fill(97 + (recordCount % 26));
    encoder.append({ key: null, value, headers: [], timestamp });
    recordCount++;
  } while (encoder.byteCount + 110 <= batchBytes);
  return { records: encoder.finish(), recordCount };
}

export function produceFrame(options: {
  readonly topic: string;
  readonly partition: number;
  readonly records: Uint8Array;
  readonly acks: number;
}): Uint8Array {
  const { topic, partition, records, acks } = options;
  const body = {
    acks,
    timeoutMs: 30_000,
    topicData: [{ name: topic, partitionData: [{ index: partition, records }] }],
  };
  return Buffer.concat(
    encodeRequestFrame(produce, body, { version: PRODUCE_VERSION, correlationId: 1, clientId: 'bench' }),
  );
}

export function fetchFrame(options: {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly maxBytes: number;
}): Uint8Array {
  const { topic, partition, offset, maxBytes } = options;
  const body = {
    replicaId: -1,
    maxWaitMs: 1000,
    minBytes: 1,
    maxBytes,
    isolationLevel: 0,
    topics: [{ topic, partitions: [{ partition, fetchOffset: offset, partitionMaxBytes: maxBytes }] }],
  };
  return Buffer.concat(
    encodeRequestFrame(fetch, body, { version: FETCH_VERSION, correlationId: 1, clientId: 'bench' }),
  );
}

/** Where the error code stands in the answer to {@link produceFrame}: header, arrays of one, name, index. */
export function checkProduced(topic: string, recordBytes: number): (answer: Buffer) => number {
  const position = 4 + 1 + 1 + 1 + topic.length + 1 + 4;
  return (answer) => {
    const errorCode = answer.readInt16BE(position);
    if (errorCode !== 0) throw new Error(`produce was answered with error ${errorCode}`);
    return recordBytes;
  };
}

/** An answer to {@link fetchFrame} holds at least the one batch. */
export function checkFetched(recordBytes: number): (answer: Buffer) => number {
  return (answer) => {
    if (answer.length < recordBytes) throw new Error(`fetch was answered with ${answer.length} bytes only`);
    return recordBytes;
  };
}
