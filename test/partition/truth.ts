// What a log's batches say of producers and transactions, worked out from all of them at once: the reference that a
// partition's own state is held against.

import { RecordBatchDecoder } from '../../src/wasm/record-batch-decoder.ts';
import { kernels } from '../storage/fixture.ts';
import type { LogPartition } from './log-partition.ts';

/** What was appended, in order: the whole truth about a partition's producers. */
export interface Written {
  readonly base: number;
  readonly last: number;
  readonly id: number;
  readonly epoch: number;
  readonly sequence: number;
  readonly transactional: boolean;
  readonly marker: { readonly commit: boolean; readonly coordinator: number } | undefined;
}

export interface Transaction {
  readonly id: number;
  readonly first: number;
  readonly marker: number;
  readonly aborted: boolean;
}

/** Producers and transactions of a log, from its first batch on. */
export function truthOf(log: readonly Written[]) {
  const producers = new Map<number, { epoch: number; sequence: number; coordinator: number; open: number }>();
  const ended: Transaction[] = [];
  for (const { id, epoch, base, last, sequence, transactional, marker } of log) {
    const known = producers.get(id) ?? { epoch, sequence: -1, coordinator: -1, open: -1 };
    const sameEpoch = known.epoch === epoch ? known.sequence : -1;
    if (marker === undefined) {
      const open = known.open < 0 && transactional ? base : known.open;
      producers.set(id, { ...known, epoch, sequence: sequence + last - base, open });
    } else {
      if (known.open >= 0) ended.push({ id, first: known.open, marker: base, aborted: !marker.commit });
      producers.set(id, { epoch, sequence: sameEpoch, coordinator: marker.coordinator, open: -1 });
    }
  }
  const open = [...producers.values()].map((producer) => producer.open).filter((offset) => offset >= 0);
  return { producers, ended, stable: Math.min((log.at(-1)?.last ?? -1) + 1, ...open) };
}

/** Every batch that the log holds. */
export function writtenIn(partition: LogPartition): Written[] {
  const decoder = new RecordBatchDecoder(kernels);
  const written: Written[] = [];
  for (let offset = 0; offset < partition.end; ) {
    const { records } = partition.read(offset, 1 << 20, 'high-watermark');
    for (const batch of decoder.batches(records)) {
      const [control] = batch.isControl ? batch.records() : [];
      const marker =
        control === undefined
          ? undefined
          : { commit: control.key?.[3] === 1, coordinator: int32(control.value ?? new Uint8Array(6)) };
      written.push({
        base: batch.baseOffset,
        last: batch.lastOffset,
        id: batch.producerId,
        epoch: batch.producerEpoch,
        sequence: batch.baseSequence,
        transactional: batch.isTransactional,
        marker,
      });
      offset = batch.lastOffset + 1;
    }
  }
  return written;
}

function int32(value: Uint8Array): number {
  return new DataView(value.buffer, value.byteOffset).getInt32(2);
}
