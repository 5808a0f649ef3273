// Regular expressions by which members subscribe to topics (RE2 in Kafka, KIP-848). A client's expression must not be
// able to hold the broker up, which a backtracking matcher lets it: this one keeps the set of places where the
// expression may stand and moves all of them on by one character, so its time is the length of the name times the size
// of the expression, which is bounded.
//
// Taken: literals, `.`, classes with ranges and negation, \d \w \s \D \W \S, escapes, groups (capturing or `(?:`),
// `|`, `*` `+` `?` `{n}` `{n,}` `{n,m}` (lazy forms mean the same), and `^` `$` `\A` `\z` around the whole, which must
// match anyway. Not taken, and said so: flags, Unicode and POSIX classes, anchors inside, what RE2 has not either.

/** States of one expression, once repetitions are written out. */
const STATES_MAX = 2000;
const REPETITIONS_MAX = 1000;
const DEPTH_MAX = 50;

type Test = (code: number) => boolean;

/** A state either tests a character and goes on, or goes on at once to one or two others. */
interface State {
  test: Test | undefined;
  next: number[];
}

/** A piece of the machine: where it begins, and the states whose `next` is still to be filled. */
interface Piece {
  readonly start: number;
  readonly ends: readonly number[];
}

export class PatternFault extends Error {
  override readonly name = 'PatternFault';
}

/** A compiled expression. */
export class TopicPattern {
  readonly #states: readonly State[];
  readonly #start: number;
  readonly #accept: number;

  /** @throws PatternFault that says what is wrong or not supported */
  constructor(source: string) {
    const { states, start, accept } = new Compiler(source).compile();
    this.#states = states;
    this.#start = start;
    this.#accept = accept;
  }

  /** Whether the whole name matches. */
  matches(name: string): boolean {
    let places = this.#closure([this.#start]);
    for (let index = 0; index < name.length && places.size > 0; index++) {
      const code = name.charCodeAt(index);
      const moved: number[] = [];
      for (const place of places) {
        const state = this.#states[place];
        if (state?.test?.(code) === true) moved.push(...state.next);
      }
      places = this.#closure(moved);
    }
    return places.has(this.#accept);
  }

  #closure(from: readonly number[]): Set<number> {
    const reached = new Set<number>();
    const open = [...from];
    for (let place = open.pop(); place !== undefined; place = open.pop()) {
      if (reached.has(place)) continue;
      reached.add(place);
      const state = this.#states[place];
      if (state !== undefined && state.test === undefined) open.push(...state.next);
    }
    return reached;
  }
}

const DIGIT: Test = (code) => code >= 48 && code <= 57;
const WORD: Test = (code) => DIGIT(code) || (code >= 65 && code <= 90) || (code >= 97 && code <= 122) || code === 95;
const SPACE: Test = (code) => code === 32 || (code >= 9 && code <= 13 && code !== 11);
const CLASSES: Readonly<Record<string, Test>> = {
  d: DIGIT,
  w: WORD,
  s: SPACE,
  D: (code) => !DIGIT(code),
  W: (code) => !WORD(code),
  S: (code) => !SPACE(code),
};
const ESCAPES: Readonly<Record<string, string>> = { t: '\t', n: '\n', r: '\r', f: '\f' };

class Compiler {
  readonly #source: string;
  readonly #states: State[] = [];
  #at = 0;

  constructor(source: string) {
    this.#source = source.replace(/^(\^|\\A)/, '').replace(/((?:^|[^\\])(?:\\\\)*)(\$|\\z)$/, '$1');
  }

  compile(): { states: readonly State[]; start: number; accept: number } {
    const whole = this.#alternatives(0);
    if (this.#at < this.#source.length) throw new PatternFault(`unexpected ${this.#source.charAt(this.#at)}`);
    const accept = this.#state(undefined);
    this.#patch(whole, accept);
    return { states: this.#states, start: whole.start, accept };
  }

  #state(test: Test | undefined, next: number[] = []): number {
    if (this.#states.length >= STATES_MAX) throw new PatternFault('the expression is too large');
    return this.#states.push({ test, next }) - 1;
  }

  #patch({ ends }: Piece, target: number): void {
    for (const end of ends) this.#states[end]?.next.push(target);
  }

  #peek(): string {
    return this.#source.charAt(this.#at);
  }

  #take(text: string): boolean {
    if (!this.#source.startsWith(text, this.#at)) return false;
    this.#at += text.length;
    return true;
  }

  #alternatives(depth: number): Piece {
    if (depth > DEPTH_MAX) throw new PatternFault('groups are nested too deeply');
    let piece = this.#sequence(depth);
    while (this.#take('|')) {
      const other = this.#sequence(depth);
      piece = { start: this.#state(undefined, [piece.start, other.start]), ends: [...piece.ends, ...other.ends] };
    }
    return piece;
  }

