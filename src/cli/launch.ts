#!/usr/bin/env node
// What `millrace` is: runs the command's script from its code cache, where there is one.

import { fileURLToPath } from 'node:url';
import { runCached } from '../platform/node/cached-script.ts';
import { giveBackSoon } from '../platform/node/heap-growth.ts';

/** Put in by the build. */
declare const SCRIPT_DIGEST: string;

giveBackSoon();
runCached({ file: fileURLToPath(new URL('command.cjs', import.meta.url)), digest: SCRIPT_DIGEST });
