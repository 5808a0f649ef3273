// Memory and life of the kernels: layout, growth, reserved bytes, both ways of loading.
import { readFileSync, statSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { MEMORY_STATIC_BASE } from '../../assembly/shared/memory-layout.ts';
import { Kernels } from '../../src/wasm/kernels.ts';
import { CrcTable } from '../../src/wasm/oracle.ts';
import { BUILDS, noise, PLAIN_PATH, place, plainKernels, SHARED_PATH, sharedKernels, utf8 } from './builds.ts';

const crc = new CrcTable();

describe.each(BUILDS)('kernels of the %s', (_, make) => {
  it('keep AssemblyScript’s statics between their fixed region and the heap', () => {
    const end = make().exports.staticsEnd();
    expect(end).toBeGreaterThanOrEqual(MEMORY_STATIC_BASE);
    expect(end).toBeLessThanOrEqual(Kernels.heapBase);
  });

  it('give scratch that is aligned, grows, and keeps what views see', () => {
    const kernels = make();
    const first = kernels.reserve(10);
    expect(first % 16).toBe(0);
    const large = kernels.reserve(40 * 1024 * 1024);
    expect(kernels.bytes().length).toBeGreaterThanOrEqual(large + 40 * 1024 * 1024);
    const bytes = noise(40 * 1024 * 1024);
    kernels.bytes().set(bytes, large);
    expect(kernels.crc32c(large, 1000)).toBe(crc.crc32c(bytes.subarray(0, 1000)));
    expect(kernels.words().length).toBe(kernels.bytes().length / 4);
  });

  it('report their checks through the same summary after memory has grown', () => {
    const kernels = make();
    const { summary } = kernels;
    kernels.reserve(20 * 1024 * 1024);
    kernels.checkStoredBatch(place(kernels, new Uint8Array(3)), 3);
    expect(kernels.summary).toBe(summary);
    expect(kernels.crc32cOf(utf8('123456789'))).toBe(0xe3069283);
  });
});

describe('kernels', () => {
  it('leave the caller’s reserved bytes alone', () => {
    const kernels = sharedKernels(1_000_000);
    const first = kernels.reservedPointer;
    expect(first).toBe(Kernels.heapBase);
    kernels.bytes().fill(0x5a, first, first + 1_000_000);
    expect(kernels.reserve(16)).toBeGreaterThanOrEqual(first + 1_000_000);
    kernels.crc32cOf(noise(300_000));
    expect(
      kernels
        .bytes()
        .subarray(first, first + 1_000_000)
        .every((byte) => byte === 0x5a),
    ).toBe(true);
    expect(kernels.crc32c(first, 1_000_000)).toBe(crc.crc32c(new Uint8Array(1_000_000).fill(0x5a)));
  });

  it('fault clearly when a shared memory cannot grow any more', () => {
    const memory = Kernels.createSharedMemory({ reservedBytes: 0, scratchBytesMax: 1024 * 1024 });
    const kernels = Kernels.create(readFileSync(SHARED_PATH), { memory });
    expect(() => kernels.reserve(64 * 1024 * 1024)).toThrow(/cannot grow/);
    expect(kernels.crc32cOf(utf8('123456789'))).toBe(0xe3069283);
  });

  it('come from bytes and from a ready module', () => {
    const bytes = readFileSync(PLAIN_PATH);
    for (const source of [bytes, new Uint8Array(bytes).buffer, new WebAssembly.Module(bytes)]) {
      expect(Kernels.create(source).crc32cOf(utf8('123456789'))).toBe(0xe3069283);
    }
    expect(plainKernels().memory.buffer).toBeInstanceOf(ArrayBuffer);
    expect(sharedKernels().memory.buffer).toBeInstanceOf(SharedArrayBuffer);
  });

  it('stay within 24 KiB of WebAssembly', () => {
    for (const path of [PLAIN_PATH, SHARED_PATH]) expect(statSync(path).size).toBeLessThanOrEqual(24 * 1024);
  });
});
