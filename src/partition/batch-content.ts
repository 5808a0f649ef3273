// The records inside of a compressed batch on its way into the log: checked as those of an uncompressed one are, and
// compressed anew where the topic asks for another codec than the producer's (compression.type). Knows no log.

import { BATCH_HEADER_BYTES } from '../../assembly/shared/batch-layout.ts';
import { STATUS_OK } from '../../assembly/shared/status.ts';
import { present } from '../core/assert.ts';
import { type BatchCodecs, codecName, codecNumber } from '../core/compression.ts';
import { LogFault } from '../core/fault.ts';
import { BATCH_BYTES_MAX, DECOMPRESSED_BATCH_BYTES_MAX } from '../core/limits.ts';
import type { LogConfig } from '../storage/log-config.ts';
import type { Kernels } from '../wasm/kernels.ts';
import { type MemoryRegion, unpackLz4Frame } from '../wasm/lz4.ts';
import { type Refusal, statusRefusal } from './batch-check.ts';

/** The codec that the kernels have themselves. */
const LZ4 = codecNumber('lz4');

/** Where the batch that is to be written lies, or why none is. */
export type Admission = { readonly pointer: number } | { readonly refusal: Refusal };

export class BatchContent {
  readonly #kernels: Kernels;
  readonly #codecs: BatchCodecs | undefined;

  /** Without codecs, compressed batches pass unread, and none is compressed anew. */
  constructor(kernels: Kernels, codecs: BatchCodecs | undefined) {
    this.#kernels = kernels;
    this.#codecs = codecs;
  }

  /**
   * Admits the batch at `pointer`, which was validated last. `summary` afterwards tells of its records too, and of the
   * batch as it is to be written, which may lie in scratch memory.
   */
  admit(pointer: number, config: LogConfig): Admission {
    const from = this.#kernels.summary.compression;
    const to = targetOf(config, from);
    if (from === 0 && to === 0) return { pointer };
    const codecs = this.#codecs;
    if (codecs === undefined) return from === to ? { pointer } : { refusal: unsupported('it has no codecs') };
    try {
      return this.#admit(pointer, { codecs, from, to, config });
    } catch (error) {
      if (!(error instanceof LogFault)) throw error;
      return { refusal: refusalOf(error) };
    }
  }

  #admit(pointer: number, { codecs, from, to, config }: Conversion): Admission {
    const kernels = this.#kernels;
    const { batchBytes } = kernels.summary;
    const stored = { first: pointer + BATCH_HEADER_BYTES, byteCount: batchBytes - BATCH_HEADER_BYTES };
    const plain = from === 0 ? stored : this.#unpack(stored, codecs, from);
    const status = from === 0 ? STATUS_OK : kernels.validateRecords(plain.first, plain.byteCount);
    if (status !== STATUS_OK) return { refusal: statusRefusal(status) };
    if (from === to) return { pointer };
    const bytes = bytesOf(kernels, plain);
    const recoded = to === 0 ? bytes : codecOf(codecs, to).compress(bytes, config.compression.level);
    return this.#recode(pointer, { recoded, to, bytesMax: Math.min(config.maxMessageBytes, BATCH_BYTES_MAX) });
  }

  /** The records part of a batch decompressed, in scratch. */
  #unpack(stored: MemoryRegion, codecs: BatchCodecs, codec: number): MemoryRegion {
    const kernels = this.#kernels;
    if (codec === LZ4) return unpackLz4Frame(kernels, stored, DECOMPRESSED_BATCH_BYTES_MAX);
    const plain = codecOf(codecs, codec).decompress(bytesOf(kernels, stored), DECOMPRESSED_BATCH_BYTES_MAX);
    const first = kernels.reserveBeside(stored.first, stored.byteCount, plain.length);
    kernels.bytes().set(plain, first);
    return { first, byteCount: plain.length };
  }

  #recode(pointer: number, { recoded, to, bytesMax }: Recoded): Admission {
    const kernels = this.#kernels;
    const byteCount = BATCH_HEADER_BYTES + recoded.length;
    if (byteCount > bytesMax) {
      const message = `compressed as compression.type says the batch has ${byteCount} bytes, max.message.bytes allows ${bytesMax}`;
      return { refusal: { outcome: 'message-too-large', message } };
    }
    const target = kernels.reserveBeside(pointer, kernels.summary.batchBytes, byteCount);
    const bytes = kernels.bytes();
    bytes.copyWithin(target, pointer, pointer + BATCH_HEADER_BYTES);
    bytes.set(recoded, target + BATCH_HEADER_BYTES);
    kernels.recodeBatch(target, target + byteCount, to);
    return { pointer: target };
  }
}

interface Conversion {
  readonly codecs: BatchCodecs;
  readonly from: number;
  readonly to: number;
  readonly config: LogConfig;
}

interface Recoded {
  readonly recoded: Uint8Array;
  readonly to: number;
  readonly bytesMax: number;
}

function targetOf({ compression: { type } }: LogConfig, from: number): number {
  if (type === 'producer') return from;
  return type === 'uncompressed' ? 0 : codecNumber(type);
}

/** A copy: codecs want bytes that no other thread sees. */
function bytesOf(kernels: Kernels, { first, byteCount }: MemoryRegion): Uint8Array {
  return kernels.bytes().slice(first, first + byteCount);
}

function codecOf(codecs: BatchCodecs, number: number): BatchCodecs['gzip'] {
  return codecs[present(codecName(number), 'codec of a validated batch')];
}

function unsupported(why: string): Refusal {
  return {
    outcome: 'unsupported-compression',
    message: `this broker cannot change the compression of a batch: ${why}`,
  };
}

/** Records that cannot be read are the producer's fault, not the disk's; memory that cannot grow refuses the batch too. */
function refusalOf({ code, message }: LogFault): Refusal {
  if (code === 'ERR_CORRUPT_LOG') return { outcome: 'invalid-record', message };
  return { outcome: code === 'ERR_STORAGE' ? 'storage-error' : 'unsupported-compression', message };
}
