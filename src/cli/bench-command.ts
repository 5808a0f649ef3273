// `millrace bench`: loads of the user's own making, and what the broker made of them.

import { Command, InvalidArgumentError, Option } from 'commander';
import type { CodecName, StartPosition } from '../client/index.ts';
import { oneOf, parseStart, wholeNumber } from './arguments.ts';
import type { LoadLimits, LoadPlan, LoadTarget, ProducerSettings, RecordSettings } from './bench/plan.ts';
import { serverOption } from './server-option.ts';

const TOPIC_DEFAULT = 'bench';
const SECONDS_DEFAULT = 10;
/** The time that JavaScript takes to be compiled for what it does, in seconds. */
const WARM_UP_SECONDS_DEFAULT = 1;
const RECORD_BYTES_DEFAULT = 100;
const LATENCY_RATE_DEFAULT = 1000;
/** Room for the times that a record carries to and fro. */
const LATENCY_RECORD_BYTES_MIN = 24;
const ACKS = ['0', '1', 'all'] as const;
const CODECS = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const satisfies readonly ('none' | CodecName)[];

const EXAMPLES = `
Examples:
  $ millrace bench produce --partitions 8 --seconds 10
  $ millrace bench produce --records 1000000 --record-size 1000 --acks 1 --compression lz4
  $ millrace bench produce --server kafka://127.0.0.1:9092 --clients 4 --threads 2 --rate 50000
  $ millrace bench consume --json consume.json
  $ millrace bench latency --rate 50000 --acks all

--server chooses the transport: ws://HOST:PORT, or kafka://HOST:PORT for this or any other Kafka broker over TCP.
Megabytes have a million bytes, those of keys and values. At a --rate every record has a time at which it is due, and
its latency begins then, whether it could be written or not (corrected for coordinated omission); without one it begins
when the record is given to the client. Records of the warm-up count nowhere.`;

interface CommonOptions {
  readonly server: string;
  readonly records?: number;
  readonly seconds?: number;
  readonly warmUp?: number;
  readonly clients: number;
  readonly json?: string;
}

interface WriteOptions extends CommonOptions {
  readonly recordSize: number;
  readonly payloadFile?: string;
  readonly keys?: number;
  readonly partitions?: number;
  readonly acks: (typeof ACKS)[number];
  readonly compression: (typeof CODECS)[number];
  readonly batchBytes?: number;
  readonly bufferBytes?: number;
  readonly lingerMs?: number;
  readonly maxInFlight?: number;
  /** True unless `--no-idempotence` is given. */
  readonly idempotence: boolean;
}

interface ProduceOptions extends WriteOptions {
  readonly rate?: number;
  readonly threads: number;
}

interface LatencyOptions extends WriteOptions {
  readonly rate: number;
}

interface ConsumeOptions extends CommonOptions {
  readonly threads: number;
  readonly from: StartPosition;
  readonly follow?: true;
  readonly fetchBytes?: number;
  readonly partitionBytes?: number;
}

export function benchCommand(): Command {
  const bench = new Command('bench').description('measure a broker: produce, consume, latency from end to end');
  for (const part of [produceCommand(), consumeCommand(), latencyCommand()]) bench.addCommand(part);
  return bench.addHelpText('after', EXAMPLES);
}

/** A positive number, whole or not. */
function positive(text: string): number {
  const value = Number(text);
  if (!/^\d+(\.\d+)?$/.test(text) || value <= 0) throw new InvalidArgumentError('It takes a number above 0.');
  return value;
}

function notNegative(text: string): number {
  return /^0+(\.0+)?$/.test(text) ? 0 : positive(text);
}

function common(command: Command): Command {
  return command
    .argument('[topic]', 'topic to use', TOPIC_DEFAULT)
    .option('--records <number>', 'end after so many records', wholeNumber(1))
    .option('--seconds <number>', `end after this time (default: ${SECONDS_DEFAULT} without --records)`, positive)
    .option(
      '--warm-up <seconds>',
      `time before the measurement begins (default: ${WARM_UP_SECONDS_DEFAULT}, 0 with --records)`,
      notNegative,
    )
    .addOption(new Option('--clients <number>', 'connections').argParser(wholeNumber(1)).default(1))
    .option('--json <file>', 'store the result, with the rate of each second')
    .addOption(serverOption());
}

