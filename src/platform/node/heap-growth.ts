// How far V8's heap may grow between two full collections, in a process that is a broker and nothing else.

import { setFlagsFromString } from 'node:v8';

/**
 * Growth of the old generation, in per cent of what was alive after the last full collection. It is the most that V8
 * itself grows a heap by; by itself it chooses less for a heap as small as a broker's, and takes buffers of requests for
 * growth: with 16 KiB requests from four connections it marked the heap thirty times a second. With this it hardly does,
 * and a request costs 48 microseconds of CPU instead of 69.
 */
const GROWTH_PERCENT = 300;

/**
 * After how long without much to do V8 gives back what a heap has beyond its needs, in milliseconds; by itself it waits for eight
 * seconds, and takes what was allocated within the last five for work that goes on.
 */
const GIVE_BACK_MS = 1000;
/** For so long after a start it is told that what was allocated was the start: 3 MB are given back by each thread. */
const START_BEGIN_MS = 800;
const START_END_MS = 3500;

/** To be called before anything else: V8 begins to wait as soon as a thread allocates. */
export function giveBackSoon(): void {
  setFlagsFromString(`--gc-memory-reducer-start-delay-ms=${GIVE_BACK_MS}`);
}

/** Holds for every thread of the process. To be called once, early, by the command that runs a broker. */
export function letHeapGrow(): void {
  setFlagsFromString(`--heap-growing-percent=${GROWTH_PERCENT}`);
  setTimeout(() => setFlagsFromString('--optimize-for-size'), START_BEGIN_MS).unref();
  setTimeout(() => setFlagsFromString('--no-optimize-for-size'), START_END_MS).unref();
}
