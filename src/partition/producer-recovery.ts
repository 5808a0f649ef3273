// Makes producer state anew from the newest snapshot and the batches behind it, and with it the index of aborted
// transactions. Where the log was closed in order the snapshot tells of everything, and no batch is read.

import { ATTRIBUTE_TRANSACTIONAL } from '../../assembly/shared/batch-layout.ts';
import type { Log } from '../storage/log.ts';
import type { ReplayedBatch } from '../storage/producer-files.ts';
import { ProducerStates } from './producer-state.ts';
import { decodeMarker } from './transaction-marker.ts';

export interface RecoverOptions {
  readonly log: Log;
  /** Aborted transactions whose markers stand here or behind are entered into the index anew. */
  readonly indexFrom: number;
  readonly nowMs: number;
  readonly expirationMs: number;
}

export interface RecoveredProducers {
  readonly states: ProducerStates;
  /** Offset of the snapshot that was used, or -1. */
  readonly snapshotOffset: number;
}

/** Throws LogFault ERR_STORAGE, and ERR_CORRUPT_LOG for damage that was not known. */
export function recoverProducers(options: RecoverOptions): RecoveredProducers {
  const { log, indexFrom, nowMs, expirationMs } = options;
  const { producers: files } = log;
  const snapshot = files.newestSnapshot(indexFrom);
  const states = ProducerStates.from(snapshot?.records ?? [], nowMs);
  if (indexFrom < log.logEndOffset) files.truncateAborted(indexFrom);
  const from = snapshot?.offset ?? 0;
  if (from < log.logEndOffset) {
    for (const batch of files.replay(from)) take(options, states, batch);
  }
  states.lastStableOffset(log.logEndOffset);
  states.expire(nowMs, expirationMs);
  return { states, snapshotOffset: snapshot?.offset ?? -1 };
}

function take({ log, indexFrom, nowMs }: RecoverOptions, states: ProducerStates, batch: ReplayedBatch): void {
  const { header, control } = batch;
  const { producerId, producerEpoch, baseSequence, baseOffset, lastOffset, attributes } = header;
  const standing = { baseOffset, timestamp: header.maxTimestamp, nowMs };
  if (!batch.isControl) {
    const isTransactional = (attributes & ATTRIBUTE_TRANSACTIONAL) !== 0;
    const lastOffsetDelta = lastOffset - baseOffset;
    states.note({ producerId, producerEpoch, baseSequence, lastOffsetDelta, isTransactional }, standing);
    return;
  }
  // A control batch that compaction has emptied tells that nothing of its transaction is left.
  const marker = control === undefined ? undefined : decodeMarker(control.key, control.value);
  if (marker === undefined) return;
  const ended = states.noteMarker({ producerId, producerEpoch, ...marker }, standing);
  if (ended !== undefined && !ended.commit && ended.lastOffset >= indexFrom) log.producers.appendAborted(ended);
}
