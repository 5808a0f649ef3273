import { argv, exit, versions } from 'node:process';
import { fileURLToPath } from 'node:url';
import { bunHost } from '../../../src/platform/bun/host.ts';
import { connect } from '../../../src/platform/bun/index.ts';
import { reportConformance } from './served-host.ts';

await reportConformance(
  {
    name: `bun ${versions.bun}`,
    host: bunHost(),
    runArguments: [],
    brokerScript: fileURLToPath(new URL('./bun-broker.js', import.meta.url)),
    connect,
  },
  argv[2],
);
exit(0);
