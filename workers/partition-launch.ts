// What a partition-owning thread is started from: runs the script of partition-worker.ts from its code cache, where there
// is one.

import { fileURLToPath } from 'node:url';
import { runCached } from '../src/platform/node/cached-script.ts';

/** Put in by the build. */
declare const SCRIPT_DIGEST: string;

type PartitionWorker = typeof import('./partition-worker.ts');

const file = fileURLToPath(new URL('partition-thread.cjs', import.meta.url));

export const { serve, openOwner } = runCached({ file, digest: SCRIPT_DIGEST }) as PartitionWorker;
