// Brings the kernels' WebAssembly to life from bytes or from a ready module (all that some runtimes accept), with its
// own memory or with a shared one. Knows how to instantiate, nothing of what the kernels do.
import { instantiateSync } from '@assemblyscript/loader';
import { HEAP_BASE } from '../../assembly/shared/memory-layout.ts';
import { assert } from '../core/assert.ts';

/** Bytes of a `.wasm` file, or a module compiled by the runtime. */
export type WasmSource = WebAssembly.Module | ArrayBuffer | Uint8Array<ArrayBuffer>;

/** What assembly/index.ts exports: numbers in, numbers out. */
export interface KernelExports {
  staticsEnd(): number;
  crc32c(pointer: number, length: number): number;
  validateBatch(pointer: number, available: number): number;
  checkStoredBatch(pointer: number, available: number): number;
  stampBatch(pointer: number, baseOffset: number, leaderEpoch: number): void;
  stampLogAppendTime(pointer: number, timestampMs: number): void;
  stampMaxTimestamp(pointer: number, timestampMs: number): void;
  validateRecords(first: number, byteCount: number, count: number, baseTimestamp: number): number;
  recodeBatch(pointer: number, end: number, codec: number): void;
  batchBytes(pointer: number, available: number): number;
  wholeBatchesBytes(pointer: number, available: number): number;
  findBatch(pointer: number, available: number, offset: number): number;
  offsetIndexFloor(pointer: number, entryCount: number, relativeOffset: number): number;
  timeIndexFloor(pointer: number, entryCount: number, timestampMs: number): number;
  sealBatch(
    pointer: number,
    end: number,
    count: number,
    attributes: number,
    baseTimestamp: number,
    maxTimestamp: number,
    producerId: number,
    producerEpoch: number,
    baseSequence: number,
  ): number;
  tabulateRecords(
    pointer: number,
    byteCount: number,
    count: number,
    baseTimestamp: number,
    lastOffsetDelta: number,
    table: number,
  ): number;
  lz4FrameBytesMax(pointer: number, byteCount: number): number;
  packLz4Frame(pointer: number, byteCount: number, target: number, table: number): number;
  unpackLz4Frame(pointer: number, byteCount: number, target: number, room: number): number;
  packSnappyBlock(pointer: number, byteCount: number, target: number, table: number): number;
  unpackSnappyElements(pointer: number, end: number, target: number, targetEnd: number): number;
  hashKeys(table: number, count: number, origin: number, target: number, secret: number): void;
}

/** A living instance and the memory it works on. */
export interface KernelInstance {
  readonly exports: KernelExports;
  readonly memory: WebAssembly.Memory;
}

/** Compiles the bytes, synchronously; a module is returned as it is. */
export function compileModule(source: WasmSource): WebAssembly.Module {
  return source instanceof WebAssembly.Module ? source : new WebAssembly.Module(source);
}

/**
 * Instantiates the plain build (no `sharedMemory`) or the shared build (with one). At most one instance may work on a
 * shared memory: its first {@link HEAP_BASE} bytes are the kernels' own.
 */
export function instantiateKernels(source: WasmSource, sharedMemory?: WebAssembly.Memory): KernelInstance {
  const imports = sharedMemory === undefined ? {} : { env: { memory: sharedMemory } };
  // The loader's type parameter asks for an index signature, which an interface of fixed exports has not.
  const { exports } = instantiateSync<{ [Name in keyof KernelExports]: KernelExports[Name] }>(
    compileModule(source),
    imports,
  );
  const memory = sharedMemory ?? exports.memory;
  assert(memory !== undefined, 'the module exports its memory or was given one');
  assert(exports.staticsEnd() <= HEAP_BASE, 'the statics of the module end below the heap');
  return { exports, memory };
}
