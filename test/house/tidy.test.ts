// Habits of the code that a compiler does not hold: openings, sizes, and what must not be there.

import { expect, test } from 'vitest';
import { renderedReadme, updateReadme } from './readme-tables.ts';
import { sourceFiles } from './source-files.ts';

/** A file is a concept; beyond this it is two. Tables of data may be longer. */
const LINES_MAX = 500;
const TABLES = new Set(['src/protocol/errors.ts']);

const product = [...sourceFiles('src'), ...sourceFiles('workers'), ...sourceFiles('assembly')];
const all = [...product, ...sourceFiles('bench'), ...sourceFiles('test')];

test('every file opens by saying what it owns', () => {
  const silent = product.filter((file) => !file.text.replace(/^#!.*\n/, '').startsWith('//'));
  expect(silent.map((file) => file.path)).toEqual([]);
});

test('no file of the product is longer than a concept', () => {
  const long = product.filter((file) => !TABLES.has(file.path) && file.text.split('\n').length > LINES_MAX);
  expect(long.map((file) => file.path)).toEqual([]);
});

test('no check is switched off and nothing is left to be done', () => {
  const marks = new RegExp(
    ['@ts-(ignore|expect-error|nocheck)', 'biome-ig' + 'nore', 'TO' + 'DO', 'FIX' + 'ME'].join('|'),
  );
  const skips = /\b(test|it|describe|suite)\.(skip|only|todo)\b/;
  // AssemblyScript marks its decorators so that a TypeScript compiler leaves them alone.
  const decorators = /@ts-ignore: decorator/g;
  const found = all.filter((file) => {
    const text = file.text.replaceAll(decorators, '');
    return marks.test(text) || skips.test(text);
  });
  expect(found.map((file) => file.path).filter((path) => path !== 'test/house/tidy.test.ts')).toEqual([]);
});

test("the README's tables of configurations and errors are those of the code", () => {
  if (process.env.UPDATE_README === '1') updateReadme();
  const { current, rendered } = renderedReadme();
  // UPDATE_README=1 npx vitest run test/house makes them anew.
  expect(current).toBe(rendered);
});
