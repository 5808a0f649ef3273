// The keys and values that a load writes, made before it begins: making them must not be what is measured.

import { readFileSync } from 'node:fs';
import { LogFault } from '../../core/fault.ts';
import type { RecordSettings } from './plan.ts';

/** Different values, so that compression does not find the same one over and over within its window. */
const VALUES = 1024;
/** Bytes of all values together at most, but for one. */
const VALUE_BYTES_MAX = 16 * 1024 * 1024;
/** Keys that are kept ready; there may be more of them, which are then made as they are written. */
const KEYS_READY_MAX = 100_000;
const LETTER_A = 65;
const LETTERS = 26;
const NEWLINE = 10;

export class RecordSource {
  readonly #values: readonly Uint8Array[];
  readonly #keys: readonly Uint8Array[];
  readonly #keyCount: number;
  #value = 0;
  #key: number;

  /** `first` and `step` deal the keys out to clients: each writes every `step`th, from its `first` on. */
  constructor(settings: RecordSettings, { first, step }: { readonly first: number; readonly step: number }) {
    this.#values = settings.payloadFile === undefined ? letters(settings.recordBytes) : linesOf(settings.payloadFile);
    this.#keyCount = settings.keys ?? 0;
    this.#keys = Array.from({ length: Math.min(this.#keyCount, KEYS_READY_MAX) }, (_, index) => keyOf(index));
    this.#key = first;
    this.#step = step;
  }

  readonly #step: number;

  /** The next value; not to be changed. */
  value(): Uint8Array {
    const value = this.#values[this.#value] ?? new Uint8Array(0);
    this.#value = this.#value + 1 === this.#values.length ? 0 : this.#value + 1;
    return value;
  }

  /** The key that goes with it; null where records have none. */
  key(): Uint8Array | null {
    if (this.#keyCount === 0) return null;
    const index = this.#key % this.#keyCount;
    this.#key += this.#step;
    return this.#keys[index] ?? keyOf(index);
  }
}

function keyOf(index: number): Uint8Array {
  return Buffer.from(`key-${index}`);
}

/** Random capital letters, as those of Kafka's kafka-producer-perf-test. */
function letters(bytes: number): Uint8Array[] {
  const count = Math.max(1, Math.min(VALUES, Math.floor(VALUE_BYTES_MAX / Math.max(bytes, 1))));
  const pool = Uint8Array.from({ length: count * bytes }, () => LETTER_A + Math.floor(Math.random() * LETTERS));
  return Array.from({ length: count }, (_, index) => pool.subarray(index * bytes, (index + 1) * bytes));
}

function linesOf(file: string): Uint8Array[] {
  const bytes = read(file);
  const lines: Uint8Array[] = [];
  for (let start = 0; start < bytes.length; ) {
    const newline = bytes.indexOf(NEWLINE, start);
    const end = newline < 0 ? bytes.length : newline;
    lines.push(bytes.subarray(start, end));
    start = end + 1;
  }
  if (lines.length === 0) throw new LogFault('ERR_USAGE', `--payload-file ${file} has no lines`);
  return lines;
}

function read(file: string): Uint8Array {
  try {
    return readFileSync(file);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new LogFault('ERR_USAGE', `--payload-file ${file} cannot be read: ${reason}`, error);
  }
}
