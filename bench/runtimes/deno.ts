// The work in Deno, beside Deno KV, which keeps its entries in SQLite. A commit takes a thousand changes at most.

import { argv, exit } from 'node:process';
import { openBroker } from '../../src/platform/deno/index.ts';
import { perform } from './work.ts';

interface KvCommit {
  set(key: readonly (string | number)[], value: string): KvCommit;
  commit(): Promise<unknown>;
}

interface Kv {
  atomic(): KvCommit;
  list(selector: { readonly prefix: readonly string[] }): AsyncIterable<{ readonly value: string }>;
  close(): void;
}

declare const Deno: { openKv(path: string): Promise<Kv> };

const CHANGES_MAX = 500;

await perform(
  {
    openBroker,
    openRows: async (directory) => {
      const kv = await Deno.openKv(`${directory}/kv.sqlite`);
      let count = 0;
      return {
        async append(values) {
          for (let at = 0; at < values.length; at += CHANGES_MAX) {
            const commit = kv.atomic();
            for (const value of values.slice(at, at + CHANGES_MAX)) {
              commit.set(['rows', count], value);
              count += 1;
            }
            await commit.commit();
          }
        },
        async *read() {
          for await (const { value } of kv.list({ prefix: ['rows'] })) yield value;
        },
        close: () => kv.close(),
      };
    },
  },
  argv[2],
);
exit(0);
