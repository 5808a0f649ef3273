// The data directory's checkpoint files, in Kafka's text form: one offset for each partition directory.
//
//   0                          version
//   2                          entries
//   orders 0 1200              topic, partition, offset
//   orders 1 0
//
// Crash policy: replaced as a whole (old or new). A recovery point that is too low costs time at the next start, nothing
// else; one that is too high would hide what was not flushed, so it is only written after the flush.

import { LogFault } from '../core/fault.ts';
import type { Store } from '../core/platform.ts';

export const RECOVERY_POINT_FILE = 'recovery-point-offset-checkpoint';
export const LOG_START_FILE = 'log-start-offset-checkpoint';
/** Kafka's cleaner writes it: the first offset that is not cleaned. Read alone; offset-gaps.ts says what for. */
export const CLEANER_OFFSET_FILE = 'cleaner-offset-checkpoint';

/** Offsets by partition directory, `<topic>-<partition>`. */
export type OffsetCheckpoint = ReadonlyMap<string, number>;

/** Throws ERR_DATA_DIRECTORY_UNREADABLE where the file does not parse; an absent one is empty. */
export function readCheckpoint(store: Store, path: string): Map<string, number> {
  const content = store.readSmall(path);
  if (content === undefined) return new Map();
  const lines = new TextDecoder().decode(content).split('\n');
  const body = lines.slice(2, -1);
  const framed = lines[0] === '0' && lines.at(-1) === '' && lines[1] === String(body.length);
  if (!framed) throw unreadable(path, 'its version, count or end is wrong');
  const offsets = new Map<string, number>();
  for (const line of body) {
    const match = /^(\S+) ([0-9]+) ([0-9]+)$/.exec(line);
    const offset = Number(match?.[3]);
    if (match === null || !Number.isSafeInteger(offset)) throw unreadable(path, `line "${line}" is no entry`);
    offsets.set(`${match[1]}-${match[2]}`, offset);
  }
  return offsets;
}

/** On stable storage when it returns. */
export function writeCheckpoint(store: Store, path: string, offsets: OffsetCheckpoint): void {
  const lines = [...offsets].map(([directory, offset]) => {
    const { topic, partition } = parsePartitionDirectory(directory) ?? { topic: directory, partition: 0 };
    return `${topic} ${partition} ${offset}\n`;
  });
  store.replaceSmall(path, new TextEncoder().encode(`0\n${lines.length}\n${lines.join('')}`));
  store.flushDirectory('');
}

/** Topic and partition of a directory's name, or undefined where it is not a partition's. */
export function parsePartitionDirectory(name: string): { topic: string; partition: number } | undefined {
  const match = /^([A-Za-z0-9._-]+)-([0-9]+)$/.exec(name);
  return match?.[1] === undefined ? undefined : { topic: match[1], partition: Number(match[2]) };
}

function unreadable(path: string, reason: string): LogFault {
  return new LogFault('ERR_DATA_DIRECTORY_UNREADABLE', `${path}: ${reason}`);
}
