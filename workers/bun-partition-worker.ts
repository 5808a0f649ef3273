// The entry of a partition-owning worker in Bun. Everything else lives in src/partition.

import { systemClock } from '../src/platform/node/clock.ts';
import { createNodeCodecs } from '../src/platform/node/codecs.ts';
import { NodeStore } from '../src/platform/node/node-store.ts';
import { type SlotPort, serveSlot } from '../src/platform/web/worker-slot.ts';

declare const self: SlotPort;

serveSlot({
  port: self,
  openStore: (root, openFilesMax) => new NodeStore(root, openFilesMax),
  clock: systemClock,
  codecs: createNodeCodecs(),
});
