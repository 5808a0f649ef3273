import { argv, exit, versions } from 'node:process';
import { fileURLToPath } from 'node:url';
import { denoHost } from '../../../src/platform/deno/host.ts';
import { connect } from '../../../src/platform/deno/index.ts';
import { reportConformance } from './served-host.ts';

await reportConformance(
  {
    name: `deno ${versions.deno}`,
    host: denoHost(),
    runArguments: ['run', '-A'],
    brokerScript: fileURLToPath(new URL('./deno-broker.js', import.meta.url)),
    connect,
  },
  argv[2],
);
exit(0);
