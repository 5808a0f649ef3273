// Opens what an owner has lent of its files, on the thread that sends it.

import { closeSync, fstatSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { FileRange } from '../../core/file-range.ts';
import type { LentRange } from '../../partition/commands.ts';
import type { OpenRange } from '../../partition/group.ts';

/** Undefined where the file is not there any more, or another one has its name. */
export function openRange(storeRoot: string, { path, identity, position, length }: LentRange): OpenRange | undefined {
  let descriptor: number;
  try {
    descriptor = openSync(join(storeRoot, path), 'r');
  } catch {
    // Whatever it was, the owner meets it too when it is asked for the bytes, and says so.
    return undefined;
  }
  if (fstatSync(descriptor, { bigint: true }).ino !== identity) {
    closeSync(descriptor);
    return undefined;
  }
  return { file: new FileRange(descriptor, position, length), close: () => closeSync(descriptor) };
}
