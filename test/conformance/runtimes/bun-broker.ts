import { argv } from 'node:process';
import { openBroker, whenSignalled } from '../../../src/platform/bun/index.ts';
import { serveBroker } from './served-broker-main.ts';

await serveBroker({ openBroker, whenSignalled }, argv[2] ?? '{}');
