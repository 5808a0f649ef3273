// What the broker says while it runs: JSON lines for machines, or a greeting and plain lines for a person at a terminal.

import type { LogFields } from '../core/logger.ts';
import type { LogLevel, Ready, StartLog } from './broker-log.ts';

const LEVELS: readonly LogLevel[] = ['debug', 'info', 'warn', 'error'];

export async function startLog(level: LogLevel): Promise<StartLog> {
  if (process.stdout.isTTY) return terminalLog(level);
  const { jsonLog } = await import('./json-log.ts');
  return jsonLog(level);
}

/** A person wants warnings and errors in words, and the rest only when asked for. */
function terminalLog(level: LogLevel): StartLog {
  const least = LEVELS.indexOf(level === 'info' ? 'warn' : level);
  const say = (at: LogLevel) => (message: string, fields?: LogFields) => {
    if (LEVELS.indexOf(at) < least) return;
    process.stderr.write(`${at}: ${message}${fields === undefined ? '' : ` ${JSON.stringify(fields)}`}\n`);
  };
  return {
    logger: { debug: say('debug'), info: say('info'), warn: say('warn'), error: say('error') },
    ready: (ready) => process.stdout.write(greeting(ready)),
    ended: () => process.stdout.write('Ended.\n'),
  };
}

function greeting({ http, kafka, dataDirectory }: Ready): string {
  const server = http === '127.0.0.1:8092' ? '' : ` --server ws://${http}`;
  return `
Millrace is ready.

  Kafka       ${kafka ?? 'off'}
  WebSocket   ws://${http}
  Health      http://${http}/healthz
  Metrics     http://${http}/metrics
  Data        ${dataDirectory}

Try it in another terminal:

  echo hello | npx millrace produce greetings${server}
  npx millrace consume greetings${server}

Ctrl-C ends it.
`;
}
