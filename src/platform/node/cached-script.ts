// Runs a script of the package from V8's code cache, where the build made one with this very Node. Reading a megabyte of
// script and compiling it as it is called would be a third of a start. It knows neither what the script does nor how
// caches are made (src/cli/code-cache.ts).

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { constants, Script, type ScriptOptions } from 'node:vm';

/** A script whose value is a function of these; as CommonJS it exports the same. In ASCII. */
export type ScriptBody = (require: NodeJS.Require, module: { exports: unknown }, filename: string) => void;

export interface CachedScript {
  /** Absolute path. */
  readonly file: string;
  /** Of the script's bytes: V8 itself compares their number alone. */
  readonly digest: string;
}

/** Where the cache of a script is: bytecode is good for one Node on one kind of machine. V8 checks version and flags, too. */
export function cacheFile({ file, digest }: CachedScript): string {
  return `${file}.${digest}-${process.version}-${process.platform}-${process.arch}.cache`;
}

/** What the file of a cache has in it. Stacks have the path that the script had when its cache was made, so it must be the same. */
export function cacheContent(script: CachedScript, cachedData: Buffer): Buffer {
  return Buffer.concat([cachedData, endOfCache(script)]);
}

function endOfCache({ file }: CachedScript): Buffer {
  return Buffer.from(`\0${file}`);
}

/** Runs the script as CommonJS would, and returns what it exports. */
export function runCached(script: CachedScript): unknown {
  const { file } = script;
  const require = createRequire(file);
  const module: { exports: unknown } = { exports: {} };
  const body: ScriptBody = mustBeRequired() ? require(file) : compile(script);
  body(require, module, file);
  return module.exports;
}

/** Only modules have source maps, and before Node 20.12 only they can `import()`. */
function mustBeRequired(): boolean {
  return process.sourceMapsEnabled === true || constants?.USE_MAIN_CONTEXT_DEFAULT_LOADER === undefined;
}

function compile(script: CachedScript): ScriptBody {
  const { file } = script;
  const cachedData = cacheOf(script);
  const options: ScriptOptions = {
    filename: file,
    importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
    ...(cachedData === undefined ? {} : { cachedData }),
  };
  // A cache that V8 does not take is as good as none.
  return new Script(readFileSync(file, 'latin1'), options).runInThisContext();
}

function cacheOf(script: CachedScript): Buffer | undefined {
  try {
    const bytes = readFileSync(cacheFile(script));
    const end = endOfCache(script);
    const cacheEnd = bytes.length - end.length;
    return bytes.subarray(cacheEnd).equals(end) ? bytes.subarray(0, cacheEnd) : undefined;
  } catch {
    return undefined;
  }
}
