// Random numbers and bytes from a seed, the same in every runtime.

import { SeededRandom } from '../../support/seeded-random.ts';

export class Seeded extends SeededRandom {
  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.below(256));
  }
}
