// Bytes of records as text that survives JSON: UTF-8 where it is valid, base64 where not.

const STRICT_DECODER = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
/** `String.fromCharCode` takes its characters as arguments, which are bounded by the stack. */
const CHARACTERS_AT_ONCE = 8192;

export interface TextOrBase64 {
  readonly isText: boolean;
  readonly content: string;
}

export function textOrBase64(bytes: Uint8Array, forceBase64: boolean): TextOrBase64 {
  if (!forceBase64) {
    try {
      return { isText: true, content: STRICT_DECODER.decode(bytes) };
    } catch {
      // Not UTF-8: base64 below.
    }
  }
  return { isText: false, content: base64Of(bytes) };
}

export function base64Of(bytes: Uint8Array): string {
  let binary = '';
  for (let start = 0; start < bytes.length; start += CHARACTERS_AT_ONCE) {
    binary += String.fromCharCode(...bytes.subarray(start, start + CHARACTERS_AT_ONCE));
  }
  return btoa(binary);
}
