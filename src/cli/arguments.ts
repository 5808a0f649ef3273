// Reads the values of options. A value that makes no sense is a usage error that names the option and what it takes.

import { InvalidArgumentError } from 'commander';
import type { StartPosition } from '../client/index.ts';

const PORT_LAST = 65_535;

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/** `HOST:PORT`, `[IPV6]:PORT` or `:PORT` (loopback). */
export function parseHostPort(text: string): HostPort {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]*)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3] ?? -1);
  if (match === null || port > PORT_LAST) {
    const example = /^\d{1,5}$/.test(text) && Number(text) <= PORT_LAST ? text : '8092';
    throw new InvalidArgumentError(`It takes HOST:PORT, such as 127.0.0.1:${example}; port 0 picks a free one.`);
  }
  const host = match[1] ?? match[2] ?? '';
  return { host: host === '' ? '127.0.0.1' : host, port };
}

export function formatHostPort({ host, port }: HostPort): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** A whole number of at least `least`. */
export function wholeNumber(least: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || !Number.isSafeInteger(value) || value < least) {
      throw new InvalidArgumentError(`It takes a whole number of at least ${least}.`);
    }
    return value;
  };
}

/** One of a few words. */
export function oneOf<const Word extends string>(words: readonly Word[]): (text: string) => Word {
  return (text) => {
    const word = words.find((candidate) => candidate === text);
    if (word === undefined) throw new InvalidArgumentError(`It takes ${words.join(' or ')}.`);
    return word;
  };
}

/** Collects `KEY=VALUE`, given any number of times. */
export function collectPairs(text: string, before: Readonly<Record<string, string>> = {}): Record<string, string> {
  const at = text.indexOf('=');
  if (at < 1) throw new InvalidArgumentError('It takes KEY=VALUE, for example retention.ms=3600000.');
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) };
}

/** Collects a value that may be given any number of times. */
export function collect(text: string, before: readonly string[] | undefined): string[] {
  return [...(before ?? []), text];
}

/** A name or path. */
export function notEmpty(text: string): string {
  if (text === '') throw new InvalidArgumentError('It takes at least one character.');
  return text;
}

/** Collects origins as browsers write them, or `*`; of anything else no page could ever come. */
export function collectOrigins(text: string, before: readonly string[] | undefined): string[] {
  const origin = text.replace(/\/$/, '').toLowerCase();
  if (text !== '*' && (!URL.canParse(origin) || new URL(origin).origin !== origin)) {
    throw new InvalidArgumentError('It takes SCHEME://HOST[:PORT], such as https://app.example, or * for every one.');
  }
  return collect(text, before);
}

/** `beginning`, `end`, an offset, or a time: ISO 8601, or `@` and milliseconds since 1970. */
export function parseStart(text: string): StartPosition {
  if (text === 'beginning' || text === 'end') return text;
  if (/^\d+$/.test(text) && Number.isSafeInteger(Number(text))) return Number(text);
  const time = /^@\d+$/.test(text) ? new Date(Number(text.slice(1))) : new Date(text);
  if (Number.isNaN(time.getTime()) || !/^[@\d]/.test(text)) {
    throw new InvalidArgumentError('It takes beginning, end, an offset, or a time such as 2026-01-31T08:00:00Z.');
  }
  return time;
}

/** The separator as bytes; `\t`, `\n`, `\0` and `\\` can be written out. */
export function parseSeparator(text: string): Uint8Array {
  const escapes: Readonly<Record<string, string>> = { t: '\t', n: '\n', '0': '\0', '\\': '\\' };
  const plain = text.replace(/\\([tn0\\])/g, (_match, letter: string) => escapes[letter] ?? letter);
  if (plain === '') throw new InvalidArgumentError('It takes at least one character.');
  return Buffer.from(plain);
}