  #sequence(depth: number): Piece {
    let piece = this.#empty();
    while (this.#at < this.#source.length && this.#peek() !== '|' && this.#peek() !== ')') {
      const next = this.#repeated(depth);
      this.#patch(piece, next.start);
      piece = { start: piece.start, ends: next.ends };
    }
    return piece;
  }

  #empty(): Piece {
    const state = this.#state(undefined);
    return { start: state, ends: [state] };
  }

  #repeated(depth: number): Piece {
    const from = this.#at;
    const piece = this.#atom(depth);
    const to = this.#at;
    const bounds = this.#bounds();
    if (bounds === undefined) return piece;
    this.#take('?');
    if (['*', '+', '?', '{'].includes(this.#peek())) throw new PatternFault('a repetition of a repetition');
    const after = this.#at;
    const again = (): Piece => {
      this.#at = from;
      const copy = this.#atom(depth);
      this.#at = to;
      return copy;
    };
    const result = this.#repeat(piece, bounds, again);
    this.#at = after;
    return result;
  }

  #bounds(): { readonly least: number; readonly most: number } | undefined {
    if (this.#take('*')) return { least: 0, most: Number.POSITIVE_INFINITY };
    if (this.#take('+')) return { least: 1, most: Number.POSITIVE_INFINITY };
    if (this.#take('?')) return { least: 0, most: 1 };
    const match = /^\{(\d{1,4})(,(\d{1,4})?)?\}/.exec(this.#source.slice(this.#at, this.#at + 12));
    if (match === null) return undefined;
    this.#at += match[0].length;
    const least = Number(match[1]);
    const most = match[2] === undefined ? least : match[3] === undefined ? Number.POSITIVE_INFINITY : Number(match[3]);
    if (least > most || least > REPETITIONS_MAX || (most > REPETITIONS_MAX && Number.isFinite(most))) {
      throw new PatternFault('a repetition count is out of range');
    }
    return { least, most };
  }

  #repeat(first: Piece, { least, most }: { readonly least: number; readonly most: number }, again: () => Piece): Piece {
    let piece = this.#empty();
    let unused: Piece | undefined = first;
    const copy = (): Piece => {
      const next = unused ?? again();
      unused = undefined;
      return next;
    };
    const append = (next: Piece): void => {
      this.#patch(piece, next.start);
      piece = { start: piece.start, ends: next.ends };
    };
    for (let count = 0; count < least; count++) append(copy());
    if (most === Number.POSITIVE_INFINITY) {
      const body = copy();
      const fork = this.#state(undefined, [body.start]);
      this.#patch(body, fork);
      append({ start: fork, ends: [fork] });
      return piece;
    }
    const skips: number[] = [];
    for (let count = least; count < most; count++) {
      const body = copy();
      const fork = this.#state(undefined, [body.start]);
      skips.push(fork);
      append({ start: fork, ends: body.ends });
    }
    return { start: piece.start, ends: [...piece.ends, ...skips] };
  }

  #atom(depth: number): Piece {
    if (this.#take('(')) return this.#group(depth);
    const state = this.#state(this.#test());
    return { start: state, ends: [state] };
  }

  #group(depth: number): Piece {
    if (this.#take('?') && !this.#take(':')) throw new PatternFault('(? is supported as (?: alone');
    const piece = this.#alternatives(depth + 1);
    if (!this.#take(')')) throw new PatternFault('a group is not closed');
    return piece;
  }

  #test(): Test {
    const character = this.#peek();
    this.#at++;
    if (character === '') throw new PatternFault('the expression ends too early');
    if (character === '.') return (code) => code !== 10;
    if (character === '[') return this.#class();
    if (character === '\\') return this.#escape();
    if ('*+?)'.includes(character)) throw new PatternFault(`nothing to repeat before ${character}`);
    if (character === '^' || character === '$') throw new PatternFault('an anchor inside the expression');
    return equals(character);
  }

  #escape(): Test {
    const character = this.#peek();
    this.#at++;
    const known = CLASSES[character];
    if (known !== undefined) return known;
    return equals(literal(character));
  }

  #class(): Test {
    const negated = this.#take('^');
    const tests: Test[] = [];
    for (let first = true; first || this.#peek() !== ']'; first = false) {
      if (this.#at >= this.#source.length) throw new PatternFault('a class is not closed');
      tests.push(this.#classItem());
    }
    this.#at++;
    return (code) => tests.some((test) => test(code)) !== negated;
  }

  #classItem(): Test {
    if (this.#take('[:')) throw new PatternFault('POSIX classes are not supported');
    if (this.#peek() === '\\') {
      const known = CLASSES[this.#source.charAt(this.#at + 1)];
      if (known !== undefined) {
        this.#at += 2;
        return known;
      }
    }
    const low = this.#classCharacter();
    const isRange = this.#peek() === '-' && !['', ']'].includes(this.#source.charAt(this.#at + 1));
    if (!isRange) return equals(low);
    this.#at++;
    const [first, last] = [low.charCodeAt(0), this.#classCharacter().charCodeAt(0)];
    if (first > last) throw new PatternFault('a range ends before it begins');
    return (code) => code >= first && code <= last;
  }

  #classCharacter(): string {
    const character = this.#peek();
    this.#at++;
    if (character !== '\\') return character;
    const escaped = this.#peek();
    this.#at++;
    return literal(escaped);
  }
}

/** The character that an escape stands for: punctuation stands for itself. */
function literal(character: string): string {
  const known = ESCAPES[character];
  if (known !== undefined) return known;
  if (character === '' || /[0-9A-Za-z]/.test(character))
    throw new PatternFault(`the escape \\${character} is not supported`);
  return character;
}

function equals(character: string): Test {
  const expected = character.charCodeAt(0);
  return (code) => code === expected;
}
