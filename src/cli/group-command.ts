// `millrace group`: list, describe, reset and delete consumer groups.

import { Command, Option } from 'commander';
import {
  BrokerFault,
  type Client,
  type GroupAdmin,
  type GroupDescription,
  type OffsetToCommit,
  type StartPosition,
} from '../client/index.ts';
import { LogFault } from '../core/fault.ts';
import { oneOf, parseStart } from './arguments.ts';
import { type GroupLag, lagOf } from './group-lag.ts';
import { serverOption, withClient } from './server-option.ts';
import { formatDuration, textTable } from './text-table.ts';

const FORMATS = ['text', 'json'] as const;

const EXAMPLES = `
Examples:
  $ millrace group list
  $ millrace group describe billing
  $ millrace group reset billing --topic orders --to beginning
  $ millrace group reset billing --to 2026-01-31T08:00:00Z
  $ millrace group delete billing

Lag is what a group has still to read of each partition: in records, and as the age of the oldest of them. A group is
reset or deleted while it has no members.`;

interface ServerOptions {
  readonly server: string;
}

interface FormatOptions extends ServerOptions {
  readonly format: (typeof FORMATS)[number];
}

interface ResetOptions extends ServerOptions {
  readonly topic?: string;
  readonly to: StartPosition;
}

export function groupCommand(): Command {
  const group = new Command('group').description('list, describe, reset and delete consumer groups');
  const parts = [listCommand(), describeCommand(), resetCommand(), deleteCommand()];
  for (const part of parts) group.addCommand(part.addOption(serverOption()));
  return group.addHelpText('after', EXAMPLES);
}

function formatOption(): Option {
  return new Option('--format <format>', 'text or json').argParser(oneOf(FORMATS)).default('text');
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

function withGroups(server: string, work: (groups: GroupAdmin) => Promise<void>): Promise<void> {
  return withClient(server, (client) => work(client.groups()));
}

function listCommand(): Command {
  return new Command('list')
    .description('list consumer groups')
    .addOption(formatOption())
    .action((options: FormatOptions) =>
      withGroups(options.server, async (groups) => {
        const listed = await groups.list();
        if (options.format === 'json') return print(JSON.stringify(listed));
        if (listed.length === 0) return;
        const rows = listed.map(({ groupId, state, type }) => [groupId, state, type]);
        print(textTable(['GROUP', 'STATE', 'PROTOCOL'], rows));
      }),
    );
}

function describeCommand(): Command {
  return new Command('describe')
    .description('tell who is in a group, and how far it has read each partition')
    .argument('<group>', 'its name')
    .addOption(formatOption())
    .action((groupId: string, options: FormatOptions) =>
      withClient(options.server, async (client) => {
        const group = await client.groups().describe(groupId);
        const lag = await lagOf(client, groupId);
        print(options.format === 'json' ? JSON.stringify({ ...group, lag }) : descriptionText(group, lag));
      }),
    );
}

function descriptionText(group: GroupDescription, lag: readonly GroupLag[]): string {
  const assignor = group.assignor === '' ? '' : `, ${group.assignor}`;
  const lines = [`group ${group.groupId}, ${group.state}, ${group.type}${assignor}`];
  const memberOf = ({ topic, partition }: GroupLag): string =>
    group.members.find(({ assignment }) =>
      assignment.some((place) => place.topic === topic && place.partition === partition),
    )?.memberId ?? '-';
  if (lag.length > 0) {
    const heading = ['TOPIC', 'PARTITION', 'COMMITTED', 'END OFFSET', 'LAG', 'BEHIND', 'MEMBER'];
    const rows = lag.map((each) => [
      each.topic,
      each.partition,
      each.committed,
      each.end,
      each.lag,
      each.behindMs === undefined ? '-' : formatDuration(each.behindMs),
      memberOf(each),
    ]);
    lines.push('', textTable(heading, rows));
  }
  if (group.members.length > 0) {
    const rows = group.members.map(({ memberId, instanceId, clientId, clientHost, assignment }) => [
      memberId,
      instanceId ?? '-',
      clientId,
      clientHost,
      assignment.length,
    ]);
    lines.push('', textTable(['MEMBER', 'INSTANCE', 'CLIENT', 'HOST', 'PARTITIONS'], rows));
  }
  return lines.join('\n');
}

function resetCommand(): Command {
  return new Command('reset')
    .description('let a group go on from another place')
    .argument('<group>', 'its name')
    .option('--topic <topic>', 'the topic; by default all topics that the group has committed')
    .addOption(
      new Option('--to <position>', 'beginning, end, an offset, or a time').argParser(parseStart).makeOptionMandatory(),
    )
    .action((groupId: string, options: ResetOptions) =>
      withClient(options.server, async (client) => {
        const offsets = await resetOffsets(client, groupId, options);
        await commit(client.groups(), groupId, offsets);
        print(
          textTable(
            ['TOPIC', 'PARTITION', 'OFFSET'],
            offsets.map(({ topic, partition, offset }) => [topic, partition, offset]),
          ),
        );
      }),
    );
}

async function commit(groups: GroupAdmin, groupId: string, offsets: readonly OffsetToCommit[]): Promise<void> {
  try {
    await groups.setOffsets(groupId, offsets);
  } catch (error) {
    // A commit that comes from outside of a group is refused as that of a stranger while the group has members.
    if (!(error instanceof BrokerFault) || error.error !== 'UNKNOWN_MEMBER_ID') throw error;
    const words = `group ${groupId} has members: end them first, \`millrace group describe ${groupId}\` names them`;
    throw new LogFault('ERR_BROKER', words, error);
  }
}

async function resetOffsets(client: Client, groupId: string, { topic, to }: ResetOptions): Promise<OffsetToCommit[]> {
  const committed = await client.groups().fetchOffsets(groupId);
  const topics = topic === undefined ? [...new Set(committed.map((each) => each.topic))] : [topic];
  if (topics.length === 0) throw new LogFault('ERR_USAGE', `group ${groupId} has no offsets: name a --topic`);
  // A consumer knows where a position lies in each partition; it reads nothing.
  const consumer = client.consumer();
  await consumer.assign(topics.map((name) => ({ topic: name, from: to })));
  consumer.pause();
  const offsets = consumer.assignment.map((place) => ({ ...place, offset: consumer.position(place) }));
  await consumer.close();
  if (typeof to === 'number') await checkOffsets(client, offsets);
  return offsets;
}

/** A group that goes on from an offset which is not there would begin wherever its consumers choose. */
async function checkOffsets(client: Client, offsets: readonly OffsetToCommit[]): Promise<void> {
  const [starts, ends] = await Promise.all([
    client.admin().listOffsets(offsets, 'earliest'),
    client.admin().listOffsets(offsets, 'latest'),
  ]);
  for (const [index, { topic, partition, offset }] of offsets.entries()) {
    const [start, end] = [starts[index]?.offset ?? 0, ends[index]?.offset ?? offset];
    if (offset >= start && offset <= end) continue;
    throw new LogFault('ERR_USAGE', `--to ${offset}: ${topic}-${partition} has offsets from ${start} to ${end}`);
  }
}

function deleteCommand(): Command {
  return new Command('delete')
    .description('delete groups with their committed offsets')
    .argument('<groups...>', 'their names')
    .action((names: string[], options: ServerOptions) =>
      withGroups(options.server, async (groups) => {
        for (const name of names) {
          await groups.delete(name);
          print(`deleted ${name}`);
        }
      }),
    );
}
