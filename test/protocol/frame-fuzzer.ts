// Seeded hostile frames: golden frames with bytes changed, cut, moved and mixed. Reusable for every place that takes
// frames: the codec here, listeners with whole request frames. One seed gives one sequence, on every machine.

import { LogFault } from '../../src/core/fault.ts';
import { readRequestHeader, requestHeaderVersion, writeRequestHeader } from '../../src/protocol/headers.ts';
import { findApi } from '../../src/protocol/messages/registry.ts';
import { Reader } from '../../src/protocol/reader.ts';
import { flatten, Writer } from '../../src/protocol/writer.ts';
import { allGoldenFrames, decode, encode, type GoldenFrame, hexOf } from './golden-frames.ts';

/** A pseudo-random sequence (mulberry32): `next(n)` is an integer from 0 up to n, exclusive. */
export class SeededRandom {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  next(end: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296) * end);
  }

  pick<T>(values: readonly T[]): T {
    const value = values[this.next(values.length)];
    if (value === undefined) throw new RangeError('nothing to pick from');
    return value;
  }
}

const INTERESTING_BYTES = [0x00, 0x01, 0x02, 0x7f, 0x80, 0xff];
const INTERESTING_RUNS = [
  [0x7f, 0xff, 0xff, 0xff],
  [0x80, 0x00, 0x00, 0x00],
  [0xff, 0xff, 0xff, 0xff],
  [0xff, 0xff, 0xff, 0xff, 0x0f],
  [0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
  [0x00, 0x0f, 0x42, 0x40],
  [0x7f, 0xff],
  [0xff, 0xff],
];

type Mutation = (bytes: Uint8Array, random: SeededRandom) => Uint8Array;

function joined(...parts: readonly Uint8Array[]): Uint8Array {
  return flatten(parts);
}

const MUTATIONS: readonly Mutation[] = [
  function flipBit(bytes, random) {
    const at = random.next(bytes.length);
    const flipped = bytes.slice();
    flipped[at] = (flipped[at] ?? 0) ^ (1 << random.next(8));
    return flipped;
  },
  function setByte(bytes, random) {
    const changed = bytes.slice();
    changed[random.next(bytes.length)] = random.pick(INTERESTING_BYTES);
    return changed;
  },
  function setRun(bytes, random) {
    const run = random.pick(INTERESTING_RUNS);
    const at = random.next(bytes.length);
    return joined(bytes.subarray(0, at), Uint8Array.from(run), bytes.subarray(at + run.length));
  },
  function cut(bytes, random) {
    return bytes.slice(0, random.next(bytes.length));
  },
  function remove(bytes, random) {
    const at = random.next(bytes.length);
    return joined(bytes.subarray(0, at), bytes.subarray(at + 1 + random.next(8)));
  },
  function insert(bytes, random) {
    const at = random.next(bytes.length + 1);
    const added = Uint8Array.from({ length: 1 + random.next(8) }, () => random.next(256));
    return joined(bytes.subarray(0, at), added, bytes.subarray(at));
  },
  function repeat(bytes, random) {
    const at = random.next(bytes.length);
    const slice = bytes.subarray(at, at + 1 + random.next(64));
    return joined(bytes.subarray(0, at), slice, bytes.subarray(at));
  },
];

/** One to four changes, one after the other. */
export function mutated(bytes: Uint8Array, random: SeededRandom): Uint8Array {
  let result = bytes;
  for (let changes = 1 + random.next(4); changes > 0 && result.length > 0; changes--) {
    result = random.pick(MUTATIONS)(result, random);
  }
  return result;
}

/** Whole request frames (header and body, no length before them), without end: most mutated, one in eight as it was. */
export function* hostileRequestFrames(seed: number): Generator<Uint8Array, never> {
  const random = new SeededRandom(seed);
  const requests = allGoldenFrames().filter(({ kind }) => kind === 'request');
  for (let correlationId = 1; ; correlationId = (correlationId + 1) | 0) {
    const frame = requestFrame(random.pick(requests), correlationId);
    yield random.next(8) === 0 ? frame : mutated(frame, random);
  }
}

function requestFrame({ api, version, bytes }: GoldenFrame, correlationId: number): Uint8Array {
  const writer = new Writer();
  const header = { apiKey: api.key, apiVersion: version, correlationId, clientId: 'fuzzer' };
  writeRequestHeader(writer, header, requestHeaderVersion(api, version));
  writer.raw(bytes);
  return writer.finishFlat();
}

export interface FuzzOptions {
  readonly seed: number;
  readonly budgetMs: number;
  /** What takes the bytes; the codec by default. */
  readonly decode?: (frame: GoldenFrame, bytes: Uint8Array) => unknown;
}

/** However little of the time the machine has for them. */
const RUNS_MIN = 2000;

export interface FuzzResult {
  readonly runs: number;
  readonly malformed: number;
}

/**
 * Decodes mutated messages until the time is over and there were enough. Throws, naming seed, run and bytes, when one does anything but
 * decode or be malformed, or when what it decodes to does not survive being encoded and decoded again.
 */
export function fuzzCodec({ seed, budgetMs, decode: decodeFrame = decode }: FuzzOptions): FuzzResult {
  const random = new SeededRandom(seed);
  const frames = allGoldenFrames().filter(({ bytes }) => bytes.length > 0);
  const end = performance.now() + budgetMs;
  let runs = 0;
  let malformed = 0;
  for (; runs < RUNS_MIN || performance.now() < end; runs++) {
    const frame = random.pick(frames);
    const bytes = mutated(frame.bytes, random);
    try {
      if (!decodes(frame, bytes, decodeFrame)) malformed++;
    } catch (error) {
      const place = `${frame.api.name} v${frame.version} ${frame.kind}`;
      throw new Error(`seed ${seed}, run ${runs}: ${place}, bytes ${hexOf(bytes)}: ${String(error)}`, { cause: error });
    }
  }
  return { runs, malformed };
}

function decodes(
  frame: GoldenFrame,
  bytes: Uint8Array,
  decodeFrame: (frame: GoldenFrame, bytes: Uint8Array) => unknown,
) {
  const value = decodedOrMalformed(() => decodeFrame(frame, bytes));
  if (value === undefined) return false;
  const again = encode(frame, value);
  if (hexOf(encode(frame, decode(frame, again))) !== hexOf(again)) throw new Error('encodes otherwise the second time');
  return true;
}

function decodedOrMalformed(run: () => unknown): unknown {
  try {
    return run();
  } catch (error) {
    if (error instanceof LogFault && error.code === 'ERR_MALFORMED_FRAME') return undefined;
    throw error;
  }
}

/** Reads headers of hostile frames; the same contract as {@link fuzzCodec}. */
export function fuzzHeaders({ seed, budgetMs }: FuzzOptions): FuzzResult {
  const end = performance.now() + budgetMs;
  let runs = 0;
  let malformed = 0;
  for (const frame of hostileRequestFrames(seed)) {
    if (runs >= RUNS_MIN && performance.now() >= end) break;
    runs++;
    if (decodedOrMalformed(() => readRequestHeader(new Reader(frame), findApi)) === undefined) malformed++;
  }
  return { runs, malformed };
}
