// Bytes that a file holds, in the place of memory that holds them: whoever sends them has the operating system take them
// from there. It is given to those alone that have said that they can.

import { assert } from './assert.ts';

export class FileRange {
  /** The operating system's number of a file that stays open for as long as the range is used. */
  readonly descriptor: number;
  readonly position: number;
  /** In bytes. */
  readonly length: number;

  constructor(descriptor: number, position: number, length: number) {
    assert(position >= 0 && length > 0, 'a range of a file has a place and a length');
    this.descriptor = descriptor;
    this.position = position;
    this.length = length;
  }
}

/** A part of a frame that is sent. */
export type FramePart = Uint8Array | FileRange;

/** The parts of a frame that is in memory as a whole; undefined where something of it is in a file. */
export function inMemory(parts: readonly FramePart[]): readonly Uint8Array[] | undefined {
  return areBytes(parts) ? parts : undefined;
}

/** The parts of a frame for whoever sends memory alone, and has never said otherwise. */
export function bytesOnly(parts: FramePart[]): Uint8Array[];
export function bytesOnly(parts: readonly FramePart[]): readonly Uint8Array[];
export function bytesOnly(parts: readonly FramePart[]): readonly Uint8Array[] {
  assert(areBytes(parts), 'files are given to those alone that send them');
  return parts;
}

function areBytes(parts: readonly FramePart[]): parts is readonly Uint8Array[] {
  for (const part of parts) if (part instanceof FileRange) return false;
  return true;
}
