// `millrace start`: reads the configuration, runs the broker, says when it serves, and ends it in order.

import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { Command, Option } from 'commander';
import { LogFault } from '../core/fault.ts';
import type { Logger } from '../core/logger.ts';
import type { BegunThread } from '../platform/node/piscina-thread.ts';
import {
  collectOrigins,
  collectPairs,
  type HostPort,
  notEmpty,
  oneOf,
  parseHostPort,
  wholeNumber,
} from './arguments.ts';
import type { LogLevel } from './broker-log.ts';

/** In the working directory, like a build tool's: each project has its own, and removing it removes everything. */
const DATA_DIRECTORY_DEFAULT = '.millrace';
const HTTP_DEFAULT: HostPort = { host: '127.0.0.1', port: 8092 };
const KAFKA_DEFAULT: HostPort = { host: '127.0.0.1', port: 9092 };
/** In place of an address: no Kafka listener. */
const OFF = 'off';
const WORKERS_MAX = 64;
/** More slots than this are for machines that somebody tunes: each has its own slabs. */
const WORKERS_DEFAULT_MAX = 4;
const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const;

const EXAMPLES = `
Examples:
  $ millrace start
  $ millrace start --data-dir /var/lib/millrace --http 0.0.0.0:8092
  $ millrace start --kafka 0.0.0.0:9092 --set advertised.listeners=PLAINTEXT://broker.example:9092
  $ millrace start --kafka off
  $ millrace start --set num.partitions=3 --set log.retention.hours=24
  $ millrace start --config server.properties --allow-origin https://app.example

The data directory is created where it is missing. --set goes over --config; both take Kafka's names. A key that has no
effect here is said, and one that promises what is not kept is refused. On a terminal it greets you; otherwise it logs
JSON lines, one of which says {"msg":"ready","http":"HOST:PORT","kafka":"HOST:PORT"} when it serves. SIGTERM or SIGINT
ends it in order, a second one at once.`;

interface StartOptions {
  readonly dataDir?: string;
  readonly http: HostPort;
  readonly kafka?: readonly (HostPort | typeof OFF)[];
  readonly workers: number;
  readonly config?: string;
  readonly set?: Readonly<Record<string, string>>;
  readonly allowOrigin?: readonly string[];
  readonly logLevel: LogLevel;
}

/** `thread`, where there is one, was begun before the arguments were read. */
export function startCommand(thread: BegunThread | undefined): Command {
  return new Command('start')
    .description('run a broker')
    .option(
      '--data-dir <directory>',
      `where records are kept (default: ${DATA_DIRECTORY_DEFAULT}, or log.dirs)`,
      notEmpty,
    )
    .addOption(
      new Option('--http <host:port>', 'address of WebSocket and HTTP; port 0 picks a free one')
        .argParser(parseHostPort)
        .default(HTTP_DEFAULT, '127.0.0.1:8092'),
    )
    .option(
      '--kafka <host:port>',
      `address of the Kafka protocol on TCP, or ${OFF}; repeatable; port 0 picks a free one (default: 127.0.0.1:9092)`,
      collectKafka,
    )
    .option(
      '--workers <count>',
      'threads that own partitions, at most; one to begin with',
      wholeNumber(1),
      workersDefault(),
    )
    .option('--config <file>', "Kafka's server.properties: KEY=VALUE lines")
    .option('--set <key=value>', 'one configuration value; repeatable', collectPairs)
    .option(
      '--allow-origin <origin>',
      'let web pages of this origin in, or of every one with *; repeatable',
      collectOrigins,
    )
    .addOption(
      new Option('--log-level <level>', `what is logged: ${LOG_LEVELS.join(', ')}`)
        .argParser(oneOf(LOG_LEVELS))
        .default('info'),
    )
    .addHelpText('after', EXAMPLES)
    .action((options: StartOptions) => start(options, thread));
}

/** As many as there are cores: where partitions are so many that they start, the main thread leaves most of its own. */
function workersDefault(): number {
  return Math.min(availableParallelism(), WORKERS_DEFAULT_MAX);
}

