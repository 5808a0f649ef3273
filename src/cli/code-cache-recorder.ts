// Loaded into each thread of the broker that the build starts (code-cache.ts): remembers the package's script that the
// thread runs, and writes its code cache when it is told to.

import { renameSync, writeFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import vm from 'node:vm';
import { BroadcastChannel, isMainThread } from 'node:worker_threads';
import { cacheContent, cacheFile } from '../platform/node/cached-script.ts';
import { scriptDigest } from './script-digest.ts';

const CHANNEL = 'millrace code cache';

class RecordedScript extends vm.Script {
  constructor(source: string, options: vm.ScriptOptions) {
    super(source, options);
    listen(this, options.filename ?? '');
  }
}

/**
 * The main thread is told by the build, and tells the partition thread before it does its own part. A cache is for the flags
 * under which it is written: they must be those under which its script is loaded (src/platform/node/heap-growth.ts).
 */
function listen(script: vm.Script, file: string): void {
  const channel = new BroadcastChannel(CHANNEL);
  channel.onmessage = () => {
    if (isMainThread) {
      setFlagsFromString('--heap-growing-percent=0');
      write(script, file);
      process.send?.('written');
    } else {
      write(script, file);
      channel.postMessage('written');
    }
  };
  if (isMainThread) process.once('message', () => channel.postMessage('record'));
}

function write(script: vm.Script, file: string): void {
  setFlagsFromString('--no-optimize-for-size');
  const identity = { file, digest: scriptDigest(file) };
  const path = cacheFile(identity);
  // Never half of one.
  const written = `${path}.part`;
  writeFileSync(written, cacheContent(identity, script.createCachedData()));
  renameSync(written, path);
}

Object.assign(vm, { Script: RecordedScript });
