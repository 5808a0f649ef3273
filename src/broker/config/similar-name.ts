// Finds the name that somebody meant who mistyped it. It knows no key.

/** Letters that a mistyped name may differ by: missing, added or exchanged. */
const TYPOS_MAX = 2;
/** Longer names are no typing errors, and are not compared. */
const NAME_LENGTH_MAX = 100;

/** The most similar of the names; undefined where none is similar, or the name is among them. */
export function similarName(name: string, names: readonly string[]): string | undefined {
  if (name.length > NAME_LENGTH_MAX) return undefined;
  let best: string | undefined;
  let least = TYPOS_MAX + 1;
  for (const candidate of names) {
    if (Math.abs(candidate.length - name.length) >= least) continue;
    const typos = typosBetween(name, candidate);
    if (typos >= least) continue;
    least = typos;
    best = candidate;
  }
  return least === 0 ? undefined : best;
}

/** The distance of Levenshtein, a row of its table at a time. */
function typosBetween(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, at) => at);
  for (let line = 1; line <= one.length; line++) {
    const next = [line];
    for (let at = 1; at <= other.length; at++) {
      const replaced = (row[at - 1] ?? 0) + (one[line - 1] === other[at - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[at] ?? 0) + 1, (next[at - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[other.length] ?? 0;
}
