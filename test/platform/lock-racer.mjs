// A process that tries to get the data directory it is told of at the moment it is told, says how that went, and keeps it.

import { systemRandom } from '../../dist/src/platform/node/clock.js';
import { openNodeDirectory } from '../../dist/src/platform/node/data-directory.js';
import { DataDirectory } from '../../dist/src/storage/data-directory.js';

let directory;
process.on('message', ({ path, atMs }) => {
  directory?.close(false);
  directory = undefined;
  while (Date.now() < atMs);
  try {
    const { store, ownership } = openNodeDirectory(path);
    directory = DataDirectory.open({ store, nodeId: 1, random: systemRandom, ...ownership });
    process.send('taken');
  } catch (error) {
    process.send(error.code ?? String(error));
  }
});
process.send('ready');
