// The real partition worker with three ways to break it from a test: the epoch of an `epoch-end` names which.

import { workerData } from 'piscina';
import { openOwner } from '#workers/partition-worker.cjs';
import { GroupExchange } from '../../dist/src/partition/group-exchange.js';
import { serveGroups } from '../../dist/src/platform/node/group-port.js';

const BREAKS = {
  1001: () => {
    throw new Error('a bug in the owner');
  },
  1002: () => {
    // A trap inside WebAssembly: an integer divided by zero.
    const bytes = new Uint8Array([
      0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 127, 3, 2, 1, 0, 7, 5, 1, 1, 102, 0, 0, 10, 9, 1, 7, 0, 65, 1, 65,
      0, 109, 11,
    ]);
    new WebAssembly.Instance(new WebAssembly.Module(bytes)).exports.f();
  },
  1003: () => {
    const held = [];
    for (;;) held.push(new Array(100_000).fill(held.length));
  },
  1004: () => {
    // Outside of any task: an error that no caller waits for.
    setImmediate(() => {
      throw new Error('a bug beside the tasks');
    });
  },
};

export function serve(task) {
  const realExecute = openOwner(task);
  const execute = (group) => {
    for (const command of group.commands) {
      if (command.kind === 'epoch-end') BREAKS[command.leaderEpoch]?.();
    }
    return realExecute(group);
  };
  return serveGroups({ port: task.port, exchange: new GroupExchange(workerData.exchange), execute });
}
