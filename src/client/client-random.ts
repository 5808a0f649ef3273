// The randomness that a client uses when none is given: Web Crypto, which every host of the client has.

import type { Random } from '../core/platform.ts';

const UUID_BYTES = 16;

export const STANDARD_RANDOM: Random = {
  uint32: () => crypto.getRandomValues(new Uint32Array(1))[0] ?? 0,
  uuid: () => crypto.getRandomValues(new Uint8Array(UUID_BYTES)),
};
