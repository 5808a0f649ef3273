// What a request names more than once. Most administrative APIs refuse such names instead of guessing; those that only
// tell something tell it once, so that a small request cannot ask for an answer without bound.

/** The keys that two or more items share. */
export function repeatedKeys<T, K>(items: Iterable<T>, keyOf: (item: T) => K): ReadonlySet<K> {
  const seen = new Set<K>();
  const repeated = new Set<K>();
  for (const item of items) {
    const key = keyOf(item);
    if (seen.has(key)) repeated.add(key);
    seen.add(key);
  }
  return repeated;
}

/** The first item of each key. */
export function distinctBy<T, K>(items: Iterable<T>, keyOf: (item: T) => K): T[] {
  const seen = new Set<K>();
  const distinct: T[] = [];
  for (const item of items) {
    const key = keyOf(item);
    if (!seen.has(key)) distinct.push(item);
    seen.add(key);
  }
  return distinct;
}
