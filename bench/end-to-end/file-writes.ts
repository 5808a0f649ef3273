// The floor under every log: one thread that appends the same batches to files of a segment's size, with nothing else.

import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const SEGMENT_BYTES = 1024 * 1024 * 1024;

/** Bytes per second. */
export function fileWriteRate(batch: Uint8Array, durationMs: number): number {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-file-writes-'));
  const startedAt = performance.now();
  let bytes = 0;
  let segment = openSync(join(directory, 'segment-0'), 'w');
  let position = 0;
  while (performance.now() - startedAt < durationMs) {
    if (position + batch.length > SEGMENT_BYTES) {
      closeSync(segment);
      segment = openSync(join(directory, `segment-${bytes}`), 'w');
      position = 0;
    }
    position += writeSync(segment, batch, 0, batch.length, position);
    bytes += batch.length;
  }
  const seconds = (performance.now() - startedAt) / 1000;
  closeSync(segment);
  rmSync(directory, { recursive: true });
  return bytes / seconds;
}
