// How every part says what happened. The composition root supplies the real one (JSON lines, or a terminal's greeting).

/** Structured values beside a message; keys are camelCase nouns. */
export type LogFields = Readonly<Record<string, unknown>>;

export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}
