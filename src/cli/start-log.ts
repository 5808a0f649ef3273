// What the broker says while it runs: JSON lines for machines, or a greeting and plain lines for a person at a terminal.

import type { LogFields, Logger } from '../core/logger.ts';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

/** What the ready line carries. */
export interface Ready {
  /** `HOST:PORT` of WebSocket and HTTP. */
  readonly http: string;
  /** `HOST:PORT` of each Kafka listener, apart by commas; absent where there is none. */
  readonly kafka?: string;
  readonly dataDirectory: string;
  readonly pid: number;
}

export interface StartLog {
  readonly logger: Logger;
  ready(ready: Ready): void;
  /** The broker has ended in order. */
  ended(): void;
}

const LEVELS: readonly LogLevel[] = ['debug', 'info', 'warn', 'error'];

export async function startLog(level: LogLevel): Promise<StartLog> {
  return process.stdout.isTTY ? terminalLog(level) : await jsonLog(level);
}

async function jsonLog(level: LogLevel): Promise<StartLog> {
  const { pino } = await import('pino');
  // Synchronous, so that the last line before a crash is there to be read.
  const lines = pino({ level, base: null }, pino.destination({ fd: 1, sync: true }));
  const logger: Logger = {
    debug: (message, fields) => lines.debug(fields ?? {}, message),
    info: (message, fields) => lines.info(fields ?? {}, message),
    warn: (message, fields) => lines.warn(fields ?? {}, message),
    error: (message, fields) => lines.error(fields ?? {}, message),
  };
  // The ready line is what whoever started the broker waits for: it comes at every level.
  const ready = lines.child({}, { level: 'info' });
  return {
    logger,
    ready: (fields) => ready.info(fields, 'ready'),
    ended: () => lines.info('ended'),
  };
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
