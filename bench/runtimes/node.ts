// The work in Node, beside lines appended to a plain file.

import { closeSync, fdatasyncSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { openBroker } from '../../src/platform/node/open-broker.ts';
import { perform } from './work.ts';

await perform(
  {
    openBroker,
    openRows: (directory) => {
      const path = join(directory, 'lines.txt');
      const file = openSync(path, 'a');
      return {
        append(values) {
          writeSync(file, `${values.join('\n')}\n`);
          fdatasyncSync(file);
        },
        read: () => readFileSync(path, 'utf8').trimEnd().split('\n'),
        close: () => closeSync(file),
      };
    },
  },
  process.argv[2],
);
