// `millrace log`: looks into segment files without a broker.

import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { Command } from 'commander';
import { COMPRESSION_NAMES } from '../core/compression.ts';
import { LogFault } from '../core/fault.ts';
import { BATCH_BYTES_MAX } from '../core/limits.ts';
import type { DecodedBatch, RecordBatchDecoder } from '../wasm/record-batch-decoder.ts';
import { Output } from './output.ts';
import { formatCount } from './text-table.ts';

/** Base offset and length come before what the length counts. */
const LENGTH_OVERHEAD_BYTES = 12;
const LENGTH_POSITION = 8;
const HEADER_BYTES = 61;

const EXAMPLES = `
Examples:
  $ millrace log dump .millrace/orders-0/00000000000000000000.log
  $ millrace log dump .millrace/orders-0/00000000000000000000.log --records

Prints a line for each record batch and checks its checksum. Exit code 1 where a batch is corrupt or cut off.`;

interface DumpOptions {
  readonly records?: true;
}

export function logCommand(): Command {
  const log = new Command('log').description('look into segment files');
  log
    .command('dump')
    .description('print the record batches of a segment file and check them')
    .argument('<file>', 'a .log file of a partition directory')
    .option('--records', 'print every record too')
    .addHelpText('after', EXAMPLES)
    .action((file: string, options: DumpOptions) => dump(file, options));
  return log;
}

async function dump(path: string, options: DumpOptions): Promise<void> {
  const [{ Kernels }, { RecordBatchDecoder }, { loadWasmModule }, { createClientCodecs }, { decompress }] =
    await Promise.all([
      import('../wasm/kernels.ts'),
      import('../wasm/record-batch-decoder.ts'),
      import('../platform/node/wasm-modules.ts'),
      import('../platform/node/codecs.ts'),
      import('../client/compression.ts'),
    ]);
  const decoder = new RecordBatchDecoder(Kernels.create(loadWasmModule('plain')));
  const codecs = createClientCodecs();
  const output = new Output(process.stdout);
  const file = open(path);
  const total = { batches: 0, records: 0 };
  try {
    for (const { batch, position } of batchesOf(path, file, decoder)) {
      total.batches++;
      total.records += batch.recordCount;
      await output.write(batchText(batch, position));
      if (options.records === true) {
        const plain = await decompress(batch.compression, batch.recordsBytes, codecs);
        await output.write(batch.records(plain).map(recordText).join(''));
      }
      if (output.isBroken) return;
    }
    await output.write(
      `${formatCount(total.records, 'record')} in ${formatCount(total.batches, 'record batch', 'record batches')}\n`,
    );
    await output.flush();
  } finally {
    closeSync(file);
  }
}

function open(path: string): number {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch (error) {
    throw new LogFault('ERR_USAGE', `${path} cannot be read: ${error instanceof Error ? error.message : error}`, error);
  }
  if (!fstatSync(file).isDirectory()) return file;
  closeSync(file);
  throw new LogFault('ERR_USAGE', `${path} cannot be read: it is a directory; name a .log file in it`);
}

interface PlacedBatch {
  readonly batch: DecodedBatch;
  readonly position: number;
}

/** The batches of the file, one in memory at a time. Throws ERR_CORRUPT_LOG with the position of one that is not whole. */
function* batchesOf(path: string, file: number, decoder: RecordBatchDecoder): Generator<PlacedBatch, void, undefined> {
  const size = fstatSync(file).size;
  const head = Buffer.alloc(LENGTH_OVERHEAD_BYTES);
  for (let position = 0; position < size; ) {
    const headBytes = readSync(file, head, 0, head.length, position);
    const byteCount = head.readInt32BE(LENGTH_POSITION) + LENGTH_OVERHEAD_BYTES;
    if (headBytes < head.length || byteCount < HEADER_BYTES || byteCount > BATCH_BYTES_MAX) {
      throw new LogFault('ERR_CORRUPT_LOG', `${path}: no record batch begins at byte ${position}`);
    }
    if (position + byteCount > size) {
      throw new LogFault('ERR_CORRUPT_LOG', `${path}: the record batch at byte ${position} is cut off`);
    }
    const bytes = new Uint8Array(byteCount);
    readSync(file, bytes, 0, byteCount, position);
    yield { batch: checked(decoder, { path, bytes, position }), position };
    position += byteCount;
  }
}

function checked(
  decoder: RecordBatchDecoder,
  { path, bytes, position }: { readonly path: string; readonly bytes: Uint8Array; readonly position: number },
): DecodedBatch {
  try {
    const [batch] = decoder.batches(bytes);
    if (batch !== undefined) return batch;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new LogFault('ERR_CORRUPT_LOG', `${path}, byte ${position}: ${reason}`, error);
  }
  throw new LogFault('ERR_CORRUPT_LOG', `${path}: no record batch begins at byte ${position}`);
}

function batchText(batch: DecodedBatch, position: number): string {
  const { baseOffset, lastOffset, recordCount, partitionLeaderEpoch, maxTimestamp, producerId } = batch;
  const words = [
    `offsets ${baseOffset}-${lastOffset}`,
    `position ${position}`,
    `bytes ${batch.bytes.length}`,
    `records ${recordCount}`,
    `epoch ${partitionLeaderEpoch}`,
    `codec ${COMPRESSION_NAMES[batch.compression] ?? batch.compression}`,
    `max timestamp ${maxTimestamp}`,
  ];
  if (producerId >= 0) words.push(`producer ${producerId}/${batch.producerEpoch} sequence ${batch.baseSequence}`);
  if (batch.isTransactional) words.push('transactional');
  if (batch.isControl) words.push('control');
  return `${words.join(', ')}\n`;
}

function recordText(record: ReturnType<DecodedBatch['records']>[number]): string {
  const { offset, timestamp, key, value } = record;
  const headers = record.headers.length === 0 ? '' : `, headers ${record.headers.length}`;
  return `  offset ${offset}, timestamp ${timestamp}, key ${quoted(key)}, value ${quoted(value)}${headers}\n`;
}

/** Text in quotes with what cannot be printed escaped. */
function quoted(bytes: Uint8Array | null): string {
  return bytes === null ? 'null' : JSON.stringify(new TextDecoder().decode(bytes));
}
