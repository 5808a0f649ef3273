// How the command ends, and the one line in which it says what went wrong.

import { type FaultCode, LogFault } from '../core/fault.ts';

export const EXIT_OK = 0;
/** The work could not be done: broker away, disk full, refused. */
export const EXIT_FAULT = 1;
/** The command was not given what it needs. */
export const EXIT_USAGE = 2;

const USAGE_CODES: ReadonlySet<FaultCode> = new Set<FaultCode>(['ERR_USAGE', 'ERR_CONFIG']);
const CONNECTION_CODES: ReadonlySet<FaultCode> = new Set<FaultCode>(['ERR_CONNECTION', 'ERR_TIMEOUT']);

export function exitCodeOf(error: unknown): number {
  return error instanceof LogFault && USAGE_CODES.has(error.code) ? EXIT_USAGE : EXIT_FAULT;
}

/** One line for the person at the terminal; a bug shows its stack, because that is what its report needs. */
export function lineOf(error: unknown): string {
  if (!(error instanceof LogFault)) {
    return `millrace: bug: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`;
  }
  return `millrace: ${error.message.replaceAll('\n', ' ')} [${error.code}]${hintOf(error)}`;
}

/** A Kafka listener that is asked for a WebSocket takes the request for a frame that is too large, and hangs up. */
function hintOf({ code, message }: LogFault): string {
  if (!CONNECTION_CODES.has(code)) return '';
  const wasHungUpOn = message.startsWith('cannot reach ws') && /socket hang up$|ECONNRESET/.test(message);
  if (wasHungUpOn) return ' (a Kafka listener is reached by kafka://HOST:PORT)';
  return ' (is the broker running? `millrace start` runs one)';
}
