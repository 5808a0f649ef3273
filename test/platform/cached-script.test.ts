// Scripts run from V8's code cache are what they are without it, and a cache that does not fit is as good as none.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Script } from 'node:vm';
import { afterAll, expect, test } from 'vitest';
import { type CachedScript, cacheContent, cacheFile, runCached } from '../../src/platform/node/cached-script.ts';
import { CLI } from '../support/broker-process.ts';

const directory = mkdtempSync(join(tmpdir(), 'millrace-cached-script-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const SCRIPT = `(typeof module==="object"?module:{}).exports=function(require,module,__filename){
module.exports.join = require('node:path').join('a', 'b');
module.exports.file = __filename;
module.exports.fail = () => { throw new Error('broken'); };
module.exports.answer = () => 6 * 7;
};`;

interface Exports {
  readonly join: string;
  readonly file: string;
  readonly fail: () => never;
  readonly answer: () => number;
}

type Cached = (script: CachedScript) => Buffer;

function scriptIn(name: string, cached: Cached | undefined): CachedScript {
  const script = { file: join(directory, name), digest: 'd' };
  writeFileSync(script.file, SCRIPT);
  if (cached !== undefined) writeFileSync(cacheFile(script), cached(script));
  return script;
}

/** As V8 makes one of a source in the script's place, with its end. */
function cacheOf(source: string, change: (data: Buffer) => Buffer = (data) => data): Cached {
  return (script) => cacheContent(script, change(new Script(source, { filename: script.file }).createCachedData()));
}

/** What follows the magic number tells the version. */
function ofAnotherVersion(data: Buffer): Buffer {
  data.writeUInt32LE(~data.readUInt32LE(4) >>> 0, 4);
  return data;
}

test.each([
  ['without a cache', undefined],
  ['with its cache', cacheOf(SCRIPT)],
  ['with the cache of another version of V8', cacheOf(SCRIPT, ofAnotherVersion)],
  ['with the cache of another script', cacheOf(`${SCRIPT} // and more`)],
  ['with half of a cache', cacheOf(SCRIPT, (data) => data.subarray(0, data.length / 2))],
  ['with its cache cut off', (script) => cacheOf(SCRIPT)(script).subarray(0, -1)],
  ['with the cache from another folder', (script) => cacheOf(SCRIPT)({ ...script, file: `/elsewhere${script.file}` })],
  ['with an empty file for a cache', () => Buffer.alloc(0)],
] satisfies [string, Cached | undefined][])('a script %s does the same, and writes nothing', (how, cached) => {
  const script = scriptIn(`${how.replaceAll(' ', '-')}.cjs`, cached);
  const contents = () => readdirSync(directory).map((name) => [name, readFileSync(join(directory, name), 'latin1')]);
  const before = contents();
  const exported = runCached(script) as Exports;
  expect({ ...exported, answer: exported.answer() }).toMatchObject({ join: 'a/b', file: script.file, answer: 42 });
  expect(stackOf(exported.fail)).toContain(`(${script.file}:4:`);
  expect(contents()).toEqual(before);
});

function stackOf(fail: () => never): string {
  try {
    return fail();
  } catch (error) {
    return (error as Error).stack ?? '';
  }
}

test('a cache belongs to one script, one Node, and one kind of machine', () => {
  const path = cacheFile({ file: '/package/command.cjs', digest: 'abc' });
  for (const part of ['/package/command.cjs.', 'abc', process.version, process.platform, process.arch]) {
    expect(path).toContain(part);
  }
});

/** Says of each script what became of its cache, on standard error. */
const HOOK = `const vm = require('node:vm'); const { Script } = vm;
vm.Script = class extends Script { constructor(source, options) { super(source, options);
  require('node:fs').writeSync(2, require('node:path').basename(options.filename) + ' rejected: ' + this.cachedDataRejected + '\\n'); } };`;

function version(...nodeArguments: string[]): { readonly stdout: string; readonly stderr: string } {
  const hook = join(directory, 'hook.cjs');
  if (!existsSync(hook)) writeFileSync(hook, HOOK);
  return spawnSync(process.execPath, ['--require', hook, ...nodeArguments, CLI, '--version'], { encoding: 'utf8' });
}

test('the command is run from the cache that the build made with this Node', () => {
  expect(version().stderr).toBe('command.cjs rejected: false\n');
});

test('under other flags of V8 the command compiles anew, and says nothing of it', () => {
  const { stdout, stderr } = version('--max-lazy');
  expect(stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  expect(stderr).toBe('command.cjs rejected: true\n');
});

test('with source maps the command is a module, because only modules have them', () => {
  const { stdout, stderr } = version('--enable-source-maps');
  expect(stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  expect(stderr).toBe('');
});
