// `millrace consume`: the records of a topic on standard output, bytes as they are or as JSON lines.

import { Command, Option } from 'commander';
import type { Client, ConsumedBatch, ConsumedRecord, Consumer, StartPosition } from '../client/index.ts';
import { LogFault } from '../core/fault.ts';
import { notEmpty, oneOf, parseSeparator, parseStart, wholeNumber } from './arguments.ts';
import { Output } from './output.ts';
import { jsonLine, textLine } from './record-format.ts';
import { serverOption, withClient } from './server-option.ts';

const ISOLATIONS = ['read_uncommitted', 'read_committed'] as const;
const FORMATS = ['text', 'json'] as const;
/** A broker that is away longer than these retries take is a failure to tell, not one to wait out in silence. */
const RETRIES = 12;

const EXAMPLES = `
Examples:
  $ millrace consume greetings
  $ millrace consume greetings --from end
  $ millrace consume greetings --from 2026-01-31T08:00:00Z --count 10
  $ millrace consume greetings --from 1200 --partition 0 --until-end
  $ millrace consume greetings --format json | jq .value
  $ millrace consume greetings --group readers

--from takes beginning (the default), end, an offset, or a time: ISO 8601, or @ and milliseconds since 1970. It waits
for more records until --count or --until-end is reached, or you press Ctrl-C. With --group it goes on where the group
has committed, shares partitions with the group's other members, and commits what it has printed. With --isolation
read_committed nothing is printed of transactions that were aborted, and of those that are open not before they end. Text
is the value and a newline, byte for byte; a null value is an empty line. JSON has topic, partition, offset, timestamp,
key, value and headers; bytes that are not UTF-8 stand in keyBase64, valueBase64.`;

interface ConsumeOptions {
  readonly from: StartPosition;
  readonly count?: number;
  readonly partition?: number;
  readonly format: (typeof FORMATS)[number];
  readonly keySeparator?: Uint8Array;
  readonly untilEnd?: true;
  readonly isolation: (typeof ISOLATIONS)[number];
  readonly group?: string;
  readonly server: string;
}

export function consumeCommand(): Command {
  return new Command('consume')
    .description('print the records of a topic')
    .argument('<topic>', 'topic to read')
    .addOption(
      new Option('--from <position>', 'beginning, end, an offset, or a time')
        .argParser(parseStart)
        .default('beginning'),
    )
    .option('--count <number>', 'stop after so many records', wholeNumber(0))
    .option('--partition <number>', 'read one partition', wholeNumber(0))
    .option('--until-end', 'stop where the topic ends now')
    .addOption(
      new Option('--isolation <level>', 'what is read of transactions: read_uncommitted or read_committed')
        .argParser(oneOf(ISOLATIONS))
        .default('read_uncommitted'),
    )
    .option('--group <name>', 'share the topic with the other members of a group, and go on where it is', notEmpty)
    .addOption(new Option('--format <format>', 'text or json').argParser(oneOf(FORMATS)).default('text'))
    .addOption(
      new Option('--key-separator <text>', 'print the key and this before the value').argParser(parseSeparator),
    )
    .addOption(serverOption())
    .addHelpText('after', EXAMPLES)
    .action((topic: string, options: ConsumeOptions) =>
      withClient(options.server, (client) => consume(client, topic, options)),
    );
}

async function consume(client: Client, topic: string, options: ConsumeOptions): Promise<void> {
  const output = new Output(process.stdout);
  const { group } = options;
  // What is committed must have been printed: the command says when.
  const consumer = client.consumer({
    retries: RETRIES,
    isolation: options.isolation,
    ...(group === undefined ? {} : { groupId: group, autoCommitIntervalMs: 0 }),
  });
  const end = (): void => void consumer.close();
  process.once('SIGINT', end);
  process.once('SIGTERM', end);
  await begin(consumer, topic, options);
  await print(consumer, output, options);
  await consumer.close();
  await output.flush();
}

async function begin(consumer: Consumer, topic: string, options: ConsumeOptions): Promise<void> {
  const { group, partition, from } = options;
  if (group === undefined) {
    await consumer.assign([{ topic, from, ...(partition === undefined ? {} : { partition }) }]);
    return;
  }
  if (partition !== undefined) throw new LogFault('ERR_USAGE', '--group shares partitions out itself: no --partition');
  if (from !== 'beginning' && from !== 'end') {
    throw new LogFault('ERR_USAGE', '--from takes beginning or end with --group; `millrace group reset` takes more');
  }
  await consumer.subscribe({ topics: [topic], from });
}

async function print(consumer: Consumer, output: Output, options: ConsumeOptions): Promise<void> {
  let left = options.count ?? Number.POSITIVE_INFINITY;
  if (left === 0) return;
  for await (const batch of consumer.batches({ untilEnd: options.untilEnd ?? false })) {
    const records = batch.records.slice(0, left);
    left -= records.length;
    await output.write(formatted(records, options));
    if (options.group !== undefined) await commitPrinted(consumer, batch, records);
    if (left === 0 || output.isBroken) return;
  }
}

/** The group is as far as the last record printed. A member that lost the partition meanwhile has nothing to commit. */
async function commitPrinted(
  consumer: Consumer,
  { topic, partition }: ConsumedBatch,
  records: ConsumedBatch['records'],
): Promise<void> {
  const last = records.at(-1);
  const isOwn = consumer.assignment.some((place) => place.topic === topic && place.partition === partition);
  if (last !== undefined && isOwn) await consumer.commit([{ topic, partition, offset: last.offset + 1 }]);
}

/** One write for a whole batch. */
function formatted(records: ConsumedBatch['records'], { format, keySeparator }: ConsumeOptions): Uint8Array {
  const line = format === 'json' ? jsonLine : (record: ConsumedRecord) => textLine(record, keySeparator);
  return Buffer.concat(records.flatMap(line));
}
