// Deno and Bun: their binaries, from the packages that npm installs.

import { existsSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

export type RuntimeName = 'deno' | 'bun';

export interface Runtime {
  readonly name: RuntimeName;
  /** The binary. */
  readonly command: string;
  /** Arguments before a script's path. */
  readonly arguments: readonly string[];
}

/** Smaller files of these names are scripts that stand for a binary which was not installed. */
const BINARY_BYTES_MIN = 1 << 20;

/**
 * The runtime of the package. npm may have refused the packages' install scripts, which copy the binary: it is then in the
 * package of the platform. Throws where it is nowhere, because no test is left out for that.
 */
export function runtime(name: RuntimeName): Runtime {
  const found = candidates(name).find((path) => existsSync(path) && statSync(path).size >= BINARY_BYTES_MIN);
  if (found === undefined) {
    throw new Error(`the binary of ${name} is not installed: looked at ${candidates(name).join(', ')}`);
  }
  return { name, command: found, arguments: name === 'deno' ? ['run', '-A'] : [] };
}

function candidates(name: RuntimeName): string[] {
  const packages = join(dirname(createRequire(import.meta.url).resolve(`${name}/package.json`)), '..');
  const architecture = process.arch === 'arm64' ? 'arm64' : 'x64';
  if (name === 'deno') {
    const platform = process.platform === 'darwin' ? `darwin-${architecture}` : `linux-${architecture}-glibc`;
    return [join(packages, `@deno/${platform}/deno`), join(packages, 'deno/deno')];
  }
  const bun = `${process.platform === 'darwin' ? 'darwin' : 'linux'}-${process.arch === 'arm64' ? 'aarch64' : 'x64'}`;
  return [join(packages, 'bun/bin/bun.exe'), join(packages, `@oven/bun-${bun}/bin/bun`)];
}
