// `truncation-checkpoint`: there between a cut of the log below its recovery point and the next time that everything is
// flushed up to the old one. The data directory's recovery point is written elsewhere and later, so it may still be the
// old one after a crash; without this file the cut would then look like the loss of flushed records. Kafka ignores it.
//
//   0                     version
//   1                     entries
//   1200 1950             log end after the cut, recovery point before it
//
// Crash policy: replaced as a whole, on stable storage before the cut. One that does not parse counts for nothing: the
// log is then held to the recovery point as it was given.

import type { Store } from '../core/platform.ts';
import { joinPath } from './file-names.ts';

const TRUNCATION_FILE = 'truncation-checkpoint';

export interface Truncation {
  readonly logEndOffset: number;
  readonly recoveryPointBefore: number;
}

export function readTruncation(store: Store, directory: string): Truncation | undefined {
  const content = store.readSmall(joinPath(directory, TRUNCATION_FILE));
  const match = /^0\n1\n([0-9]+) ([0-9]+)\n$/.exec(new TextDecoder().decode(content));
  return match === null ? undefined : { logEndOffset: Number(match[1]), recoveryPointBefore: Number(match[2]) };
}

export function writeTruncation(store: Store, directory: string, truncation: Truncation): void {
  const { logEndOffset, recoveryPointBefore } = truncation;
  const content = new TextEncoder().encode(`0\n1\n${logEndOffset} ${recoveryPointBefore}\n`);
  store.replaceSmall(joinPath(directory, TRUNCATION_FILE), content);
  store.flushDirectory(directory);
}

export function removeTruncation(store: Store, directory: string): void {
  store.remove(joinPath(directory, TRUNCATION_FILE));
}
