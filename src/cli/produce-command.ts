// `millrace produce`: a record for each line of a file or of standard input, bytes as they are, in bounded memory.

import { createReadStream, statSync } from 'node:fs';
import { Command, Option } from 'commander';
import type { CodecName, RecordWriter, WriteSummary } from '../client/index.ts';
import { LogFault } from '../core/fault.ts';
import { oneOf, parseSeparator, wholeNumber } from './arguments.ts';
import { LineSplitter } from './line-splitter.ts';
import { serverOption, withClient } from './server-option.ts';
import { formatBytes, formatCount } from './text-table.ts';

const READ_BYTES = 256 * 1024;
/** A line is a record, and no broker takes a larger one than this (the largest request). */
const LINE_BYTES_MAX = 64 * 1024 * 1024;
/** Batches large enough to cost little each, and below the default of message.max.bytes. */
const BATCH_BYTES = 960 * 1024;
const ACKS = ['0', '1', 'all'] as const;
const CODECS = ['gzip', 'snappy', 'lz4', 'zstd'] as const satisfies readonly CodecName[];

const EXAMPLES = `
Examples:
  $ echo hello | millrace produce greetings
  $ millrace produce orders --file orders.txt --compression zstd
  $ printf 'de:hallo\\nen:hello\\n' | millrace produce greetings --key-separator :
  $ millrace produce measurements --key-separator '\\t' --file table.tsv

Every line is a record, without its newline; a carriage return stays, an empty line is an empty record, and so is a last
line without a newline a record. With --key-separator the bytes before its first occurrence are the key; a line without
it has none. The topic is created where the broker allows it. A lost connection is retried; with --acks all every record
is written once all the same, with less a batch whose acknowledgement was lost may be there twice.`;

interface ProduceOptions {
  readonly file?: string;
  readonly keySeparator?: Uint8Array;
  readonly partition?: number;
  readonly acks: (typeof ACKS)[number];
  readonly compression?: CodecName;
  readonly retries?: number;
  readonly server: string;
}

export function produceCommand(): Command {
  return new Command('produce')
    .description('send a record for each line of standard input or of a file')
    .argument('<topic>', 'topic to send to')
    .option('--file <file>', 'read from a file')
    .addOption(new Option('--key-separator <text>', 'ends the key of a line').argParser(parseSeparator))
    .option('--partition <number>', 'send everything to one partition', wholeNumber(0))
    .addOption(
      new Option('--acks <level>', 'when a record counts as sent: 0 has left, 1 written, all on disk')
        .argParser(oneOf(ACKS))
        .default('all'),
    )
    .addOption(
      new Option('--compression <codec>', 'compresses batches: gzip, snappy, lz4 or zstd').argParser(oneOf(CODECS)),
    )
    .option('--retries <count>', 'how often a failed batch is sent again', wholeNumber(0))
    .addOption(serverOption())
    .addHelpText('after', EXAMPLES)
    .action((topic: string, options: ProduceOptions) => produce(topic, options));
}

async function produce(topic: string, options: ProduceOptions): Promise<void> {
  const source = openSource(options.file);
  const summary = await withClient(options.server, async (client) => {
    const producer = client.producer({
      acks: options.acks === 'all' ? 'all' : options.acks === '1' ? 1 : 0,
      batchBytes: BATCH_BYTES,
      compression: options.compression,
      ...(options.retries === undefined ? {} : { retries: options.retries }),
    });
    const { partition } = options;
    const writer = producer.writer(topic, partition === undefined ? {} : { partition });
    const result = await pour(source, writer, options.keySeparator);
    await producer.close();
    return result;
  });
  const { records, bytes, elapsedMs } = summary;
  const rate = `${formatCount(Math.round((records * 1000) / Math.max(elapsedMs, 1)), 'record')}/s`;
  const time = `${(elapsedMs / 1000).toFixed(2)} s`;
  process.stderr.write(`${formatCount(records, 'record')}, ${formatBytes(bytes)} to ${topic} in ${time} (${rate})\n`);
}

interface Source {
  readonly chunks: AsyncIterable<Uint8Array>;
  /** Undefined where it is not known: a pipe, a terminal. */
  readonly byteCount: number | undefined;
}

function openSource(file: string | undefined): Source {
  if (file === undefined) return { chunks: process.stdin, byteCount: undefined };
  try {
    const status = statSync(file);
    if (status.isDirectory()) throw new Error('it is a directory');
    const byteCount = status.isFile() ? status.size : undefined;
    return { chunks: createReadStream(file, { highWaterMark: READ_BYTES }), byteCount };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new LogFault('ERR_USAGE', `--file ${file} cannot be read: ${reason}`, error);
  }
}

interface PourSummary extends WriteSummary {
  readonly elapsedMs: number;
}

async function pour(source: Source, writer: RecordWriter, separator: Uint8Array | undefined): Promise<PourSummary> {
  const startedAt = performance.now();
  const splitter = new LineSplitter(LINE_BYTES_MAX);
  const { startProgress } = await import('./progress.ts');
  const progress = await startProgress(source.byteCount);
  let readBytes = 0;
  try {
    for await (const chunk of source.chunks) {
      for (const line of splitter.push(chunk)) {
        const held = write(writer, line, separator);
        if (held !== undefined) await held;
      }
      readBytes += chunk.length;
      progress.update(readBytes, writer.summary.records);
    }
    const last = splitter.end();
    if (last !== undefined) await write(writer, last, separator);
    const summary = await writer.flush();
    progress.update(readBytes, summary.records);
    return { ...summary, elapsedMs: performance.now() - startedAt };
  } finally {
    progress.stop();
  }
}

function write(writer: RecordWriter, line: Uint8Array, separator: Uint8Array | undefined): Promise<void> | undefined {
  if (separator === undefined) return writer.write(line);
  const at = Buffer.from(line.buffer, line.byteOffset, line.length).indexOf(separator);
  return at < 0 ? writer.write(line) : writer.write(line.subarray(at + separator.length), line.subarray(0, at));
}
