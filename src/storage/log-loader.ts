// Opens a partition's directory: creates it, takes it up where it was closed, or recovers it after a crash. The decisions
// about torn tails and holes are here; FORMAT.md gives their reasons.

import { LogFault } from '../core/fault.ts';
import { recoverCleaning } from './cleaner-recovery.ts';
import { EpochCheckpoint } from './epoch-checkpoint.ts';
import {
  DELETED_SUFFIX,
  joinPath,
  LOG_SUFFIX,
  logFileBaseOffset,
  segmentFileName,
  TEMPORARY_SUFFIX,
} from './file-names.ts';
import type { LogOptions } from './log-options.ts';
import { OffsetGaps } from './offset-gaps.ts';
import { readTopicId, writeTopicId } from './partition-metadata.ts';
import { Segment, type SegmentHome } from './segment.ts';
import { damageFault } from './segment-read.ts';
import type { Damage, ScanResult } from './segment-scan.ts';
import { SnapshotFiles } from './snapshot-files.ts';
import { SpareFiles } from './spare-files.ts';
import { readTruncation, type Truncation } from './truncation-marker.ts';

export interface LoadedLog {
  readonly home: SegmentHome;
  readonly segments: Segment[];
  readonly logStartOffset: number;
  readonly logEndOffset: number;
  readonly recoveryPoint: number;
  readonly fault: LogFault | undefined;
  /** The directory, or its first segment, was created just now. */
  readonly created: boolean;
  /** The log end was taken from the checkpoint and the index; no batch was looked at. */
  readonly trustsCleanEnd: boolean;
  /** Base offset of the first segment that was read; the log end where none was. */
  readonly inspectedFrom: number;
  readonly snapshots: SnapshotFiles;
  /** A cut whose old recovery point may still be on record. */
  readonly truncation: Truncation | undefined;
}

export function loadLog(options: LogOptions, endOffsetOf: (segment: Segment) => number): LoadedLog {
  return new LogLoader(options, endOffsetOf).load();
}

class LogLoader {
  readonly #options: LogOptions;
  readonly #home: SegmentHome;
  readonly #isNew: boolean;
  readonly #segments: Segment[];
  readonly #truncation: Truncation | undefined;
  readonly #snapshots: SnapshotFiles;
  #inspectedFrom: number | undefined;
  /** As it was given, but for a cut that it does not know of. */
  readonly #recoveryPoint: number;
  #fault: LogFault | undefined;

  constructor(options: LogOptions, endOffsetOf: (segment: Segment) => number) {
    const { store, kernels, codecs, directory, config } = options;
    this.#options = options;
    const found = store.list(directory).flatMap((entry) => (entry.isDirectory ? [] : [entry.name]));
    this.#isNew = this.#claimDirectory(found);
    this.#removeLeftovers(found);
    const gaps = OffsetGaps.load(store, directory);
    const names = recoverCleaning({ store, kernels, directory, gaps }, found);
    const epochs = EpochCheckpoint.load(store, directory);
    const spares = new SpareFiles(store, directory);
    this.#home = { store, kernels, codecs, directory, config, endOffsetOf, epochs, gaps, spares };
    this.#segments = this.#findSegments(names);
    this.#home.gaps.boundForeign(this.#segments.at(-1)?.baseOffset ?? 0);
    this.#snapshots = new SnapshotFiles(this.#home, directory, names);
    this.#truncation = readTruncation(store, directory);
    this.#recoveryPoint = Math.min(options.recoveryPoint, this.#truncation?.logEndOffset ?? options.recoveryPoint);
  }

  load(): LoadedLog {
    if (this.#segments.length === 0) return this.#create();
    return this.#resume() ?? this.#recover();
  }

  /** Makes sure that the directory is this topic's; returns whether it is new. */
  #claimDirectory(names: readonly string[]): boolean {
    const { store, directory, topicId } = this.#options;
    const owner = names.length === 0 ? undefined : readTopicId(store, directory);
    if (owner !== undefined && owner !== topicId) {
      throw new LogFault('ERR_CORRUPT_LOG', `${directory} belongs to topic id ${owner}, not to ${topicId}`);
    }
    if (owner !== undefined) return false;
    if (names.length === 0) store.createDirectory(directory);
    writeTopicId(store, directory, topicId);
    return names.length === 0;
  }

