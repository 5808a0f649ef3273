// Finds what a request names more than once: most administrative APIs refuse such names instead of guessing.

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
