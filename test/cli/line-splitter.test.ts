// Lines are cut at newline bytes and nowhere else, however the bytes come.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { LineSplitter } from '../../src/cli/line-splitter.ts';

function split(chunks: readonly Uint8Array[], lineBytesMax = 1_000_000): Buffer[] {
  const splitter = new LineSplitter(lineBytesMax);
  const lines = chunks.flatMap((chunk) => [...splitter.push(chunk)].map((line) => Buffer.from(line)));
  const last = splitter.end();
  return last === undefined ? lines : [...lines, Buffer.from(last)];
}

/** Bytes in which newlines, carriage returns and bytes that are no UTF-8 are frequent. */
const input = fc.array(fc.oneof(fc.constantFrom(10, 10, 13, 0, 255, 0xc3), fc.integer({ min: 0, max: 255 })), {
  maxLength: 400,
});

test('lines joined by newlines are the input, wherever chunks end', () => {
  fc.assert(
    fc.property(input, fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1 }), (bytes, sizes) => {
      const whole = Buffer.from(bytes);
      const chunks: Buffer[] = [];
      for (let at = 0, index = 0; at < whole.length; index++) {
        const size = sizes[index % sizes.length] ?? 1;
        chunks.push(whole.subarray(at, at + size));
        at += size;
      }
      const lines = split(chunks);
      expect(lines.every((line) => !line.includes(10))).toBe(true);
      const joined = Buffer.concat(lines.flatMap((line) => [line, Buffer.from('\n')]));
      // The last newline is there whether or not the input had it.
      const expected = whole.length === 0 || whole.at(-1) === 10 ? whole : Buffer.concat([whole, Buffer.from('\n')]);
      expect(joined.equals(expected)).toBe(true);
    }),
  );
});

test('empty lines are lines, carriage returns stay, and no input is no line', () => {
  const cut = (text: string): string[] => split([Buffer.from(text)]).map(String);
  expect(cut('')).toEqual([]);
  expect(cut('\n')).toEqual(['']);
  expect(cut('a\n\n\r\nb')).toEqual(['a', '', '\r', 'b']);
});

test('a line beyond the bound is an error that names it, before it is held in memory', () => {
  const splitter = new LineSplitter(10);
  expect([...splitter.push(Buffer.from('ok\n0123456'))]).toHaveLength(1);
  expect(() => [...splitter.push(Buffer.from('789ab'))]).toThrow(/line 2 is longer than 10 bytes/);
});
