// By what a script and its code cache are known to belong together.

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';

const DIGEST_CHARACTERS = 16;
const ASCII_END = 0x80;

/** Throws where the script is not in ASCII, because src/platform/node/cached-script.ts reads no other. */
export function scriptDigest(file: string): string {
  const bytes = readFileSync(file);
  if (bytes.some((byte) => byte >= ASCII_END)) throw new Error(`${file} is not in ASCII`);
  return createHash('sha256').update(bytes).digest('hex').slice(0, DIGEST_CHARACTERS);
}
