// The keys that say what this node is and where its records lie, under Kafka's names, and what speaks against them: one
// process is broker and controller, and its quorum is itself. It opens nothing.

import { LogFault } from '../../core/fault.ts';
import { type ConfigDefinition, define, listOf, quote } from './definition.ts';

type Entries = Readonly<Record<string, string>>;

const ITSELF = 'this node is its own controller';
const OPENS_NOTHING = 'this node is its own controller: no listener for controllers is opened';

export const NODE_BROKER_CONFIGS: readonly ConfigDefinition[] = [
  define(
    { name: 'node.id', type: 'int', defaultValue: '1', documentation: 'The id of this broker in its cluster.' },
    { min: 0 },
  ),
  define(
    { name: 'broker.id', type: 'int', defaultValue: null, documentation: 'The older name of node.id.' },
    { min: 0 },
  ),
  define({
    name: 'process.roles',
    type: 'list',
    defaultValue: null,
    documentation: 'What the process is; `broker,controller` alone, which it is without being told.',
  }),
  define({
    name: 'controller.quorum.voters',
    type: 'list',
    defaultValue: null,
    documentation: 'The controllers, as `ID@HOST:PORT`; this node alone.',
  }),
  define({
    name: 'controller.quorum.bootstrap.servers',
    type: 'list',
    defaultValue: null,
    documentation: 'Where the controllers are asked for; one address, which is not connected to.',
  }),
  define({
    name: 'controller.listener.names',
    type: 'list',
    defaultValue: null,
    documentation:
      'Names in `listeners` and `advertised.listeners` that are not opened, because they are for controllers.',
  }),
  define({
    name: 'log.dirs',
    type: 'string',
    defaultValue: null,
    documentation: 'The data directory, one; the option `--data-dir` goes over it.',
  }),
  define({
    name: 'log.dir',
    type: 'string',
    defaultValue: null,
    documentation: 'The data directory, where log.dirs is not set.',
  }),
  define(
    {
      name: 'security.inter.broker.protocol',
      type: 'string',
      defaultValue: 'PLAINTEXT',
      documentation: 'What brokers speak among themselves.',
    },
    { fixedBecause: 'PLAINTEXT alone is served' },
  ),
];

/** Keys that are checked, and tell this node nothing that it does not know: they are said when they are given. */
export const KEYS_OF_CONTROLLERS: Readonly<Record<string, string>> = {
  'controller.quorum.voters': OPENS_NOTHING,
  'controller.quorum.bootstrap.servers': OPENS_NOTHING,
  'controller.listener.names': OPENS_NOTHING,
};

/** Refuses roles and quorums that are not those of a single node. Throws ERR_CONFIG with what to set instead. */
export function checkNode(entries: Entries): void {
  const { 'process.roles': roles, 'controller.quorum.bootstrap.servers': servers = '' } = entries;
  const voters = listOf(entries['controller.quorum.voters'] ?? '');
  if (roles !== undefined && listOf(roles).sort().join() !== 'broker,controller') {
    throw refused('process.roles', roles, 'set process.roles=broker,controller, or take it out');
  }
  if (voters.length > 1 || listOf(servers).length > 1) {
    const name = voters.length > 1 ? 'controller.quorum.voters' : 'controller.quorum.bootstrap.servers';
    throw refused(name, entries[name] ?? '', 'a quorum of several nodes is not available; name this node alone');
  }
  const nodeId = entries['node.id'] ?? entries['broker.id'] ?? '1';
  const voter = voters[0];
  if (voter !== undefined && Number(/^(\d{1,10})@/.exec(voter)?.[1] ?? -1) !== Number(nodeId)) {
    throw refused('controller.quorum.voters', voter, `name this node, as ${nodeId}@HOST:PORT`);
  }
}

function refused(name: string, value: string, advice: string): LogFault {
  return new LogFault('ERR_CONFIG', `Configuration ${name} cannot be ${quote(value)}: ${ITSELF}; ${advice}`);
}

/** The directory that log.dirs, or log.dir, names as written; undefined where neither is set. Throws ERR_CONFIG. */
export function dataDirectoryOf(entries: Entries): string | undefined {
  const name = entries['log.dirs'] === undefined ? 'log.dir' : 'log.dirs';
  const value = entries[name];
  if (value === undefined) return undefined;
  const directories = listOf(value);
  const [directory] = directories;
  if (directory === undefined || directories.length > 1) {
    throw new LogFault(
      'ERR_CONFIG',
      `${name} names ${directories.length} directories, and this broker has one; name one, or take it out: ${quote(value)}`,
    );
  }
  return directory;
}
