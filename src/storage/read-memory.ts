// Where the bytes of a read are put, for callers that have better places than fresh memory.

export interface ReadMemory {
  /** At least so many bytes, in place of those that the same read took before. */
  take(bytes: number): Uint8Array;
}
