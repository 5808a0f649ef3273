// What a broker is started with, checked: keys of its own, which take effect, and those of Kafka that have none here and
// are to be said. A key that would promise what is not kept is refused.

import { LogFault } from '../../core/fault.ts';
import { BROKER_CONFIGS } from './broker-configs.ts';
import { normalize, objection, quote, rangeObjection } from './definition.ts';
import { foreignKey } from './foreign-broker-configs.ts';
import { checkNode, dataDirectoryOf, KEYS_OF_CONTROLLERS } from './node-configs.ts';

type Entries = Readonly<Record<string, string>>;

/** Keys that were given and have no effect, for one reason. */
export interface KeysWithoutEffect {
  readonly keys: readonly string[];
  readonly reason: string;
}

export interface StartEntries {
  /** Normalized values of the keys that take effect. */
  readonly entries: Entries;
  readonly withoutEffect: readonly KeysWithoutEffect[];
}

/** Throws ERR_CONFIG that names all keys which are refused for one reason, or the first that is unknown or cannot be so. */
export function checkStartEntries(given: Entries): StartEntries {
  const checked = checkStartKeys(given);
  checkNode(checked.entries);
  dataDirectoryOf(checked.entries);
  return checked;
}

/** Each key for itself, as of a part of what a broker is started with. */
export function checkStartKeys(given: Entries): StartEntries {
  refuseForeign(Object.keys(given));
  const entries: Record<string, string> = {};
  const withoutEffect = new Map<string, string[]>();
  for (const [name, value] of Object.entries(given)) {
    const { checked, reason } = checkEntry(name, value);
    if (checked !== undefined) entries[name] = checked;
    if (reason !== undefined) withoutEffect.set(reason, [...(withoutEffect.get(reason) ?? []), name]);
  }
  return { entries, withoutEffect: Array.from(withoutEffect, ([reason, keys]) => ({ keys, reason })) };
}

/** The value that takes effect, and why it has none: one of them, or both. */
interface CheckedEntry {
  readonly checked?: string;
  readonly reason?: string | undefined;
}

function checkEntry(name: string, given: string): CheckedEntry {
  const definition = BROKER_CONFIGS.find(name);
  if (definition === undefined) return { reason: checkForeign(name) };
  // Programs without types give numbers.
  if (typeof given !== 'string') {
    throw new LogFault('ERR_CONFIG', `Configuration ${name} takes text: ${quote(String(given))}`);
  }
  const value = normalize(definition, given);
  const objected = definition.withoutEffect ? rangeObjection(definition, value) : objection(definition, value);
  if (objected !== undefined) throw new LogFault('ERR_CONFIG', objected);
  if (definition.withoutEffect) return { reason: definition.fixedBecause };
  return { checked: value, reason: Object.hasOwn(KEYS_OF_CONTROLLERS, name) ? KEYS_OF_CONTROLLERS[name] : undefined };
}

function checkForeign(name: string): string {
  const foreign = foreignKey(name);
  if (foreign === undefined) throw new LogFault('ERR_CONFIG', BROKER_CONFIGS.unknown(name));
  return foreign.reason;
}

/** Together, so that a file with a dozen keys of TLS is mended once. */
function refuseForeign(names: readonly string[]): void {
  const refused = names.filter((name) => BROKER_CONFIGS.find(name) === undefined && foreignKey(name)?.refused);
  const reason = foreignKey(refused[0] ?? '')?.reason;
  if (reason === undefined) return;
  const same = refused.filter((name) => foreignKey(name)?.reason === reason);
  throw new LogFault('ERR_CONFIG', `Configuration ${same.map(quote).join(', ')} is refused: ${reason}`);
}
