// Zigzag varints and varlongs as records have them: how long they are, and their writing.

/** Small magnitudes of either sign become small numbers. `value` fits 32 bits. */
function zigzag(value: number): number {
  return ((value << 1) ^ (value >> 31)) >>> 0;
}

function zigzagLong(value: number): bigint {
  const long = BigInt(value);
  return BigInt.asUintN(64, (long << 1n) ^ (long >> 63n));
}

/** Bytes of the varint of a value of 32 bits. */
export function varintBytes(value: number): number {
  const raw = zigzag(value);
  if (raw < 0x80) return 1;
  if (raw < 0x4000) return 2;
  if (raw < 0x20_0000) return 3;
  return raw < 0x1000_0000 ? 4 : 5;
}

/** Writes the varint of a value of 32 bits; returns the position behind it. */
export function writeVarint(buffer: Uint8Array, start: number, value: number): number {
  let at = start;
  let raw = zigzag(value);
  while (raw > 0x7f) {
    buffer[at++] = raw | 0x80;
    raw >>>= 7;
  }
  buffer[at++] = raw;
  return at;
}

/** Bytes of the varlong of a safe integer. */
export function varlongBytes(value: number): number {
  // Timestamps are rarely more than 24 days apart; those that are take the slow way.
  if ((value | 0) === value) return varintBytes(value);
  let bytes = 1;
  for (let raw = zigzagLong(value); raw > 0x7fn; raw >>= 7n) bytes++;
  return bytes;
}

/** Writes the varlong of a safe integer; returns the position behind it. */
export function writeVarlong(buffer: Uint8Array, start: number, value: number): number {
  if ((value | 0) === value) return writeVarint(buffer, start, value);
  let at = start;
  let raw = zigzagLong(value);
  for (; raw > 0x7fn; raw >>= 7n) buffer[at++] = Number(raw & 0x7fn) | 0x80;
  buffer[at++] = Number(raw);
  return at;
}
