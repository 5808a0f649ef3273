// The batches that Kafka's Java client made (golden/Golden.java).

import { readFileSync } from 'node:fs';
import type { CodecName } from '../../src/core/compression.ts';

export interface GoldenBatch {
  readonly codec: CodecName;
  readonly level: string;
  readonly records: 'few' | 'text' | 'noise';
  /** SHA-256 of the records part before it was compressed, and its size. */
  readonly plain: string;
  readonly plainBytes: number;
  readonly batch: Uint8Array;
}

export function goldenBatches(): GoldenBatch[] {
  const lines = readFileSync(new URL('golden/batches.jsonl', import.meta.url), 'utf8')
    .trim()
    .split('\n');
  return lines.map((line) => {
    const parsed: GoldenBatch & { batch: string } = JSON.parse(line);
    return { ...parsed, batch: new Uint8Array(Buffer.from(parsed.batch, 'base64')) };
  });
}