  #removeLeftovers(names: readonly string[]): void {
    const { store, directory } = this.#options;
    const suffixes = [DELETED_SUFFIX, TEMPORARY_SUFFIX];
    for (const name of names) {
      if (suffixes.some((suffix) => name.endsWith(suffix))) store.remove(joinPath(directory, name));
    }
  }

  #findSegments(names: readonly string[]): Segment[] {
    const { store, directory, clock } = this.#options;
    const nowMs = clock.now();
    const baseOffsets = names.map(logFileBaseOffset).filter((offset) => offset !== undefined);
    baseOffsets.sort((a, b) => a - b);
    return baseOffsets.map((baseOffset) => {
      const file = store.open(joinPath(directory, segmentFileName(baseOffset, LOG_SUFFIX)), { create: false });
      const sizeBytes = file.size();
      file.close();
      return new Segment(this.#home, { baseOffset, sizeBytes, nowMs });
    });
  }

  #create(): LoadedLog {
    const { logStartOffset, directory, clock } = this.#options;
    const recoveryPoint = this.#recoveryPoint;
    if (!this.#isNew && recoveryPoint > logStartOffset) {
      const reason = `no segment is left of a log that was flushed up to offset ${recoveryPoint}`;
      throw new LogFault('ERR_CORRUPT_LOG', `${directory}: ${reason}`);
    }
    const start = Math.max(0, logStartOffset);
    this.#segments.push(Segment.create(this.#home, { baseOffset: start, nowMs: clock.now() }));
    return this.#loaded({ logEndOffset: start, recoveryPoint: start, created: true, trustsCleanEnd: false });
  }

  /** Takes the log up where it was closed in order; undefined where anything speaks against it. */
  #resume(): LoadedLog | undefined {
    const { cleanShutdown, recoveryPoint } = this.#options;
    const active = this.#segments.at(-1);
    if (!cleanShutdown || active === undefined || this.#needsEpochs()) return undefined;
    const end = active.sizeBytes === 0 ? active.baseOffset : this.#cleanEnd(active);
    if (end !== recoveryPoint || recoveryPoint < this.#options.logStartOffset) return undefined;
    return this.#loaded({ logEndOffset: end, recoveryPoint, created: false, trustsCleanEnd: true });
  }

  /** Log end by the last index entry, which closing in order has written; undefined where it cannot be right. */
  #cleanEnd(active: Segment): number | undefined {
    const last = active.offsetIndex.isWhole() ? active.offsetIndex.last() : undefined;
    active.release();
    if (last === undefined || last.position < 0 || last.position >= active.sizeBytes) return undefined;
    active.resume(last);
    return last.offset + 1;
  }

  /** Inspects from the segment that holds the recovery point to the end of the log. */
  #recover(): LoadedLog {
    const { epochs } = this.#home;
    const rebuildsEpochs = this.#needsEpochs();
    const first = rebuildsEpochs ? 0 : this.#firstToInspect();
    let end = 0;
    this.#inspectedFrom = this.#segments[first]?.baseOffset;
    for (let index = first; index < this.#segments.length; index++) {
      const segment = this.#segments[index];
      if (segment === undefined) break;
      end = this.#recoverSegment(segment, index, rebuildsEpochs ? 'note' : 'check');
    }
    for (const segment of this.#segments.slice(first, -1)) segment.seal();
    if (this.#fault === undefined && this.#options.logStartOffset > end) end = this.#restart();
    if (this.#fault === undefined) {
      if (rebuildsEpochs) epochs.save();
      epochs.truncateFromEnd(end);
    }
    const flushedEnd = this.#fault === undefined ? end : this.#firstDamagedOffset(end);
    const recoveryPoint = Math.max(0, Math.min(this.#recoveryPoint, flushedEnd));
    return this.#loaded({ logEndOffset: end, recoveryPoint, created: false, trustsCleanEnd: false });
  }

  /** The leader epoch checkpoint is missing or broken, and there are batches that it should speak of. */
  #needsEpochs(): boolean {
    return this.#home.epochs.needsRebuild && this.#segments.some((segment) => segment.sizeBytes > 0);
  }

  /**
   * The segment of the last flushed record. Where that ends a segment, the segment may have been sealed after the flush,
   * and its indexes are then as unsure as what follows.
   */
  #firstToInspect(): number {
    const after = this.#segments.findIndex((segment) => segment.baseOffset >= this.#recoveryPoint);
    return Math.max(0, (after < 0 ? this.#segments.length : after) - 1);
  }

  /** Returns the offset at which the log ends, as far as it was seen. */
  #recoverSegment(segment: Segment, index: number, epochs: 'check' | 'note'): number {
    const fileBytes = segment.sizeBytes;
    const result = segment.inspect(fileBytes, epochs);
    segment.trustedFrom = segment.sizeBytes;
    segment.unflushed = result.nextOffset > this.#recoveryPoint;
    for (const damage of result.damages) this.#damaged(segment, damage);
    const next = this.#segments[index + 1];
    const laterBytes = this.#segments.slice(index + 1).some((later) => later.sizeBytes > 0);
    const followed = next !== undefined && result.tail === undefined && this.#follows(result.nextOffset, next);
    if (next !== undefined && (laterBytes || followed)) {
      this.#requireContact(segment, result, { nextOffset: next.baseOffset, fileBytes });
      return next.baseOffset;
    }
    this.#endAt(segment, result, fileBytes);
    if (next !== undefined) this.#dropEmptyBehind(index, result.nextOffset);
    return result.nextOffset;
  }

  /** Whether an empty segment stands where it must: behind a gap that Kafka's cleaner left. */
  #follows(nextOffset: number, next: Segment): boolean {
    return nextOffset < next.baseOffset && this.#home.gaps.allowAtEnd(nextOffset, next.baseOffset);
  }

  /** A segment that others with data follow must end where the next begins. */
  #requireContact(segment: Segment, result: ScanResult, bounds: { nextOffset: number; fileBytes: number }): void {
    const { nextOffset, fileBytes } = bounds;
    if (result.tail === undefined && this.#home.gaps.allowAtEnd(result.nextOffset, nextOffset)) return;
    const reason = result.tail?.reason ?? `the segment ends here, but the next one begins at offset ${nextOffset}`;
    const { position, nextOffset: offset } = result;
    const damage = { position, end: fileBytes, offset, nextOffset: Math.max(offset, nextOffset), reason };
    segment.damages = [...segment.damages, damage];
    segment.sizeBytes = fileBytes;
    this.#damaged(segment, damage);
  }

  /** The log ends in this segment: a torn tail is cut, unless it is more than that. */
  #endAt(segment: Segment, result: ScanResult, fileBytes: number): void {
    const { tail, position, nextOffset } = result;
    const recoveryPoint = this.#recoveryPoint;
    const lost = nextOffset < recoveryPoint;
    if (lost || tail?.intact === true) {
      const ending = lost ? `the log was flushed up to offset ${recoveryPoint}, but ends here` : 'the batch is altered';
      const reason = tail === undefined ? ending : `${tail.reason}; ${ending}`;
      const damage = {
        position,
        end: fileBytes,
        offset: nextOffset,
        nextOffset: Math.max(nextOffset + 1, recoveryPoint),
        reason,
      };
      this.#damaged(segment, damage);
      return;
    }
    if (tail !== undefined && this.#fault === undefined) segment.truncateFile();
  }

  /** Empty segments behind a log that ends earlier were created by a roll that did not reach the disk whole. */
  #dropEmptyBehind(index: number, endOffset: number): void {
    if (this.#fault !== undefined) return;
    for (const segment of this.#segments.slice(index + 1).toReversed()) {
      if (segment.baseOffset === endOffset && segment === this.#segments[index + 1]) return;
      segment.removeFiles();
      this.#segments.pop();
    }
  }

  /** Nothing at or above the log start offset is left: the log begins anew there. */
  #restart(): number {
    const { logStartOffset, clock } = this.#options;
    for (const segment of this.#segments.toReversed()) segment.removeFiles();
    this.#segments.length = 0;
    this.#segments.push(Segment.create(this.#home, { baseOffset: logStartOffset, nowMs: clock.now() }));
    // A transaction that was open in one of them may have ended in what is lost.
    this.#snapshots.remove(() => true);
    return logStartOffset;
  }

  #firstDamagedOffset(end: number): number {
    const offsets = this.#segments.flatMap((segment) => segment.damages.map((damage) => damage.offset));
    return Math.min(end, ...offsets);
  }

  #damaged(segment: Segment, damage: Damage): void {
    this.#fault ??= damageFault(segment.path, damage);
  }

  #loaded(end: { logEndOffset: number; recoveryPoint: number; created: boolean; trustsCleanEnd: boolean }): LoadedLog {
    const firstOffset = this.#segments[0]?.baseOffset ?? 0;
    const logStartOffset = Math.min(Math.max(this.#options.logStartOffset, firstOffset), end.logEndOffset);
    this.#home.epochs.truncateFromStart(logStartOffset);
    return {
      home: this.#home,
      segments: this.#segments,
      logStartOffset,
      fault: this.#fault,
      truncation: this.#truncation,
      inspectedFrom: this.#inspectedFrom ?? end.logEndOffset,
      snapshots: this.#snapshots,
      ...end,
    };
  }
}
