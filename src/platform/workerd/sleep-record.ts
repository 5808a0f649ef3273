// What an object leaves behind before it sleeps, in a table of its own: that it went to sleep in order, and what its
// sessions need to go on.
//
//   <prefix>_sleep
//     key     '' for the sleep itself, else the key of a socket
//     value   milliseconds since 1970 at which the sleep began, else the session as JSON
//
// Crash policy: the rows are written in the turn in which the broker has been closed, and taken away in the turn in which
// it is opened. An object that finds no row did not go to sleep in order, and knows nothing of its sockets.

import type { SavedSession } from '../../net/saved-session.ts';
import type { SqlDatabase } from './runtime.ts';

export interface Sleep {
  readonly sinceMs: number;
  readonly sessions: ReadonlyMap<string, SavedSession>;
}

export class SleepRecord {
  readonly #sql: SqlDatabase;
  readonly #table: string;

  constructor(sql: SqlDatabase, prefix: string) {
    this.#sql = sql;
    this.#table = `${prefix}_sleep`;
    sql.exec(`CREATE TABLE IF NOT EXISTS ${this.#table} (key TEXT PRIMARY KEY, value) WITHOUT ROWID`);
  }

  write({ sinceMs, sessions }: Sleep): void {
    const insert = `INSERT OR REPLACE INTO ${this.#table} (key, value) VALUES (?, ?)`;
    this.#sql.exec(insert, '', sinceMs);
    for (const [key, session] of sessions) this.#sql.exec(insert, key, JSON.stringify(session));
  }

  /** Takes the rows away; undefined where there was no sleep. */
  take(): Sleep | undefined {
    let sinceMs: number | undefined;
    const sessions = new Map<string, SavedSession>();
    for (const [key, value] of this.#sql.exec(`SELECT key, value FROM ${this.#table}`).raw()) {
      if (key === '' && typeof value === 'number') sinceMs = value;
      else if (typeof key === 'string' && typeof value === 'string') sessions.set(key, JSON.parse(value));
    }
    this.#sql.exec(`DELETE FROM ${this.#table}`);
    return sinceMs === undefined ? undefined : { sinceMs, sessions };
  }

  /** A socket has ended while the object slept. */
  forget(key: string): void {
    this.#sql.exec(`DELETE FROM ${this.#table} WHERE key = ?`, key);
  }
}
