// Where an owner leaves what a read finds: in a file, in memory that was read into before, or in memory that is read into
// now. The first that will do is the cheapest.

import type { ReadLimits } from '../storage/segment-read.ts';
import type { PartitionRead } from './commands.ts';
import type { FileLending } from './file-lending.ts';
import type { ReadAhead, ReadRange, ReadSource } from './read-ahead.ts';

const NO_RECORDS = new Uint8Array(0);
export const NO_RANGE: ReadRange = { records: NO_RECORDS, lent: undefined };

/** Those that there are beside fresh memory. */
export interface ReadPlaces {
  readonly ahead?: ReadAhead | undefined;
  readonly files?: FileLending | undefined;
}

/** Reads, within limits that leave something to be read. Throws LogFault. */
export function readTo(
  { ahead, files }: ReadPlaces,
  partition: ReadSource,
  { read, limits }: { readonly read: PartitionRead; readonly limits: ReadLimits },
): ReadRange {
  const request = { offset: read.offset, ...limits };
  const granted = files?.lend(partition.log, request);
  if (granted !== undefined) return { ...NO_RANGE, granted };
  if (ahead !== undefined) return ahead.read(partition, { ...request, next: read });
  return { records: partition.log.read(request), lent: undefined };
}

/** What was read is not shown after all. */
export function giveBack({ ahead, files }: ReadPlaces, { lent, granted }: ReadRange): void {
  if (lent !== undefined) ahead?.giveBack(lent);
  if (granted !== undefined) files?.takeBack(granted.range.id);
}
