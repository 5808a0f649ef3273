import { argv, exit } from 'node:process';
import { openBroker, whenSignalled } from '../../../src/platform/deno/index.ts';
import { serveBroker } from './served-broker-main.ts';

await serveBroker({ openBroker, whenSignalled }, argv[2] ?? '{}');
exit(0);
