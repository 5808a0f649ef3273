// Kafka's 16-byte ids (topic ids, directory ids) in their text form: 22 characters of unpadded base64url, as Kafka's
// tools and `partition.metadata` have it. A string is cheap to compare and to use as a map key.

import { assert } from '../core/assert.ts';

declare const uuidBrand: unique symbol;

/** A 16-byte id as 22 characters of base64url. Every Uuid is canonical: equal ids are equal strings. */
export type Uuid = string & { readonly [uuidBrand]: true };

/** Length of an id on the wire, in bytes. */
export const UUID_BYTES = 16;
const UUID_CHARACTERS = 22;

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
const CODE_OF_SEXTET = Uint8Array.from(ALPHABET, (character) => character.charCodeAt(0));
const INVALID = 255;
const SEXTET_OF_CODE = sextetTable();

/** The id that stands for "no id". */
export const ZERO_UUID: Uuid = uuidFromBytes(new Uint8Array(UUID_BYTES), 0);

function sextetTable(): Uint8Array {
  const table = new Uint8Array(128).fill(INVALID);
  CODE_OF_SEXTET.forEach((code, sextet) => {
    table[code] = sextet;
  });
  return table;
}

/** The id in the 16 bytes at `position`, which must lie inside `bytes`. */
export function uuidFromBytes(bytes: Uint8Array, position = 0): Uuid {
  assert(position >= 0 && position + UUID_BYTES <= bytes.length, 'a uuid is 16 bytes');
  let text = '';
  for (let at = position; at < position + UUID_BYTES - 1; at += 3) text += quad(bytes, at);
  return (text + last(bytes[position + UUID_BYTES - 1] ?? 0)) as Uuid;
}

function quad(bytes: Uint8Array, position: number): string {
  const bits = ((bytes[position] ?? 0) << 16) | ((bytes[position + 1] ?? 0) << 8) | (bytes[position + 2] ?? 0);
  return String.fromCharCode(code(bits >> 18), code((bits >> 12) & 63), code((bits >> 6) & 63), code(bits & 63));
}

function last(byte: number): string {
  return String.fromCharCode(code(byte >> 2), code((byte & 3) << 4));
}

function code(sextet: number): number {
  return CODE_OF_SEXTET[sextet] ?? 0;
}

/** Writes the 16 bytes of `uuid` at `position`, which must lie inside `target`. */
export function writeUuid(uuid: Uuid, target: Uint8Array, position: number): void {
  assert(uuid.length === UUID_CHARACTERS && position + UUID_BYTES <= target.length, 'a uuid has 22 characters');
  let at = position;
  for (let index = 0; index < UUID_CHARACTERS - 2; index += 4) {
    const bits =
      (sextet(uuid, index) << 18) |
      (sextet(uuid, index + 1) << 12) |
      (sextet(uuid, index + 2) << 6) |
      sextet(uuid, index + 3);
    target[at++] = bits >> 16;
    target[at++] = bits >> 8;
    target[at++] = bits;
  }
  target[at] = (sextet(uuid, 20) << 2) | (sextet(uuid, 21) >> 4);
}

function sextet(text: string, index: number): number {
  const value = SEXTET_OF_CODE[text.charCodeAt(index)] ?? INVALID;
  assert(value !== INVALID, 'a uuid holds base64url characters only');
  return value;
}

/** The 16 bytes of `uuid`. */
export function uuidToBytes(uuid: Uuid): Uint8Array {
  const bytes = new Uint8Array(UUID_BYTES);
  writeUuid(uuid, bytes, 0);
  return bytes;
}

/** The id written as `text`, or undefined where it is not the canonical text of one. */
export function parseUuid(text: string): Uuid | undefined {
  return isUuid(text) ? text : undefined;
}

/** Whether `text` is the canonical text of an id: 22 base64url characters of which the last carries two bits. */
export function isUuid(text: string): text is Uuid {
  return /^[A-Za-z0-9_-]{21}[AQgw]$/.test(text);
}
