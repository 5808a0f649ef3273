// The same records give the same files, to the byte, on every host: segments, indexes, producer snapshots, checkpoints.
// The hashes were taken once, from the first host. A change of them is a change of the format: see src/storage/FORMAT.md.

import type { Store } from '../../../src/core/platform.ts';
import { same } from './check.ts';
import type { ConformanceCase, ConformanceHost } from './host.ts';
import { contentOf, DIRECTORY, PartitionUnderTest, withPlace } from './partition-under-test.ts';
import { Seeded } from './random.ts';

const BATCHES = 70;

/** By the ending of the files' names. */
const GOLDEN: Readonly<Record<string, string>> = {
  '.index': 'dbd42ca395de8936c88d56fb5db94d0cadcf88b94a16000a27c51f6d2acf6c48',
  '.log': 'bd85fa836ceb6a49244cbc5bf6caf326665b79294f91b04f44f1d757aa50a7dd',
  '.metadata': '4d478d679a83d9854730b773268bfb6c4acfaa40c16de5185ae5d46e2ad7f6c1',
  '.snapshot': '6a2852874bfbcdde6b82d961ac29295468b6f468d8e0c23f4b8aa26f044f009b',
  '.timeindex': '9e85ad64a0018e758438b5074f72d2815c722f65ceefd16b18b4c91fe78f66a3',
  'leader-epoch-checkpoint': '0fb4e1818dc9dab1c5040e18daf19c69f7ee021f94483ec3d9afadc9af0d7b10',
};

function write(host: ConformanceHost, store: Store): void {
  const partition = new PartitionUnderTest(host, store);
  const random = new Seeded(20_240_229);
  let sequence = 0;
  for (let batch = 0; batch < BATCHES; batch++) {
    partition.clock.nowMs += 1 + random.below(50);
    const records = Array.from({ length: 1 + random.below(6) }, () => ({
      key: random.below(3) === 0 ? null : `key ${random.below(20)}`,
      value: random.below(20) === 0 ? null : 'v'.repeat(random.below(90)),
      timestamp: partition.clock.nowMs - random.below(30),
    }));
    const isIdempotent = batch % 3 === 0;
    partition.append(records, isIdempotent ? { producerId: 5, producerEpoch: 1, baseSequence: sequence } : {});
    if (isIdempotent) sequence += records.length;
  }
  partition.partition.close();
}

/** SHA-256 over the names and contents of the files of each kind. */
async function hashes(store: Store): Promise<Record<string, string>> {
  const kinds = new Map<string, Uint8Array[]>();
  for (const { name } of store.list(DIRECTORY)) {
    const kind = name.slice(Math.max(0, name.lastIndexOf('.')));
    const parts = kinds.get(kind) ?? [];
    kinds.set(kind, [...parts, new TextEncoder().encode(name), contentOf(store, `${DIRECTORY}/${name}`)]);
  }
  const found: Record<string, string> = {};
  for (const [kind, parts] of [...kinds].sort(([a], [b]) => (a < b ? -1 : 1))) found[kind] = await sha256(parts);
  return found;
}

async function sha256(parts: readonly Uint8Array[]): Promise<string> {
  const all = new Uint8Array(parts.reduce((bytes, part) => bytes + part.length, 0));
  let position = 0;
  for (const part of parts) {
    all.set(part, position);
    position += part.length;
  }
  const digest = await crypto.subtle.digest('SHA-256', all);
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

export const GOLDEN_CASES: readonly ConformanceCase[] = [
  {
    name: 'the files of a log: the same records give the same bytes as on every other host',
    needs: 'store',
    run: (host) =>
      withPlace(host, 'golden', async (place) => {
        const store = await place.open();
        write(host, store);
        same(await hashes(store), GOLDEN, 'hashes of the files');
        await place.close();
      }),
  },
];
