// What a page's developer wants to see of the log: what went wrong, in the console.

import type { Logger } from '../../core/logger.ts';

export const consoleLogger: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: (message, fields) => console.warn(`millrace: ${message}`, fields ?? {}),
  error: (message, fields) => console.error(`millrace: ${message}`, fields ?? {}),
};
