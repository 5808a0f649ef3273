// The header of an unmasked WebSocket frame, as a server sends it (RFC 6455 section 5.2):
//
//   byte 0: FIN 0x80 | opcode (0 continuation, 1 text, 2 binary)
//   byte 1: payload length up to 125, or 126 and two more bytes, or 127 and eight more (big endian)

export const FRAME_HEADER_BYTES_MAX = 10;

export const OPCODES = { continuation: 0, text: 1, binary: 2 } as const;

export interface FrameHeader {
  readonly opcode: number;
  readonly isFinal: boolean;
  readonly payloadBytes: number;
}

export function frameHeaderBytes(payloadBytes: number): number {
  if (payloadBytes < 126) return 2;
  return payloadBytes < 65_536 ? 4 : FRAME_HEADER_BYTES_MAX;
}

/** Writes the header at `position`, where {@link frameHeaderBytes} are free; returns the position behind it. */
export function writeFrameHeader(target: Uint8Array, position: number, header: FrameHeader): number {
  const { payloadBytes } = header;
  target[position] = header.isFinal ? header.opcode | 0x80 : header.opcode;
  if (payloadBytes < 126) {
    target[position + 1] = payloadBytes;
    return position + 2;
  }
  if (payloadBytes < 65_536) {
    target[position + 1] = 126;
    target[position + 2] = payloadBytes >>> 8;
    target[position + 3] = payloadBytes;
    return position + 4;
  }
  target[position + 1] = 127;
  const view = new DataView(target.buffer, target.byteOffset + position + 2, 8);
  view.setUint32(0, Math.floor(payloadBytes / 0x1_0000_0000));
  view.setUint32(4, payloadBytes >>> 0);
  return position + FRAME_HEADER_BYTES_MAX;
}
