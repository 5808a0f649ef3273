// The codecs of record batches: Kafka's names and numbers, and what an implementation must do. Composition roots bring
// the implementations.

/** Kafka's codecs in the order of their numbers. */
export const COMPRESSION_NAMES = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const;

export type CodecName = Exclude<(typeof COMPRESSION_NAMES)[number], 'none'>;

/**
 * Compresses and decompresses the records part of a batch, in the format that Kafka's clients use: gzip members, the LZ4
 * frame format, Zstandard frames; Snappy in blocks under the header of xerial's SnappyOutputStream, or as one bare block.
 */
export interface BatchCodec {
  /** The bytes compressed. Without `level` the codec's own default. */
  compress(bytes: Uint8Array, level?: number): Uint8Array;
  /**
   * The bytes decompressed, at most `bytesMax` of them.
   * @throws LogFault ERR_CORRUPT_LOG where they would be more, or do not follow the format
   */
  decompress(bytes: Uint8Array, bytesMax: number): Uint8Array;
}

/** An implementation of every codec. */
export type BatchCodecs = Readonly<Record<CodecName, BatchCodec>>;

/** Codecs of which some have to be loaded before they can be used. */
export interface LoadedCodecs {
  readonly codecs: BatchCodecs;
  readonly isLoaded: boolean;
  /** Resolves when every codec can be used; until then those that are not there throw a LogFault. */
  load(): Promise<void>;
}

/** The name of a codec by the number in a batch's attributes; undefined for none, and for a number without a codec. */
export function codecName(number: number): CodecName | undefined {
  const name = COMPRESSION_NAMES[number];
  return name === 'none' ? undefined : name;
}

/** The number of a codec in a batch's attributes. */
export function codecNumber(name: CodecName): number {
  return COMPRESSION_NAMES.indexOf(name);
}
