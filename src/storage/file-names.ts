// Names of the files in a partition's directory, as Kafka gives them: the base offset in 20 digits, then the kind.

/** Decimal digits of the base offset in a segment's file names. */
const OFFSET_DIGITS = 20;

export const LOG_SUFFIX = '.log';
export const OFFSET_INDEX_SUFFIX = '.index';
export const TIME_INDEX_SUFFIX = '.timeindex';
export const TRANSACTION_INDEX_SUFFIX = '.txnindex';
/** Stands for an offset, not for a segment: the producers of the log up to there. */
export const SNAPSHOT_SUFFIX = '.snapshot';
/** Every file that lives and dies with a segment. */
export const SEGMENT_SUFFIXES = [LOG_SUFFIX, OFFSET_INDEX_SUFFIX, TIME_INDEX_SUFFIX, TRANSACTION_INDEX_SUFFIX] as const;

/** Appended to the files of a segment that retention took out. */
export const DELETED_SUFFIX = '.deleted';
/** Behind a number, the name of a file that is kept for its place in the file system; ends as those that go at open. */
export const SPARE_SUFFIX = '.spare.deleted';
/** Appended to the files of a segment that compaction writes; worthless once nobody does. */
export const CLEANED_SUFFIX = '.cleaned';
/** Appended when that segment is whole and about to take the place of others. */
export const SWAP_SUFFIX = '.swap';
/** A small file on its way to be replaced (`Store.replaceSmall`). */
export const TEMPORARY_SUFFIX = '.tmp';
/** Ends the name of a partition directory that is being removed. */
export const DELETED_DIRECTORY_SUFFIX = '-delete';

export const LEADER_EPOCH_FILE = 'leader-epoch-checkpoint';
export const PARTITION_METADATA_FILE = 'partition.metadata';

/** `00000000000000000042.log` for 42 and `.log`. */
export function segmentFileName(baseOffset: number, suffix: string): string {
  return `${String(baseOffset).padStart(OFFSET_DIGITS, '0')}${suffix}`;
}

/** Base offset of a `.log` file's name, or undefined where the name is not one. */
export function logFileBaseOffset(name: string): number | undefined {
  return offsetOfName(name, LOG_SUFFIX);
}

/** Base offset of any file that belongs to a segment or its snapshot, whatever is appended to its name. */
export function fileOffset(name: string): number | undefined {
  return /^[0-9]{20}\.[a-z]+(\.[a-z]+)?$/.test(name) ? safeOffset(name.slice(0, OFFSET_DIGITS)) : undefined;
}

/** Offset of a `.snapshot` file's name, or undefined where the name is not one. */
export function snapshotFileOffset(name: string): number | undefined {
  return offsetOfName(name, SNAPSHOT_SUFFIX);
}

function offsetOfName(name: string, suffix: string): number | undefined {
  if (name.length !== OFFSET_DIGITS + suffix.length || !name.endsWith(suffix)) return undefined;
  const digits = name.slice(0, OFFSET_DIGITS);
  return /^[0-9]+$/.test(digits) ? safeOffset(digits) : undefined;
}

function safeOffset(digits: string): number | undefined {
  const baseOffset = Number(digits);
  return Number.isSafeInteger(baseOffset) ? baseOffset : undefined;
}

/** Joins a directory and a name; the root of a store is the empty string. */
export function joinPath(directory: string, name: string): string {
  return directory === '' ? name : `${directory}/${name}`;
}

/** Directory part of a path; the empty string at the root. */
export function parentPath(path: string): string {
  const slash = path.lastIndexOf('/');
  return slash < 0 ? '' : path.slice(0, slash);
}
