// Zstandard over WebAssembly that the host brings: workerd, which compiles nothing at run time, has a ready module, of which
// an instance is made when the first batch comes; a page has the file beside its worker, fetched when a command may need
// the codec, and the commands behind that one wait with it. Where it cannot be fetched the batch is refused retriably and
// the next one asks again; who never meets the codec loads nothing.
//
// The module is that of @bokuweb/zstd-wasm, whose own JavaScript takes bytes or a URL alone. It is an Emscripten build with
// short names, which hold for the one version that package.json names; the tests of the codec fail with any other.

import type { BatchCodec } from '../core/compression.ts';
import { LogFault } from '../core/fault.ts';
import { compileModule, type WasmSource } from '../wasm/module.ts';
import { createZstdCodec, type ZstdFrames } from './zstd-frames.ts';

/** Kafka's default of compression.zstd.level. */
const LEVEL_DEFAULT = 3;
const PAGE_BYTES = 65_536;
/** Most that the library asks for: 2 GiB. */
const MEMORY_BYTES_MAX = 2 ** 31;
/** Memory of an instance that is kept for the next batch; a larger one is left to the garbage collector. */
const KEPT_BYTES_MAX = 32 * 1024 * 1024;

const NAMES = {
  memory: 'f',
  initialize: 'g',
  isError: 'h',
  compressBound: 'i',
  compress: 'm',
  decompress: 'r',
  malloc: 's',
  free: 't',
} as const;

/** A codec of Zstandard frames. `source` is `zstd.wasm`, instantiated when the codec is first used. */
export function createZstdLibrary(source: WasmSource): BatchCodec {
  return createZstdCodec(new KeptInstance(source));
}

/** Makes an instance when it is needed, and another after work that took much memory or ended in the middle. */
class KeptInstance implements ZstdFrames {
  #source: WasmSource;
  #kept: Instance | undefined;

  constructor(source: WasmSource) {
    this.#source = source;
  }

  compress(bytes: Uint8Array, level: number | undefined): Uint8Array {
    return this.#use((instance) => instance.compress(bytes, level ?? LEVEL_DEFAULT));
  }

  decompress(frame: Uint8Array, outputBytesMax: number): Uint8Array {
    return this.#use((instance) => instance.decompress(frame, outputBytesMax));
  }

  #use(work: (instance: Instance) => Uint8Array | number): Uint8Array {
    const module = compileModule(this.#source);
    this.#source = module;
    const instance = this.#kept ?? new Instance(module);
    this.#kept = undefined;
    const result = work(instance);
    if (instance.memoryBytes <= KEPT_BYTES_MAX) this.#kept = instance;
    if (typeof result === 'number') throw new Error(`the library answers with error ${result}`);
    return result;
  }
}

/** An instance of the library. What it refuses is a number, its error; after anything that throws it is not to be used any more. */
class Instance {
  readonly #exports: WebAssembly.Exports;
  readonly #memory: WebAssembly.Memory;

  constructor(module: WebAssembly.Module) {
    // The first is exit, then: no more work comes, abort, a timer. The library does none of them.
    const unexpected = (): never => {
      throw new Error('the library wants to end');
    };
    const imports = {
      a: { a: unexpected, b: unexpected, c: unexpected, d: unexpected, e: (end: number) => this.#grow(end >>> 0) },
    };
    this.#exports = new WebAssembly.Instance(module, imports).exports;
    const memory = this.#exports[NAMES.memory];
    if (!(memory instanceof WebAssembly.Memory)) throw new LogFault('ERR_USAGE', 'zstd.wasm is another library');
    this.#memory = memory;
    this.#call('initialize');
  }

  get memoryBytes(): number {
    return this.#memory.buffer.byteLength;
  }

  compress(bytes: Uint8Array, level: number): Uint8Array | number {
    const room = this.#call('compressBound', bytes.length);
    return this.#transform(bytes, room, (target, source) =>
      this.#call('compress', target, room, source, bytes.length, level),
    );
  }

  decompress(frame: Uint8Array, room: number): Uint8Array | number {
    return this.#transform(frame, room, (target, source) =>
      this.#call('decompress', target, room, source, frame.length),
    );
  }

  #transform(bytes: Uint8Array, room: number, run: (target: number, source: number) => number): Uint8Array | number {
    const source = this.#allocate(bytes.length);
    const target = this.#allocate(room);
    new Uint8Array(this.#memory.buffer).set(bytes, source);
    const byteCount = run(target, source);
    const isError = this.#call('isError', byteCount) !== 0;
    const result = isError
      ? 2 ** 32 - byteCount
      : new Uint8Array(this.#memory.buffer).slice(target, target + byteCount);
    this.#call('free', source);
    this.#call('free', target);
    return result;
  }

  #allocate(byteCount: number): number {
    const pointer = this.#call('malloc', Math.max(1, byteCount));
    if (pointer === 0) throw new LogFault('ERR_STORAGE', `WebAssembly memory has no room for ${byteCount} bytes`);
    return pointer;
  }

  /** The answer as an unsigned number; 0 from what answers nothing. */
  #call(name: keyof typeof NAMES, ...parameters: number[]): number {
    const call: unknown = this.#exports[NAMES[name]];
    if (typeof call !== 'function') throw new LogFault('ERR_USAGE', 'zstd.wasm is another library');
    const answer: unknown = Reflect.apply(call, undefined, parameters);
    return typeof answer === 'number' ? answer >>> 0 : 0;
  }

  /** Whether memory reaches so far now, as 1 or 0. */
  #grow(end: number): number {
    if (end > MEMORY_BYTES_MAX) return 0;
    try {
      this.#memory.grow(Math.ceil(Math.max(0, end - this.memoryBytes) / PAGE_BYTES));
      return 1;
    } catch {
      return 0;
    }
  }
}
