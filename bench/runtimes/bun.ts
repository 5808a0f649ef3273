// The work in Bun, beside rows of bun:sqlite, with a write-ahead log that is flushed at every commit.

import { argv, exit } from 'node:process';
import { openBroker } from '../../src/platform/bun/index.ts';
import { perform } from './work.ts';

interface Statement {
  run(value: string): void;
  iterate(): Iterable<{ readonly value: string }>;
}

interface Database {
  exec(sql: string): void;
  query(sql: string): Statement;
  transaction(action: (values: readonly string[]) => void): (values: readonly string[]) => void;
  close(): void;
}

/** A name that the compiler does not look for: only Bun has the module. */
const SQLITE: string = 'bun:sqlite';

await perform(
  {
    openBroker,
    openRows: async (directory) => {
      const sqlite: { readonly Database: new (path: string) => Database } = await import(SQLITE);
      const database = new sqlite.Database(`${directory}/rows.sqlite`);
      database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;');
      database.exec('CREATE TABLE rows (id INTEGER PRIMARY KEY, value TEXT NOT NULL)');
      const insert = database.query('INSERT INTO rows (value) VALUES (?)');
      const append = database.transaction((values) => {
        for (const value of values) insert.run(value);
      });
      return {
        append,
        *read() {
          for (const { value } of database.query('SELECT value FROM rows ORDER BY id').iterate()) yield value;
        },
        close: () => database.close(),
      };
    },
  },
  argv[2],
);
exit(0);