async function start(options: StartOptions, thread: BegunThread | undefined): Promise<void> {
  if (options.workers > WORKERS_MAX) throw new LogFault('ERR_USAGE', `--workers takes at most ${WORKERS_MAX}`);
  const [{ startLog }, { startBroker }] = await Promise.all([
    import('./start-log.ts'),
    import('../platform/node/broker.ts'),
  ]);
  const log = await startLog(options.logLevel);
  const ended = endedBySignal(log.logger);
  const given = await configOf(options);
  const dataDirectory = await dataDirectoryOf(options, given);
  const config = options.dataDir === undefined ? given : withoutDirectories(given);
  const broker = await startBroker({
    dataDirectory,
    http: options.http,
    kafka: kafkaOf(options, config),
    workers: options.workers,
    config,
    allowOrigins: options.allowOrigin ?? [],
    logger: log.logger,
    thread,
  });
  const kafka = broker.kafkaAddress === '' ? {} : { kafka: broker.kafkaAddress };
  log.ready({ http: broker.httpAddress, ...kafka, dataDirectory, pid: process.pid });
  await ended;
  await broker.close();
  log.ended();
}

function collectKafka(
  text: string,
  before: readonly (HostPort | typeof OFF)[] | undefined,
): readonly (HostPort | typeof OFF)[] {
  return [...(before ?? []), text === OFF ? OFF : parseHostPort(text)];
}

/** The addresses given, else those of the config `listeners` (undefined), else the default. */
function kafkaOf({ kafka }: StartOptions, config: Readonly<Record<string, string>>): readonly HostPort[] | undefined {
  if (kafka === undefined) return (config.listeners ?? '') === '' ? [KAFKA_DEFAULT] : undefined;
  const addresses = kafka.filter((address) => address !== OFF);
  if (addresses.length > 0 && addresses.length < kafka.length) {
    throw new LogFault('ERR_USAGE', `--kafka takes addresses or ${OFF}, not both`);
  }
  return addresses;
}

/** What --config and --set say. Throws ERR_CONFIG that names the file where it alone is wrong. */
async function configOf({ config, set = {} }: StartOptions): Promise<Record<string, string>> {
  if (config === undefined) return { ...set };
  const text = readConfig(config);
  const [{ parseProperties }, { checkStartKeys }] = await Promise.all([
    import('../broker/config/properties-file.ts'),
    import('../broker/config/start-entries.ts'),
  ]);
  try {
    const entries = parseProperties(text);
    checkStartKeys(Object.fromEntries(Object.entries(entries).filter(([name]) => !Object.hasOwn(set, name))));
    return { ...entries, ...set };
  } catch (error) {
    if (!(error instanceof LogFault)) throw error;
    throw new LogFault(error.code, `--config ${config}: ${error.message}`, error);
  }
}

/** The directory given, else that of the config `log.dirs`, else the default. */
async function dataDirectoryOf({ dataDir }: StartOptions, config: Readonly<Record<string, string>>): Promise<string> {
  const { dataDirectoryOf: configured } = await import('../broker/config/node-configs.ts');
  return resolve(dataDir ?? configured(config) ?? DATA_DIRECTORY_DEFAULT);
}

/** --data-dir goes over these, and DescribeConfigs is to tell nothing that does not hold. */
function withoutDirectories(config: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(config).filter(([name]) => name !== 'log.dirs' && name !== 'log.dir'));
}

function readConfig(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new LogFault(
      'ERR_CONFIG',
      `--config ${path} cannot be read: ${error instanceof Error ? error.message : error}`,
      error,
    );
  }
}

/** Resolves at the first SIGTERM or SIGINT; from then on another one ends the process where it stands. */
function endedBySignal(logger: Logger): Promise<void> {
  return new Promise((resolveEnd) => {
    const end = (signal: NodeJS.Signals): void => {
      logger.info('ending', { signal });
      resolveEnd();
      for (const again of ['SIGTERM', 'SIGINT'] as const) process.once(again, () => process.exit(1));
    };
    const first = (signal: NodeJS.Signals): void => {
      process.off('SIGTERM', first);
      process.off('SIGINT', first);
      end(signal);
    };
    process.on('SIGTERM', first);
    process.on('SIGINT', first);
  });
}
