// Texts that come again and again (client ids, names of topics, groups and members): equal bytes give the string that
// they gave last time, whose hash is known too. It holds a fixed number of short texts, and knows no encoding.

/** Texts longer than this are not kept. */
const TEXT_BYTES_MAX = 128;
const ENTRIES = 512;

interface Entry {
  readonly bytes: Uint8Array;
  readonly text: string;
}

export class TextCache {
  readonly #entries = new Array<Entry | undefined>(ENTRIES).fill(undefined);

  /** The text that these bytes gave, or undefined where it is not known. */
  find(bytes: Uint8Array, at: number, length: number): string | undefined {
    const entry = this.#entries[placeOf(bytes, at, length)];
    if (entry === undefined || entry.bytes.length !== length) return undefined;
    const known = entry.bytes;
    for (let index = 0; index < length; index++) if (known[index] !== bytes[at + index]) return undefined;
    return entry.text;
  }

  /** Keeps what these bytes give, in the place of another text. */
  keep(bytes: Uint8Array, text: string): void {
    if (bytes.length === 0 || bytes.length > TEXT_BYTES_MAX) return;
    this.#entries[placeOf(bytes, 0, bytes.length)] = { bytes: bytes.slice(), text };
  }
}

/** From the length, the first byte and the last four, in which numbered names differ. */
function placeOf(bytes: Uint8Array, at: number, length: number): number {
  let hash = length * 31 + (bytes[at] ?? 0);
  for (let index = Math.max(at, at + length - 4); index < at + length; index++) {
    hash = Math.imul(hash, 33) ^ (bytes[index] ?? 0);
  }
  return (hash ^ (hash >>> 9)) & (ENTRIES - 1);
}
