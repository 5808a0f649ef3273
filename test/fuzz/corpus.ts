// The corpus: inputs that every run replays. Inputs that found a bug are kept there, named for it.

import { readFileSync } from 'node:fs';
import { bytesOf } from '../protocol/golden-frames.ts';

function lines<Line>(file: string): Line[] {
  const text = readFileSync(new URL(`../corpus/${file}`, import.meta.url), 'utf8');
  return text
    .trimEnd()
    .split('\n')
    .map((line): Line => JSON.parse(line));
}

export function corpusRequests(): { readonly name: string; readonly frame: Uint8Array }[] {
  return lines<{ name: string; hex: string }>('requests.jsonl').map(({ name, hex }) => ({ name, frame: bytesOf(hex) }));
}

export function corpusMessages(): { readonly name: string; readonly text: string }[] {
  return lines('json.jsonl');
}
