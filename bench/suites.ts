// Every benchmark suite, in the order in which they run.

import { browserSuite } from './browser/suite.ts';
import { ownClientSuite } from './end-to-end/own-client.ts';
import { endToEndSuite } from './end-to-end/suite.ts';
import { crc32cSuite } from './kernels/crc32c.ts';
import { indexSearchSuite } from './kernels/index-search.ts';
import { lz4Suite } from './kernels/lz4.ts';
import { recordBatchesSuite } from './kernels/record-batches.ts';
import { fastCodecsSuite } from './protocol/fast-codecs.ts';
import type { Suite } from './row.ts';
import { runtimesSuite } from './runtimes/suite.ts';
import { workerdSuite } from './workerd/suite.ts';

export const SUITES: readonly Suite[] = [
  crc32cSuite,
  recordBatchesSuite,
  indexSearchSuite,
  lz4Suite,
  fastCodecsSuite,
  endToEndSuite,
  ownClientSuite,
  runtimesSuite,
  browserSuite,
  workerdSuite,
];
