// The entry of a partition-owning worker in Deno. Everything else lives in src/partition.

import { denoApi } from '../src/platform/deno/deno-api.ts';
import { DenoStore } from '../src/platform/deno/deno-store.ts';
import { denoClock } from '../src/platform/deno/host.ts';
import { createNodeCodecs } from '../src/platform/node/codecs.ts';
import { type SlotPort, serveSlot } from '../src/platform/web/worker-slot.ts';

declare const self: SlotPort;

const deno = denoApi();
serveSlot({
  port: self,
  openStore: (root, openFilesMax) => new DenoStore(deno, root, openFilesMax),
  clock: denoClock(deno),
  codecs: createNodeCodecs(),
});
