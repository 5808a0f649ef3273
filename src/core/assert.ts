// Assertions: a failed one is a bug in Millrace, never bad input and never an operating fault.
// Whoever owns the thread lets it end; its partitions reopen through recovery.

/** A broken invariant inside Millrace itself. */
export class AssertionError extends Error {
  override readonly name = 'AssertionError';
}

/** Throws {@link AssertionError} unless `condition` holds; `message` names the invariant. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new AssertionError(message);
}

/** The value, asserted to be there; `what` names it in the failure. */
export function present<T>(value: T | undefined | null, what: string): T {
  if (value === undefined || value === null) throw new AssertionError(`${what} is missing`);
  return value;
}

/** Marks a branch the type system has already excluded. */
export function unreachable(value: never): never {
  throw new AssertionError(`unreachable: ${String(value)}`);
}
