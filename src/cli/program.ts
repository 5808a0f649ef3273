// The `millrace` command: its name, its parts, and how it ends. What a part needs is loaded when it is used, so that
// none pays for another.

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { Command, CommanderError } from 'commander';
import type { BegunThread } from '../platform/node/piscina-thread.ts';
import { benchCommand } from './bench-command.ts';
import { consumeCommand } from './consume-command.ts';
import { EXIT_OK, EXIT_USAGE, exitCodeOf, lineOf } from './exit-codes.ts';
import { groupCommand } from './group-command.ts';
import { logCommand } from './log-command.ts';
import { produceCommand } from './produce-command.ts';
import { startCommand } from './start-command.ts';
import { topicCommand } from './topic-command.ts';

const EXAMPLES = `
Examples:
  $ millrace start                                      run a broker on 127.0.0.1:8092, data in ./.millrace
  $ millrace topic create orders --partitions 3
  $ millrace produce orders --file orders.txt           a record for each line
  $ journalctl -f | millrace produce journal
  $ millrace consume orders --from beginning --count 10
  $ millrace consume orders --format json
  $ millrace consume orders --group billing             go on where the group is
  $ millrace group describe billing                     how far it is behind
  $ millrace bench produce --partitions 8               how many records a second it takes
  $ millrace log dump .millrace/orders-0/00000000000000000000.log

Client commands reach the broker at --server, or at MILLRACE_SERVER, or at ws://127.0.0.1:8092.
Exit code: 0 done, 1 failed, 2 used wrongly.`;

/** How long connections may take to close after the work is done, in milliseconds. */
const LINGER_MS = 1000;

function versionOf(): string {
  const path = createRequire(import.meta.url).resolve('millrace/package.json');
  const manifest: unknown = JSON.parse(readFileSync(path, 'utf8'));
  return typeof manifest === 'object' && manifest !== null && 'version' in manifest ? String(manifest.version) : '0';
}

function program(thread: BegunThread | undefined): Command {
  const millrace = new Command('millrace')
    .description('A Kafka-compatible log: a broker in one command, and what talks to it.')
    .version(versionOf(), '-v, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .addHelpText('after', EXAMPLES);
  const commands = [
    startCommand(thread),
    topicCommand(),
    produceCommand(),
    consumeCommand(),
    groupCommand(),
    benchCommand(),
    logCommand(),
  ];
  for (const command of commands) millrace.addCommand(command);
  inherit(millrace);
  return millrace;
}

/** Every part reports wrong usage in the same way: one line, and a throw in place of an exit. */
function inherit(command: Command): void {
  command.exitOverride().configureOutput({
    outputError: (text, write) =>
      write(
        `millrace: ${text
          .replace(/^error: /, '')
          .trim()
          .replaceAll('\n', ' ')}\n`,
      ),
  });
  for (const part of command.commands) inherit(part);
}

/** Does what the arguments say. `thread` was begun for a broker. */
export async function run(thread: BegunThread | undefined): Promise<void> {
  process.exitCode = await exitCode(thread);
  // A peer that does not answer a close must not keep the command alive; whatever else has ended lets it go at once.
  setTimeout(() => process.exit(), LINGER_MS).unref();
}

async function exitCode(thread: BegunThread | undefined): Promise<number> {
  try {
    await program(thread).parseAsync();
    return EXIT_OK;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT_OK : EXIT_USAGE;
    process.stderr.write(`${lineOf(error)}\n`);
    return exitCodeOf(error);
  }
}
