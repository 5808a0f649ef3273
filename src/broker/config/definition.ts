// What one configuration key is: its type, default, bounds, and whether this broker can honour it. It knows no key.

import { LogFault } from '../../core/fault.ts';
import { similarName } from './similar-name.ts';

/** Kafka's types of configuration values, with the numbers by which DescribeConfigs tells them. */
export const CONFIG_TYPES = { boolean: 1, string: 2, int: 3, short: 4, long: 5, double: 6, list: 7 } as const;
export type ConfigType = keyof typeof CONFIG_TYPES;

export interface ConfigDefinition {
  readonly name: string;
  readonly type: ConfigType;
  /** As Kafka prints it; null for a key that is not set unless somebody sets it. */
  readonly defaultValue: string | null;
  readonly documentation: string;
  /** Smallest and largest number, inclusive. */
  readonly min: bigint | number;
  readonly max: bigint | number;
  /** The values allowed (of each element, in a list); undefined for any. */
  readonly choices: readonly string[] | undefined;
  /** Whether it may change while the broker runs. */
  readonly dynamic: boolean;
  /** Why nothing but the default can take effect here yet; undefined for a key that is honoured. */
  readonly fixedBecause: string | undefined;
  /**
   * Whether a broker may be started with another value of such a key, which is said and passed over: it tunes machinery
   * that is not here. Else the value would promise something, and is refused.
   */
  readonly withoutEffect: boolean;
}

interface DefinitionOptions {
  readonly min?: bigint | number;
  readonly max?: bigint | number;
  readonly choices?: readonly string[];
  readonly dynamic?: boolean;
  readonly fixedBecause?: string;
  readonly withoutEffect?: boolean;
}

const INT_MAX = 2_147_483_647n;
const LONG_MAX = 9_223_372_036_854_775_807n;
const BOUNDS: Readonly<Record<string, readonly [bigint, bigint]>> = {
  short: [-32_768n, 32_767n],
  int: [-INT_MAX - 1n, INT_MAX],
  long: [-LONG_MAX - 1n, LONG_MAX],
};
const DOUBLE_BOUNDS = [-Number.MAX_VALUE, Number.MAX_VALUE] as const;

/** Kafka's "for ever" and "without limit" in keys of type long. */
export const LONG_MAX_TEXT = LONG_MAX.toString();

/** Declares a key. */
export function define(
  head: Pick<ConfigDefinition, 'name' | 'type' | 'defaultValue' | 'documentation'>,
  options: DefinitionOptions = {},
): ConfigDefinition {
  const [least, most] = BOUNDS[head.type] ?? DOUBLE_BOUNDS;
  return {
    ...head,
    min: options.min ?? least,
    max: options.max ?? most,
    choices: options.choices,
    dynamic: options.dynamic ?? false,
    fixedBecause: options.fixedBecause,
    withoutEffect: options.withoutEffect ?? false,
  };
}

/** What is allowed for a key, in words. */
function allowed(definition: ConfigDefinition): string {
  if (definition.choices !== undefined) {
    return `${definition.type === 'list' ? 'a list of' : 'one of'} ${definition.choices.join(', ')}`;
  }
  if (definition.type === 'boolean') return 'true or false';
  if (definition.type in BOUNDS) return `a whole number from ${definition.min} to ${definition.max}`;
  if (definition.type === 'double') return `a number from ${definition.min} to ${definition.max}`;
  return `a ${definition.type}`;
}

/** Elements of a value of type list. */
export function listOf(value: string): string[] {
  return value
    .split(',')
    .map((element) => element.trim())
    .filter((element) => element !== '');
}

function isAllowed(definition: ConfigDefinition, value: string): boolean {
  const { type, choices } = definition;
  if (type === 'boolean') return value === 'true' || value === 'false';
  if (type in BOUNDS) {
    if (!/^[+-]?\d{1,20}$/.test(value)) return false;
    const number = BigInt(value.replace('+', ''));
    return number >= definition.min && number <= definition.max;
  }
  if (type === 'double') {
    const number = Number(value);
    return /^[+-]?\d+(\.\d+)?([eE][+-]?\d+)?$/.test(value) && number >= definition.min && number <= definition.max;
  }
  if (choices === undefined) return true;
  return type === 'list' ? listOf(value).every((element) => choices.includes(element)) : choices.includes(value);
}

/** The value in the one form in which it is kept and compared. */
export function normalize(definition: ConfigDefinition, value: string): string {
  const text = value.trim();
  if (definition.type === 'boolean') return text.toLowerCase();
  if (definition.type === 'list') return [...new Set(listOf(text))].join(',');
  return text;
}

/** What speaks against setting the key to a normalized value, as a sentence; undefined where nothing does. */
export function objection(definition: ConfigDefinition, value: string): string | undefined {
  const outOfRange = rangeObjection(definition, value);
  if (outOfRange !== undefined) return outOfRange;
  if (definition.fixedBecause !== undefined && value !== definition.defaultValue) {
    const stays = definition.defaultValue === null ? 'take it out' : `leave it at ${quote(definition.defaultValue)}`;
    return `Configuration ${definition.name} cannot be ${quote(value)} on this broker: ${definition.fixedBecause}; ${stays}`;
  }
  return undefined;
}

/** What speaks against the value alone, whether or not it could take effect here. */
export function rangeObjection(definition: ConfigDefinition, value: string): string | undefined {
  if (isAllowed(definition, value)) return undefined;
  return `Invalid value ${quote(value)} for configuration ${definition.name}: it takes ${allowed(definition)}`;
}

/** A value in a message: bounded, because it comes from a client. */
export function quote(value: string): string {
  return value.length <= 200 ? `'${value}'` : `'${value.slice(0, 200)}...'`;
}

/** A checked value as a number; Kafka's 64-bit "for ever" comes out as the largest safe integer. */
export function toNumber(value: string): number {
  return Math.max(Number.MIN_SAFE_INTEGER, Math.min(Number.MAX_SAFE_INTEGER, Number(value)));
}

/** What speaks against two values of which one must not be less than the other; undefined where nothing does. */
export function orderObjection(
  number: (name: string) => number,
  [less, more]: readonly [less: string, more: string],
): string | undefined {
  if (number(less) <= number(more)) return undefined;
  return `${more} is ${number(more)} and must not be less than ${less}, which is ${number(less)}`;
}

/** Keys by name. Throws ERR_CONFIG for a name that is not there. */
export class ConfigTable {
  readonly definitions: readonly ConfigDefinition[];
  readonly #byName: ReadonlyMap<string, ConfigDefinition>;

  constructor(definitions: readonly ConfigDefinition[]) {
    this.definitions = definitions;
    this.#byName = new Map(definitions.map((definition) => [definition.name, definition]));
  }

  find(name: string): ConfigDefinition | undefined {
    return this.#byName.get(name);
  }

  get(name: string): ConfigDefinition {
    const definition = this.#byName.get(name);
    if (definition === undefined) throw new LogFault('ERR_CONFIG', this.unknown(name));
    return definition;
  }

  /** What is said of a name that is not there. */
  unknown(name: string): string {
    return `Unknown configuration ${quote(name)}${this.suggestion(name)}`;
  }

  /** The name that is most like this one, in words; empty where none is. */
  suggestion(name: string): string {
    const similar = similarName(
      name,
      this.definitions.map((definition) => definition.name),
    );
    return similar === undefined ? '' : ` (did you mean ${similar}?)`;
  }
}
