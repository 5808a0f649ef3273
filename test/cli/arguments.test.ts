// The values of options, and what is said of wrong ones.

import { expect, test } from 'vitest';
import { collectPairs, formatHostPort, parseHostPort, parseSeparator, parseStart } from '../../src/cli/arguments.ts';

test.each([
  ['127.0.0.1:8092', { host: '127.0.0.1', port: 8092 }],
  ['localhost:0', { host: 'localhost', port: 0 }],
  ['[::1]:65535', { host: '::1', port: 65535 }],
  [':9000', { host: '127.0.0.1', port: 9000 }],
])('%s is an address', (text, address) => {
  expect(parseHostPort(text)).toEqual(address);
  if (!text.startsWith(':')) expect(formatHostPort(address)).toBe(text);
});

test.each(['8092', 'host:', 'host:65536', '::1:8092', 'a b:1x'])('%s is no address', (text) => {
  expect(() => parseHostPort(text)).toThrow(/HOST:PORT/);
});

test('a start is a word, an offset, or a time', () => {
  expect(parseStart('beginning')).toBe('beginning');
  expect(parseStart('end')).toBe('end');
  expect(parseStart('1200')).toBe(1200);
  expect(parseStart('2026-01-31T08:00:00Z')).toEqual(new Date(Date.UTC(2026, 0, 31, 8)));
  expect(parseStart('@1700000000000')).toEqual(new Date(1700000000000));
  for (const text of ['yesterday', '-1', '1.5e99x', '']) expect(() => parseStart(text)).toThrow(/takes beginning/);
});

test('pairs are collected, and a value may hold the sign itself', () => {
  expect(collectPairs('b=x=y', { a: '1' })).toEqual({ a: '1', b: 'x=y' });
  expect(() => collectPairs('=x', {})).toThrow(/KEY=VALUE/);
});

test('a separator may be written with escapes', () => {
  expect(Buffer.from(parseSeparator('\\t')).toString()).toBe('\t');
  expect(Buffer.from(parseSeparator('::')).toString()).toBe('::');
  expect(() => parseSeparator('')).toThrow(/at least one/);
});
