// Runs the built `millrace` command and collects what it printed, byte for byte.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { CLI } from './broker-process.ts';

export interface CommandResult {
  readonly code: number | null;
  readonly stdout: Buffer;
  readonly stderr: string;
}

export async function runCommand(
  args: readonly string[],
  options: { readonly input?: Uint8Array; readonly server?: string } = {},
): Promise<CommandResult> {
  const environment = { ...process.env, ...(options.server === undefined ? {} : { MILLRACE_SERVER: options.server }) };
  const child = spawn(process.execPath, [CLI, ...args], { stdio: ['pipe', 'pipe', 'pipe'], env: environment });
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
  // A command that ends before it has read everything is judged by its exit code, not by the broken pipe.
  child.stdin.on('error', () => undefined);
  child.stdin.end(options.input ?? new Uint8Array(0));
  const [code] = await once(child, 'close');
  return { code, stdout: Buffer.concat(stdout), stderr: Buffer.concat(stderr).toString() };
}
