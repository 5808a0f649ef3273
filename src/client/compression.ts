// Compression codecs of record batches, by Kafka's numbers. Gzip comes with the runtime, snappy and lz4 with the kernels;
// zstd is loaded by whoever meets it. Callers may bring others in their place.

import { type BatchCodec, type CodecName, codecName, codecNumber } from '../core/compression.ts';
import { LogFault } from '../core/fault.ts';
import { DECOMPRESSED_BATCH_BYTES_MAX } from '../core/limits.ts';
import type { Kernels } from '../wasm/kernels.ts';
import { createLz4Codec } from '../wasm/lz4-codec.ts';
import { createSnappyCodec } from '../wasm/snappy-codec.ts';

export type { CodecName } from '../core/compression.ts';

/**
 * Compresses and decompresses the records part of a batch in the format that Kafka's clients use: gzip members, the LZ4
 * frame format, Zstandard frames; Snappy in blocks under the header of xerial's SnappyOutputStream, or as one bare block.
 */
export interface Codec {
  /** The bytes compressed; absent where the codec only reads. */
  compress?(bytes: Uint8Array): Uint8Array | Promise<Uint8Array>;
  /** The bytes decompressed. Throws where they would be more than `bytesMax`, which a hostile batch could otherwise ask. */
  decompress(bytes: Uint8Array, bytesMax: number): Uint8Array | Promise<Uint8Array>;
}

/** Codecs that the caller brings. */
export type Codecs = Partial<Readonly<Record<CodecName, Codec>>>;

/** A codec that compresses, and Kafka's number for it. */
export interface Compressor {
  readonly number: number;
  compress(bytes: Uint8Array): Uint8Array | Promise<Uint8Array>;
}

/** What compresses with the codec of this name. Throws ERR_UNSUPPORTED where the client has none. */
export function compressorOf(name: CodecName, codecs: Codecs): Compressor {
  const codec = codecs[name] ?? (name === 'gzip' ? builtInGzip() : undefined);
  const compress = codec?.compress?.bind(codec);
  if (compress === undefined) {
    throw new LogFault('ERR_UNSUPPORTED', `this client has no codec that compresses with ${name} (option \`codecs\`)`);
  }
  return { number: codecNumber(name), compress };
}

/** The records part under codec number `number`, decompressed. Throws ERR_UNSUPPORTED, or ERR_CORRUPT_LOG. */
export async function decompress(number: number, bytes: Uint8Array, codecs: Codecs): Promise<Uint8Array> {
  if (number === 0) return bytes;
  const name = codecName(number);
  const codec = name === undefined ? undefined : (codecs[name] ?? (name === 'gzip' ? builtInGzip() : undefined));
  if (codec === undefined) {
    const what = name ?? `codec ${number}`;
    throw new LogFault('ERR_UNSUPPORTED', `records are compressed with ${what}, for which this client has no codec`);
  }
  try {
    return await codec.decompress(bytes, DECOMPRESSED_BATCH_BYTES_MAX);
  } catch (error) {
    if (error instanceof LogFault) throw error;
    throw new LogFault('ERR_CORRUPT_LOG', `records compressed with ${name} cannot be read: ${String(error)}`, error);
  }
}

/** Snappy and LZ4 by a client's kernels, when they are there. */
export function kernelCodecs(load: () => Promise<Kernels>): Codecs {
  return { snappy: kernelCodec(load, createSnappyCodec), lz4: kernelCodec(load, createLz4Codec) };
}

function kernelCodec(load: () => Promise<Kernels>, create: (kernels: () => Kernels) => BatchCodec): Required<Codec> {
  const loaded = async (): Promise<BatchCodec> => {
    const kernels = await load();
    return create(() => kernels);
  };
  return {
    compress: async (bytes) => (await loaded()).compress(bytes),
    decompress: async (bytes, bytesMax) => (await loaded()).decompress(bytes, bytesMax),
  };
}

/** Gzip by the runtime's own streams, where it has them. */
function builtInGzip(): Codec | undefined {
  if (!('DecompressionStream' in globalThis)) return undefined;
  return {
    compress: (bytes) => through(bytes, new CompressionStream('gzip'), Number.POSITIVE_INFINITY),
    decompress: (bytes, bytesMax) => through(bytes, new DecompressionStream('gzip'), bytesMax),
  };
}

async function through(
  bytes: Uint8Array,
  stream: CompressionStream | DecompressionStream,
  bytesMax: number,
): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let byteCount = 0;
  const reader = new Blob([new Uint8Array(bytes)]).stream().pipeThrough(stream).getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return joined(chunks, byteCount);
    byteCount += value.length;
    if (byteCount > bytesMax) {
      await reader.cancel();
      throw new LogFault('ERR_CORRUPT_LOG', `a record batch decompresses to more than ${bytesMax} bytes`);
    }
    chunks.push(value);
  }
}

function joined(chunks: readonly Uint8Array[], byteCount: number): Uint8Array {
  const bytes = new Uint8Array(byteCount);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}
