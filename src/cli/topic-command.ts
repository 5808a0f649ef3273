// `millrace topic`: create, list, describe, alter and delete topics.

import { Command, Option } from 'commander';
import type { Admin, ConfigChange, ConfigEntry, TopicPlace } from '../client/index.ts';
import { LogFault } from '../core/fault.ts';
import { collect, collectPairs, oneOf, wholeNumber } from './arguments.ts';
import { serverOption, withClient } from './server-option.ts';
import { textTable } from './text-table.ts';

const FORMATS = ['text', 'json'] as const;

const EXAMPLES = `
Examples:
  $ millrace topic create orders --partitions 3 --config retention.ms=86400000
  $ millrace topic list
  $ millrace topic describe orders
  $ millrace topic alter orders --partitions 6 --config retention.ms=3600000 --unset segment.bytes
  $ millrace topic delete orders`;

interface ServerOptions {
  readonly server: string;
}

interface FormatOptions extends ServerOptions {
  readonly format: (typeof FORMATS)[number];
}

interface CreateOptions extends ServerOptions {
  readonly partitions?: number;
  readonly replicationFactor?: number;
  readonly config?: Readonly<Record<string, string>>;
}

interface AlterOptions extends ServerOptions {
  readonly partitions?: number;
  readonly config?: Readonly<Record<string, string>>;
  readonly unset?: readonly string[];
}

export function topicCommand(): Command {
  const topic = new Command('topic').description('create, list, describe, alter and delete topics');
  const parts = [createCommand(), listCommand(), describeCommand(), alterCommand(), deleteCommand()];
  for (const part of parts) topic.addCommand(part.addOption(serverOption()));
  return topic.addHelpText('after', EXAMPLES);
}

function formatOption(): Option {
  return new Option('--format <format>', 'text or json').argParser(oneOf(FORMATS)).default('text');
}

function withAdmin(server: string, work: (admin: Admin) => Promise<void>): Promise<void> {
  return withClient(server, (client) => work(client.admin()));
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

function createCommand(): Command {
  return new Command('create')
    .description('create a topic')
    .argument('<topic>', 'its name')
    .option('--partitions <number>', "partitions; by default the broker's num.partitions", wholeNumber(1))
    .option('--replication-factor <number>', "replicas; by default the broker's", wholeNumber(1))
    .option('--config <key=value>', "a topic config by Kafka's name; repeatable", collectPairs)
    .action((topic: string, options: CreateOptions) =>
      withAdmin(options.server, (admin) => create(admin, topic, options)),
    );
}

async function create(admin: Admin, topic: string, options: CreateOptions): Promise<void> {
  const { partitions, replicationFactor, config = {} } = options;
  await admin.createTopics({
    topics: [
      {
        topic,
        configs: config,
        ...(partitions === undefined ? {} : { numPartitions: partitions }),
        ...(replicationFactor === undefined ? {} : { replicationFactor }),
      },
    ],
  });
  print(`created ${topic}`);
}

function listCommand(): Command {
  return new Command('list')
    .description('names of all topics')
    .option('--internal', 'internal topics too')
    .addOption(formatOption())
    .action((options: FormatOptions & { readonly internal?: true }) =>
      withAdmin(options.server, async (admin) => {
        const topics = await admin.listTopics({ internal: options.internal ?? false });
        if (options.format === 'json') print(JSON.stringify(topics));
        else for (const topic of topics) print(topic);
      }),
    );
}

function describeCommand(): Command {
  return new Command('describe')
    .description('partitions, offsets and configs of a topic')
    .argument('<topic>', 'its name')
    .option('--all', 'configs that have their default too')
    .addOption(formatOption())
    .action((topic: string, options: FormatOptions & { readonly all?: true }) =>
      withAdmin(options.server, async (admin) => {
        const described = await describe(admin, topic, options.all ?? false);
        print(options.format === 'json' ? JSON.stringify(described) : descriptionText(described));
      }),
    );
}

interface Description {
  readonly topic: string;
  readonly topicId: string;
  readonly partitions: readonly (TopicPlace['partitions'][number] & { readonly low: number; readonly high: number })[];
  readonly configs: readonly ConfigEntry[];
}

async function describe(admin: Admin, topic: string, withDefaults: boolean): Promise<Description> {
  const place = await admin.describeTopic(topic);
  const [offsets, configs] = await Promise.all([
    admin.fetchTopicOffsets(topic),
    admin.describeConfigs({ type: 'topic', name: topic }),
  ]);
  const partitions = place.partitions.map((partition, index) => {
    const { low, high } = offsets[index] ?? { low: -1, high: -1 };
    return { ...partition, low, high };
  });
  const shown = configs.filter((config) => withDefaults || config.source !== 'default');
  return { topic, topicId: place.topicId, partitions, configs: shown };
}

function descriptionText({ topic, topicId, partitions, configs }: Description): string {
  const heading = ['PARTITION', 'LEADER', 'REPLICAS', 'IN SYNC', 'FIRST OFFSET', 'END OFFSET'];
  const rows = partitions.map((each) => [
    each.partition,
    each.leader,
    each.replicas.join(','),
    each.inSyncReplicas.join(','),
    each.low,
    each.high,
  ]);
  const lines = [`topic ${topic}, id ${topicId}`, '', textTable(heading, rows)];
  if (configs.length > 0) {
    const set = configs.map(({ name, value, source }) => [name, value ?? '(hidden)', source]);
    lines.push('', textTable(['CONFIG', 'VALUE', 'SET BY'], set));
  }
  return lines.join('\n');
}

function alterCommand(): Command {
  return new Command('alter')
    .description('change the configs of a topic, or raise its number of partitions')
    .argument('<topic>', 'its name')
    .option('--partitions <number>', 'new number of partitions', wholeNumber(1))
    .option('--config <key=value>', "set a config by Kafka's name; repeatable", collectPairs)
    .option('--unset <key>', 'put a config back to its default; repeatable', collect)
    .action((topic: string, options: AlterOptions) =>
      withAdmin(options.server, (admin) => alter(admin, topic, options)),
    );
}

async function alter(admin: Admin, topic: string, options: AlterOptions): Promise<void> {
  const changes: ConfigChange[] = [
    ...Object.entries(options.config ?? {}).map(([name, value]) => ({ name, value })),
    ...(options.unset ?? []).map((name) => ({ name, value: null })),
  ];
  const { partitions } = options;
  if (changes.length === 0 && partitions === undefined) {
    throw new LogFault('ERR_USAGE', 'topic alter takes --partitions, --config or --unset');
  }
  if (changes.length > 0) await admin.alterConfigs({ type: 'topic', name: topic }, changes);
  if (partitions !== undefined) await admin.createPartitions({ topicPartitions: [{ topic, count: partitions }] });
  print(`altered ${topic}`);
}

function deleteCommand(): Command {
  return new Command('delete')
    .description('delete topics with all of their records')
    .argument('<topics...>', 'their names')
    .action((topics: string[], options: ServerOptions) =>
      withAdmin(options.server, async (admin) => {
        await admin.deleteTopics({ topics });
        for (const topic of topics) print(`deleted ${topic}`);
      }),
    );
}
