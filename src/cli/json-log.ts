// What the broker says to machines: JSON lines on standard output. Loaded where nobody looks on.

import { pino } from 'pino';
import type { Logger } from '../core/logger.ts';
import type { LogLevel, StartLog } from './broker-log.ts';

export function jsonLog(level: LogLevel): StartLog {
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
