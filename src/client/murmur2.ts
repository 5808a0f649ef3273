// Kafka's hash of record keys: Austin Appleby's MurmurHash2 (32 bits) with the seed of Kafka's own clients.
// Pure arithmetic; what a partition is belongs to partitioner.ts.

const SEED = 0x9747b28c;
const MULTIPLIER = 0x5bd1e995;
const ROTATION = 24;

/** MurmurHash2 of `bytes` as Kafka's Java client computes it, as a signed 32-bit integer. */
export function murmur2(bytes: Uint8Array): number {
  const length = bytes.length;
  const wordsEnd = length & ~3;
  let hash = SEED ^ length;
  for (let at = 0; at < wordsEnd; at += 4) {
    hash = Math.imul(hash, MULTIPLIER) ^ scramble(littleEndianWord(bytes, at));
  }
  if (wordsEnd < length) hash = Math.imul(hash ^ tail(bytes, wordsEnd), MULTIPLIER);
  hash = Math.imul(hash ^ (hash >>> 13), MULTIPLIER);
  return (hash ^ (hash >>> 15)) | 0;
}

function scramble(word: number): number {
  const product = Math.imul(word, MULTIPLIER);
  return Math.imul(product ^ (product >>> ROTATION), MULTIPLIER);
}

function littleEndianWord(bytes: Uint8Array, at: number): number {
  return (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16) | ((bytes[at + 3] ?? 0) << 24);
}

/** The one to three bytes after the last whole word; absent ones read as zero and change nothing. */
function tail(bytes: Uint8Array, at: number): number {
  return (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16);
}
