// Who may import whom. The rooms are the folders of src/; the directions are those of the README's map.

import { expect, test } from 'vitest';
import { type SourceFile, sourceFiles } from './source-files.ts';

/** What each room may import besides itself. `assembly/shared` holds constants only and is open to all that say so. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  'src/core': [],
  // LZ4 and Snappy are the kernels' own.
  'src/compression': ['src/core', 'src/wasm'],
  'src/wasm': ['src/core', 'assembly/shared'],
  'src/protocol': ['src/core'],
  'src/storage': ['src/core', 'src/wasm', 'assembly/shared'],
  'src/partition': ['src/core', 'src/wasm', 'src/storage', 'assembly/shared'],
  'src/cluster': ['src/core'],
  'src/broker': [
    'src/core',
    'src/protocol',
    'src/cluster',
    'src/partition/commands.ts',
    'src/storage/log-config.ts',
    'assembly/shared/batch-layout.ts',
  ],
  // Of compression it takes Zstandard alone: the rest would be too large for a page.
  'src/client': [
    'src/core',
    'src/protocol',
    'src/wasm',
    'src/compression/zstd-loader.ts',
    'src/broker/request-handler.ts',
  ],
  'src/uplink': ['src/core', 'src/protocol', 'src/wasm', 'src/client'],
  'src/net': ['src/core', 'src/broker/request-handler.ts', 'src/client'],
  // A whole broker without its runtime: it puts the rooms below together, as platform does with a runtime.
  'src/embedded': [
    'src/core',
    'src/compression',
    'src/wasm',
    'src/storage',
    'src/partition',
    'src/cluster',
    'src/broker',
    'src/client',
    'src/net',
  ],
  // The bare log, for those who want no broker.
  'src/engine': [
    'src/core',
    'src/compression',
    'src/wasm',
    'src/storage',
    'src/partition',
    'src/client/client-clock.ts',
    'src/client/client-random.ts',
  ],
  // What a test may do to a broker: time, faults, waits.
  'src/testing': ['src/core', 'src/protocol', 'src/broker/request-handler.ts', 'src/client', 'src/embedded'],
  'src/platform': [
    'src/protocol',
    'src/core',
    'src/compression',
    'src/wasm',
    'src/storage',
    'src/partition',
    'src/cluster',
    'src/broker',
    'src/client',
    'src/net',
    'src/uplink',
    'src/embedded',
    'src/testing',
    'src/engine',
  ],
  'src/cli': ['src/core', 'src/client', 'src/platform', 'src/storage', 'src/wasm', 'src/broker/config'],
  workers: ['src/core', 'src/wasm', 'src/storage', 'src/partition', 'src/platform'],
};

/** The only rooms that know the runtime they run in. */
const RUNTIME_ROOMS = new Set(['src/platform', 'src/cli', 'workers']);
/** Packages that run everywhere JavaScript does. */
const PORTABLE_PACKAGES = new Set(['@assemblyscript/loader', 'fflate']);

const files = [...sourceFiles('src'), ...sourceFiles('workers')];

function roomOf(path: string): string {
  return path.startsWith('src/') ? path.split('/').slice(0, 2).join('/') : (path.split('/')[0] ?? path);
}

function wrongImports(file: SourceFile): string[] {
  const room = roomOf(file.path);
  const allowed = MAY_IMPORT[room];
  if (allowed === undefined) return [`${file.path}: the room ${room} is not on the plan`];
  return file.imports
    .filter((target) => (isFile(target) ? !isAllowedFile(target, room, allowed) : !isAllowedPackage(target, room)))
    .map((target) => `${file.path} imports ${target}`);
}

function isFile(target: string): boolean {
  return target.startsWith('src/') || target.startsWith('workers/') || target.startsWith('assembly/');
}

function isAllowedFile(target: string, room: string, allowed: readonly string[]): boolean {
  return target.startsWith(`${room}/`) || allowed.some((entry) => target === entry || target.startsWith(`${entry}/`));
}

function isAllowedPackage(target: string, room: string): boolean {
  return RUNTIME_ROOMS.has(room) || PORTABLE_PACKAGES.has(target);
}

test('imports go only in the directions of the plan', () => {
  expect(files.length).toBeGreaterThan(20);
  expect(files.flatMap(wrongImports)).toEqual([]);
});

test('the check sees a wrong import', () => {
  const wrong: SourceFile = { path: 'src/storage/x.ts', text: '', imports: ['src/broker/broker.ts', 'node:fs'] };
  expect(wrongImports(wrong)).toHaveLength(2);
});

test('no files import each other in a circle', () => {
  const graph = new Map(files.map((file) => [file.path, file.imports.filter(isFile)]));
  const done = new Set<string>();
  const circles: string[] = [];
  const visit = (path: string, trail: readonly string[]): void => {
    if (trail.includes(path)) {
      circles.push([...trail.slice(trail.indexOf(path)), path].join(' -> '));
      return;
    }
    if (done.has(path)) return;
    for (const target of graph.get(path) ?? []) visit(target, [...trail, path]);
    done.add(path);
  };
  for (const path of graph.keys()) visit(path, []);
  expect(circles).toEqual([]);
});
