// The README's examples for Deno and Bun, run by their own runtimes as they stand but for directory and ports.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, expect, test } from 'vitest';
import { ROOT } from '../house/source-files.ts';
import { temporaryDirectory } from '../support/broker-process.ts';
import { type RuntimeName, runtime } from '../support/runtimes.ts';

const readme = readFileSync(join(ROOT, 'README.md'), 'utf8');
/** Inside of the package, where `millrace` is this very checkout. */
const scratch = join(ROOT, 'dist', 'readme-runtimes');

afterAll(() => rmSync(scratch, { recursive: true, force: true }));

function exampleOf(name: RuntimeName): string {
  const blocks = [...readme.matchAll(/```js\n([\s\S]*?)```/g)].map(([, text]) => text ?? '');
  const found = blocks.find((text) => text.includes(`// ${name}-broker.mjs`));
  if (found === undefined) throw new Error(`the README has no example for ${name}`);
  return found;
}

/** The arguments that the example's first line names. */
function argumentsOf(name: RuntimeName, example: string, directory: string): string[] {
  const line = new RegExp(`: ${name} (.*)\\n`).exec(example)?.[1] ?? '';
  const written = line.replace('/tmp', directory).split(' ');
  return written.map((argument) => (argument === `${name}-broker.mjs` ? join(scratch, argument) : argument));
}

test.each(['deno', 'bun'] as const)('the example for %s opens, produces, and closes at a signal', async (name) => {
  const directory = temporaryDirectory(`readme-${name}`);
  const example = exampleOf(name);
  mkdirSync(scratch, { recursive: true });
  writeFileSync(
    join(scratch, `${name}-broker.mjs`),
    example.replace(`/tmp/millrace-${name}`, `${directory.path}/data`).replaceAll(/port: \d+/g, 'port: 0'),
  );
  const child = spawn(runtime(name).command, argumentsOf(name, example, directory.path), {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  const lines: string[] = [];
  const produced = new Promise<void>((resolve, reject) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      lines.push(line);
      if (line.startsWith('offset')) resolve();
    });
    exited.then(() => reject(new Error(`it ended early: ${lines.join('\n')}`)));
  });
  await produced;
  expect(lines[0]).toMatch(/^ws:\/\/127\.0\.0\.1:\d+ and Kafka on 127\.0\.0\.1:\d+$/);
  expect(lines[1]).toBe('offset 0');
  child.kill('SIGTERM');
  expect(await exited).toEqual([0, null]);
  directory.remove();
});
