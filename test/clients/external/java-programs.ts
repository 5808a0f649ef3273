// Runs programs of the Java client, of Kafka's tools and of Kafka itself, each in a JVM of its own.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect } from 'vitest';
import { EXTERNAL, INSTALLED, type ProgramResult, runProgram } from './external-client.ts';

export const JAVA = '/usr/bin/java';
const SOURCES = join(EXTERNAL, 'java');
const TIMEOUT_MS = 580_000;

function installed(prefix: string): string {
  const found = existsSync(INSTALLED) ? readdirSync(INSTALLED).find((name) => name.startsWith(prefix)) : undefined;
  return join(INSTALLED, found ?? prefix);
}

/** Kafka of one version: client, tools, Streams and broker. */
export const KAFKA = installed('java-');
/** `kafka-clients` alone, of the major version before. */
export const OLDER_CLIENTS = installed('kafka-clients-');
/** What `describeClient` is to look for. */
export const KAFKA_NEEDS: readonly string[] = [JAVA, join(KAFKA, 'complete')];
export const OLDER_CLIENTS_NEEDS: readonly string[] = [JAVA, join(OLDER_CLIENTS, 'complete')];

function commandLine(jars: string, args: readonly string[], logLevel = 'error'): string[] {
  const options = ['-Xmx512m', `-Dorg.slf4j.simpleLogger.defaultLogLevel=${logLevel}`];
  return [...options, '-cp', join(jars, 'jars', '*'), ...args];
}

interface JavaOptions {
  readonly input?: string;
  readonly jars?: string;
}

/** Runs a class of the jars, or a source file of java/, to its end. */
export function java(args: readonly string[], { input = '', jars = KAFKA }: JavaOptions = {}): Promise<ProgramResult> {
  return runProgram(JAVA, commandLine(jars, args), { cwd: SOURCES, timeoutMs: TIMEOUT_MS, input });
}

/** Runs one that has to succeed; what it printed. */
export async function javaOutput(args: readonly string[], options: JavaOptions = {}): Promise<string> {
  const { code, stdout, stderr } = await java(args, options);
  expect(code, `${args.join(' ')}\n${stdout.slice(-1000)}\n${stderr.slice(-2000)}`).toBe(0);
  return stdout;
}

/** A program that goes on until it is stopped, and what it has printed by lines. */
export class JavaProcess {
  readonly lines: string[] = [];
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown>;
  #watchers: { readonly holds: (line: string) => boolean; readonly resolve: (line: string) => void }[] = [];

  constructor(args: readonly string[], logLevel?: string) {
    const child = spawn(JAVA, commandLine(KAFKA, args, logLevel), { cwd: SOURCES, stdio: ['ignore', 'pipe', 'pipe'] });
    this.#child = child;
    this.#exited = once(child, 'exit');
    // A test that fails leaves nothing running.
    process.once('exit', () => child.kill('SIGKILL'));
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream }).on('line', (line) => this.#take(line));
    }
  }

  #take(line: string): void {
    this.lines.push(line);
    const met = this.#watchers.filter(({ holds }) => holds(line));
    this.#watchers = this.#watchers.filter((watcher) => !met.includes(watcher));
    for (const { resolve } of met) resolve(line);
  }

  /** Resolves with the next line for which this holds; rejects with what was printed when the program ends before. */
  next(holds: (line: string) => boolean): Promise<string> {
    return new Promise((resolve, reject) => {
      this.#watchers.push({ holds, resolve });
      this.#exited.then(() => reject(new Error(`the program ended:\n${this.lines.slice(-40).join('\n')}`)));
    });
  }

  /** Resolves when the program is gone. */
  async stop(signal: NodeJS.Signals): Promise<void> {
    this.#child.kill(signal);
    await this.#exited;
  }

  /** Resolves with the code with which the program ends by itself. */
  async ended(): Promise<number | null> {
    await this.#exited;
    return this.#child.exitCode;
  }
}
