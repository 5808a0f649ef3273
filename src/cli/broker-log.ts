// What a running broker is to say, to machines and to people alike.

import type { Logger } from '../core/logger.ts';

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
