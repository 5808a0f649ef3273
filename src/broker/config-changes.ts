// The rules of changing configurations key by key (KIP-339): what a set of operations makes of the values there are.

import { unreachable } from '../core/assert.ts';
import { ERROR_CODES } from '../protocol/errors.ts';
import type { ConfigEntries } from './config/broker-config.ts';
import { type ConfigDefinition, type ConfigTable, listOf, normalize, objection, quote } from './config/definition.ts';
import { repeatedKeys } from './duplicates.ts';
import type { Refusal } from './topic-creation.ts';

/** Kafka's numbers of the operations, as words. */
const OPERATIONS = ['set', 'delete', 'append', 'subtract'] as const;
/** The number of `set`. */
export const SET_OPERATION = 0;
type Operation = (typeof OPERATIONS)[number];

export interface ConfigChange {
  readonly name: string;
  readonly configOperation: number;
  readonly value: string | null;
}

export interface ConfigChanges {
  readonly table: ConfigTable;
  /** What is set now. */
  readonly before: ConfigEntries;
  /** What holds where nothing is set: lists are appended to and subtracted from it. */
  readonly fallback: (name: string) => string;
  readonly changes: readonly ConfigChange[];
}

function refuse(errorCode: number, message: string): Refusal {
  return { errorCode, message };
}

/** The values after the changes, or what speaks against them. */
export function applyChanges(request: ConfigChanges): { readonly entries: ConfigEntries } | Refusal {
  const [repeated] = repeatedKeys(request.changes, ({ name }) => name);
  if (repeated !== undefined) {
    return refuse(ERROR_CODES.INVALID_REQUEST, `Configuration ${quote(repeated)} is given more than once`);
  }
  const after = new Map(Object.entries(request.before));
  for (const change of request.changes) {
    const value = valueAfter(request, change);
    if (typeof value === 'object' && value !== null) return value;
    if (value === null) after.delete(change.name);
    else after.set(change.name, value);
  }
  return { entries: Object.fromEntries(after) };
}

/** The value of one key after the change, null for none. */
function valueAfter(request: ConfigChanges, change: ConfigChange): string | null | Refusal {
  const operation = OPERATIONS[change.configOperation];
  if (operation === undefined) {
    return refuse(ERROR_CODES.INVALID_REQUEST, `Unknown operation ${change.configOperation} on ${quote(change.name)}`);
  }
  const definition = request.table.find(change.name);
  if (definition === undefined) {
    return refuse(ERROR_CODES.INVALID_CONFIG, request.table.unknown(change.name));
  }
  if (!definition.dynamic) {
    return refuse(ERROR_CODES.INVALID_CONFIG, `Configuration ${change.name} cannot change while the broker runs`);
  }
  if (operation === 'delete') return null;
  if (change.value === null) {
    return refuse(ERROR_CODES.INVALID_REQUEST, `Null value not supported for ${operation} of ${change.name}`);
  }
  const made = combine(request, { definition, operation, given: change.value });
  if (typeof made !== 'string') return made;
  const value = normalize(definition, made);
  const objected = objection(definition, value);
  return objected === undefined ? value : refuse(ERROR_CODES.INVALID_CONFIG, objected);
}

interface Combination {
  readonly definition: ConfigDefinition;
  readonly operation: Exclude<Operation, 'delete'>;
  readonly given: string;
}

function combine({ before, fallback }: ConfigChanges, { definition, operation, given }: Combination): string | Refusal {
  if (operation === 'set') return given;
  const { name, type } = definition;
  if (type !== 'list') {
    return refuse(ERROR_CODES.INVALID_CONFIG, `Cannot ${operation} on ${name}: it is not a list`);
  }
  const present = listOf(before[name] ?? fallback(name));
  const elements = listOf(given);
  switch (operation) {
    case 'append':
      return [...present, ...elements].join(',');
    case 'subtract':
      return present.filter((element) => !elements.includes(element)).join(',');
    default:
      return unreachable(operation);
  }
}
