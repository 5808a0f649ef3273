// What a process has used, from /proc: processor time of all its threads and resident memory. Linux only.

import { readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';

/** USER_HZ, which Linux fixes for what it tells programs. */
const TICKS_PER_SECOND = 100;
const UTIME_FIELD = 14;
const STIME_FIELD = 15;
/** The first of the same two of children that have ended and were waited for. */
const CUTIME_FIELD = 16;

/** Processor seconds of the process since it began, in user and kernel mode, of threads that have ended too. */
export function cpuSeconds(pid: number): number {
  return cpuSecondsOf(readFileSync(`/proc/${pid}/stat`, 'utf8'));
}

/** Processor seconds of all children of this process that have ended: of the loads, as brokers have not. */
export function endedChildrenCpuSeconds(): number {
  return cpuSecondsOf(readFileSync('/proc/self/stat', 'utf8'), CUTIME_FIELD);
}

/** The same from the text of /proc/PID/stat, whose second field may have spaces and parentheses in it. */
export function cpuSecondsOf(stat: string, firstField = UTIME_FIELD): number {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const ticks = (field: number): number => Number(fields[field - 3]);
  return (ticks(firstField) + ticks(firstField + STIME_FIELD - UTIME_FIELD)) / TICKS_PER_SECOND;
}

/** Forgets the highest resident memory so far. */
export function resetPeakMemory(pid: number): void {
  writeFileSync(`/proc/${pid}/clear_refs`, '5');
}

/** Highest resident memory since it was reset, in bytes. */
export function peakMemoryBytes(pid: number): number {
  return statusBytes(pid, 'VmHWM');
}

export function residentBytes(pid: number): number {
  return statusBytes(pid, 'VmRSS');
}

function statusBytes(pid: number, key: string): number {
  const found = new RegExp(`^${key}:\\s+(\\d+) kB$`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  if (found === null) throw new Error(`/proc/${pid}/status has no ${key}`);
  return Number(found[1]) * 1024;
}

interface MachineTime {
  readonly busyMs: number;
  readonly totalMs: number;
}

function machineTime(): MachineTime {
  let busyMs = 0;
  let totalMs = 0;
  for (const { times } of cpus()) {
    const busy = times.user + times.nice + times.sys + times.irq;
    busyMs += busy;
    totalMs += busy + times.idle;
  }
  return { busyMs, totalMs };
}

/** The part of the machine that was busy while waiting so long, 0 to 1. */
export async function busyPart(milliseconds: number): Promise<number> {
  const before = machineTime();
  await new Promise((resolve) => setTimeout(resolve, milliseconds));
  const after = machineTime();
  return (after.busyMs - before.busyMs) / Math.max(1, after.totalMs - before.totalMs);
}
