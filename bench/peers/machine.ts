// The machine and the versions that figures belong to.

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { availableParallelism, cpus, release, totalmem } from 'node:os';

export interface Machine {
  readonly processor: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly kernel: string;
  readonly fileSystem: string;
  /** What TCP connections use that say nothing else, of this machine to itself too. */
  readonly congestionControl: string;
  readonly versions: Readonly<Record<string, string>>;
}

/** The first line of what a command prints, or undefined where it cannot be run. */
export function firstLine(command: string, args: readonly string[]): string | undefined {
  try {
    return execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
      .split('\n')[0]
      ?.trim();
  } catch {
    return undefined;
  }
}

/** The type of the file system that the directory is on. */
function fileSystemOf(directory: string): string {
  return firstLine('findmnt', ['--noheadings', '--output', 'FSTYPE', '--target', directory]) ?? 'unknown';
}

/** `directory` is where the brokers keep their data. */
export function machineOf(directory: string, peerVersions: Readonly<Record<string, string>>): Machine {
  const librdkafka = firstLine('pkg-config', ['--modversion', 'rdkafka']);
  return {
    processor: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 1024 ** 3),
    kernel: release(),
    fileSystem: fileSystemOf(directory),
    congestionControl: readFileSync('/proc/sys/net/ipv4/tcp_congestion_control', 'utf8').trim(),
    versions: {
      ...peerVersions,
      node: process.versions.node,
      ...(librdkafka === undefined ? {} : { librdkafka }),
      java: javaVersion(),
    },
  };
}

function javaVersion(): string {
  return /(\d[\d.]*)/.exec(firstLine('java', ['--version']) ?? '')?.[1] ?? 'none';
}

export function machineText(machine: Machine): string {
  const { processor, cores, memoryGiB, kernel, fileSystem, congestionControl, versions } = machine;
  const named = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  const system = `Linux ${kernel}, ${fileSystem}, TCP with ${congestionControl}`;
  return `${cores} cores (${processor}), ${memoryGiB} GiB, ${system}; ${named.join(', ')}`;
}

/** The load average of the last minute. */
export function loadAverage(): number {
  return Number(readFileSync('/proc/loadavg', 'utf8').split(' ')[0]);
}
