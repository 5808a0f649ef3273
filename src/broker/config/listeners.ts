// Kafka's syntax of listeners: `NAME://HOST:PORT`, several apart by commas, and what each name's protocol is. It reads
// values and binds nothing.

import { LogFault } from '../../core/fault.ts';
import { listOf, quote } from './definition.ts';

export interface ListenerSetting {
  /** In upper case, as Kafka keeps it. */
  readonly name: string;
  /** Without brackets; empty where none was given, which stands for every address. */
  readonly host: string;
  readonly port: number;
}

/** Kafka's default of `listener.security.protocol.map`. */
export const PROTOCOL_MAP_DEFAULT = 'PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL';
/** Name of a listener that was given none. */
export const LISTENER_NAME_DEFAULT = 'PLAINTEXT';

const PORT_LAST = 65_535;
const EVERY_ADDRESS = new Set(['', '0.0.0.0', '::']);

/** The listeners of a value. Throws ERR_CONFIG that names the key and what it takes. */
export function parseListeners(key: string, value: string): readonly ListenerSetting[] {
  const listeners = listOf(value).map((text) => parseListener(key, text));
  const names = new Set(listeners.map(({ name }) => name));
  if (names.size < listeners.length) throw new LogFault('ERR_CONFIG', `${key} names a listener twice: ${quote(value)}`);
  return listeners;
}

function parseListener(key: string, text: string): ListenerSetting {
  const match = /^([A-Za-z0-9_-]+):\/\/(?:\[([0-9A-Fa-f:.%]+)\]|([^:[\]/\s]*)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[4] ?? -1);
  if (match === null || port > PORT_LAST) {
    throw new LogFault('ERR_CONFIG', `${key} takes NAME://HOST:PORT, such as PLAINTEXT://:9092, not ${quote(text)}`);
  }
  return { name: (match[1] ?? '').toUpperCase(), host: match[2] ?? match[3] ?? '', port };
}

/** Those without the listeners whose names are for controllers, which are not opened. */
export function withoutControllers(
  listeners: readonly ListenerSetting[],
  controllerNames: readonly string[],
): readonly ListenerSetting[] {
  const names = new Set(controllerNames.map((name) => name.toUpperCase()));
  return listeners.filter(({ name }) => !names.has(name));
}

/** What clients are told, which must be an address that they can connect to. Throws ERR_CONFIG. */
export function parseAdvertisedListeners(value: string): readonly ListenerSetting[] {
  const key = 'advertised.listeners';
  const listeners = parseListeners(key, value);
  for (const { host, port } of listeners) {
    if (EVERY_ADDRESS.has(host) || port === 0) {
      throw new LogFault('ERR_CONFIG', `${key} takes a host and port that clients can connect to, not ${quote(value)}`);
    }
  }
  return listeners;
}

/** Refuses listeners of a protocol that is not there, and advertised ones that do not listen. Throws ERR_CONFIG. */
export function checkListeners(given: {
  readonly listeners: readonly ListenerSetting[];
  readonly advertised: readonly ListenerSetting[];
  readonly protocolMap: string;
}): void {
  const protocols = new Map(
    listOf(given.protocolMap).map((pair): [string, string] => {
      const [name = '', protocol = ''] = pair.split(':', 2);
      return [name.trim().toUpperCase(), protocol.trim().toUpperCase()];
    }),
  );
  for (const { name } of given.listeners) {
    const protocol = protocols.get(name);
    if (protocol === undefined) {
      throw new LogFault('ERR_CONFIG', `listener.security.protocol.map does not say what listener ${name} speaks`);
    }
    if (protocol !== 'PLAINTEXT') {
      throw new LogFault(
        'ERR_CONFIG',
        `listener ${name} cannot speak ${quote(protocol)} here: PLAINTEXT alone is served`,
      );
    }
  }
  const names = new Set(given.listeners.map(({ name }) => name));
  const deaf = given.advertised.find(({ name }) => !names.has(name));
  if (deaf !== undefined) {
    throw new LogFault('ERR_CONFIG', `advertised.listeners names ${deaf.name}, which does not listen`);
  }
}
