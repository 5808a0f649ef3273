// Assertions of the conformance suite: a few, that work in every JavaScript runtime and say what was found.

/** What holds did not hold. */
export class CheckFailed extends Error {
  override readonly name = 'CheckFailed';
}

/** Throws unless `condition` holds. */
export function check(condition: boolean, message: string): asserts condition {
  if (!condition) throw new CheckFailed(message);
}

/** Throws unless both are the same when written as JSON (bytes as their numbers). */
export function same(found: unknown, expected: unknown, what: string): void {
  const left = printed(found);
  const right = printed(expected);
  if (left !== right) throw new CheckFailed(`${what}: found ${cut(left)}, expected ${cut(right)}`);
}

/** Throws unless `action` throws an error whose text contains `part`. */
export function fails(action: () => unknown, part: string): void {
  try {
    action();
  } catch (error) {
    check(String(error).includes(part), `the failure should name ${part}: ${String(error)}`);
    return;
  }
  throw new CheckFailed(`it should have failed, naming ${part}`);
}

/** The value, which must be there. */
export function there<T>(value: T | undefined | null, what: string): T {
  if (value === undefined || value === null) throw new CheckFailed(`${what} is missing`);
  return value;
}

const SHOWN_CHARACTERS_MAX = 1200;

function cut(text: string): string {
  return text.length <= SHOWN_CHARACTERS_MAX ? text : `${text.slice(0, SHOWN_CHARACTERS_MAX)}... (${text.length})`;
}

function printed(value: unknown): string {
  return JSON.stringify(plain(value)) ?? 'undefined';
}

/** Bytes as numbers, before some runtime's own notion of JSON for them takes over. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return [...value];
  if (Array.isArray(value)) return value.map(plain);
  return value;
}
