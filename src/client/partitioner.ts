// Which partition a record goes to, as Kafka's own producers decide: by the hash of the key, and without a key to one
// partition after another, staying with each for a batch (KIP-480).

import type { Random } from '../core/platform.ts';
import { murmur2 } from './murmur2.ts';

/** Chooses partitions for one topic. */
export class TopicPartitioner {
  readonly #random: Random;
  #sticky = -1;

  constructor(random: Random) {
    this.#random = random;
  }

  /** A partition below `partitionCount` for a record with this key. */
  choose(key: Uint8Array | null, partitionCount: number): number {
    if (key !== null) return partitionOfKey(key, partitionCount);
    if (this.#sticky < 0 || this.#sticky >= partitionCount) this.#sticky = this.#random.uint32() % partitionCount;
    return this.#sticky;
  }

  /** A batch of the sticky partition is full or on its way: records without a key go on with another partition. */
  moveOn(partitionCount: number): void {
    if (partitionCount < 2) return;
    const step = 1 + (this.#random.uint32() % (partitionCount - 1));
    this.#sticky = (Math.max(this.#sticky, 0) + step) % partitionCount;
  }
}

/** The partition of a key, the same one that Kafka's default partitioner gives it. */
export function partitionOfKey(key: Uint8Array, partitionCount: number): number {
  return (murmur2(key) & 0x7fffffff) % partitionCount;
}
