import type { Logger } from '../../src/core/logger.ts';

/** For tests that do not look at what is logged. */
export const silentLogger: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};