function writing(command: Command, recordBytesMin: number): Command {
  return common(command)
    .addOption(
      new Option('--record-size <bytes>', 'bytes of a value, random letters')
        .argParser(wholeNumber(recordBytesMin))
        .default(RECORD_BYTES_DEFAULT),
    )
    .option('--keys <number>', 'give the records so many different keys (default: none)', wholeNumber(1))
    .option('--partitions <number>', "create the topic with so many (default: the broker's)", wholeNumber(1))
    .addOption(
      new Option('--acks <level>', 'when a record counts as sent: 0 has left, 1 written, all on disk')
        .argParser(oneOf(ACKS))
        .default('all'),
    )
    .addOption(
      new Option('--compression <codec>', 'none, gzip, snappy, lz4 or zstd').argParser(oneOf(CODECS)).default('none'),
    )
    .option('--batch-bytes <bytes>', "a batch is full at this size (Kafka's batch.size)", wholeNumber(1))
    .option(
      '--buffer-bytes <bytes>',
      "bytes that wait for acknowledgement at most (Kafka's buffer.memory)",
      wholeNumber(1),
    )
    .option('--linger-ms <ms>', "how long a batch waits for more records (Kafka's linger.ms)", wholeNumber(0))
    .option('--max-in-flight <number>', 'batches of one partition on the way at once', wholeNumber(1))
    .option('--no-idempotence', 'with --acks all: not even a retry is told from a new batch');
}

function threadsOption(): Option {
  return new Option('--threads <number>', 'share the clients out to so many threads')
    .argParser(wholeNumber(1))
    .default(1);
}

function produceCommand(): Command {
  return writing(new Command('produce').description('write records; times their acknowledgements'), 0)
    .option('--payload-file <file>', 'take the lines of a file for values, in turn')
    .option('--rate <number>', 'records a second of all clients together (default: as many as can be)', positive)
    .addOption(threadsOption())
    .action((topic: string, options: ProduceOptions) =>
      run(options, {
        kind: 'produce',
        ...target(topic, options),
        ...limits(options),
        producer: producerOf(options),
        content: contentOf(options),
        rate: options.rate,
      }),
    );
}

function latencyCommand(): Command {
  return writing(
    new Command('latency').description('write records and read them: times their way from end to end'),
    LATENCY_RECORD_BYTES_MIN,
  )
    .addOption(
      new Option('--rate <number>', 'records a second of all clients together')
        .argParser(positive)
        .default(LATENCY_RATE_DEFAULT),
    )
    .action((topic: string, options: LatencyOptions) =>
      run(options, {
        kind: 'latency',
        ...target(topic, options),
        ...limits(options),
        producer: producerOf(options),
        content: contentOf(options),
        rate: options.rate,
      }),
    );
}

function consumeCommand(): Command {
  return common(new Command('consume').description('read a topic, by default all that it has now'))
    .addOption(
      new Option('--from <position>', 'beginning, end, an offset, or a time')
        .argParser(parseStart)
        .default('beginning'),
    )
    .option('--follow', 'go on behind the end that the topic has now')
    .option('--fetch-bytes <bytes>', "bytes of one response (Kafka's fetch.max.bytes)", wholeNumber(1))
    .option('--partition-bytes <bytes>', 'bytes of one partition in it (max.partition.fetch.bytes)', wholeNumber(1))
    .addOption(threadsOption())
    .action((topic: string, options: ConsumeOptions) => {
      const { from, follow, fetchBytes, partitionBytes, records, seconds, warmUp } = options;
      const isEndless = follow === true && records === undefined && seconds === undefined;
      return run(options, {
        kind: 'consume',
        ...target(topic, options),
        records,
        seconds: isEndless ? SECONDS_DEFAULT : seconds,
        warmUpSeconds: warmUp ?? 0,
        from,
        follows: follow ?? false,
        fetchBytes,
        partitionBytes,
      });
    });
}

function target(topic: string, { server, clients }: CommonOptions): LoadTarget {
  return { server, topic, clients };
}

function limits({ records, seconds, warmUp }: CommonOptions): LoadLimits {
  return {
    records,
    seconds: seconds ?? (records === undefined ? SECONDS_DEFAULT : undefined),
    warmUpSeconds: warmUp ?? (records === undefined ? WARM_UP_SECONDS_DEFAULT : 0),
  };
}

function producerOf(options: WriteOptions): ProducerSettings {
  const { acks, compression, batchBytes, bufferBytes, lingerMs, maxInFlight, idempotence } = options;
  return {
    acks: acks === 'all' ? 'all' : acks === '1' ? 1 : 0,
    compression: compression === 'none' ? undefined : compression,
    batchBytes,
    bufferBytes,
    lingerMs,
    maxInFlight,
    isIdempotent: idempotence ? undefined : false,
  };
}

function contentOf({ recordSize, payloadFile, keys }: WriteOptions): RecordSettings {
  return { recordBytes: recordSize, payloadFile, keys };
}

async function run(
  { partitions, threads, json }: { readonly partitions?: number; readonly threads?: number; readonly json?: string },
  plan: LoadPlan,
): Promise<void> {
  const { runBench } = await import('./bench/run.ts');
  await runBench(plan, { partitions, threads: threads ?? 1, json });
}
