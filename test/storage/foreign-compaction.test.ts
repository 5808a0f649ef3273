// Segments that Kafka's cleaner wrote: gaps anywhere, also before the first batch and behind the last, and an index whose
// last entry need not be the last batch's, or that is empty.

import { expect, test } from 'vitest';
import { MemoryStore } from '../../src/storage/memory-store.ts';
import { append, DIRECTORY, FIRST_LOG, openLog, readAll } from './fixture.ts';

/** Six batches of one record each. */
const SEGMENT_BYTES = 6 * 74;
const INDEX = `${DIRECTORY}/00000000000000000000.index`;

/** Offsets 0 to 5 in one segment and 6 in another, without what a cleaner took out of the first: offsets 0, 3 and 5. */
function compactedByKafka(indexed: readonly number[]): MemoryStore {
  const store = new MemoryStore();
  const log = openLog(store, { config: { segmentBytes: SEGMENT_BYTES } });
  const batches = [0, 1, 2, 3, 4, 5].map((offset) => append(log, { value: `of ${offset}` }));
  append(log, { value: 'of 6' });
  log.close();
  const kept = [1, 2, 4];
  const index = new DataView(new ArrayBuffer(indexed.length * 8));
  let position = 0;
  for (const offset of kept) {
    const entry = indexed.indexOf(offset);
    if (entry >= 0) index.setInt32(entry * 8, offset);
    if (entry >= 0) index.setInt32(entry * 8 + 4, position);
    position += batches[offset]?.length ?? 0;
  }
  store.put(FIRST_LOG, Uint8Array.from(kept.flatMap((offset) => [...(batches[offset] ?? [])])));
  store.put(INDEX, new Uint8Array(index.buffer));
  store.put('cleaner-offset-checkpoint', new TextEncoder().encode('0\n1\norders 0 6\n'));
  return store;
}

test.each([[[]], [[1]], [[2]], [[1, 2]], [[4]]])('everything left is read, with index entries for %j', (indexed) => {
  for (let offset = 0; offset <= 6; offset++) {
    const log = openLog(compactedByKafka(indexed), { recoveryPoint: 7, cleanShutdown: true });
    const expected = [1, 2, 4, 6].filter((each) => each >= offset);
    expect(readAll(log, offset).map((each) => each.offset)).toEqual(expected);
    // One batch at a time, so that each read is located or hinted anew.
    expect(readAll(log, offset, 1).map((each) => each.offset)).toEqual(expected);
  }
});
