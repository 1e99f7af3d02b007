// SPDX-License-Identifier: Apache-2.0
// What a process takes of the machine, from /proc (proc(5)).

import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

/** sysconf(_SC_CLK_TCK), which is 100 wherever Node runs on Linux. */
const TICKS_PER_SECOND = 100;

/** User and system time since its start, all threads, in steps of 10 ms. */
export function cpuSeconds(pid: number): number {
  return parseCpuSeconds(readFileSync(`/proc/${pid}/stat`, 'utf8'));
}

/** Of its children that have ended and that it has waited for, with theirs; in steps of 10 ms. */
export function childCpuSeconds(pid: number): number {
  return parseChildCpuSeconds(readFileSync(`/proc/${pid}/stat`, 'utf8'));
}

/** @param stat the text of /proc/PID/stat. Pure. */
export function parseCpuSeconds(stat: string): number {
  const [utime = Number.NaN, stime = Number.NaN] = cpuTicks(stat);
  return (utime + stime) / TICKS_PER_SECOND;
}

/** @param stat the text of /proc/PID/stat. Pure. */
export function parseChildCpuSeconds(stat: string): number {
  const [, , cutime = Number.NaN, cstime = Number.NaN] = cpuTicks(stat);
  return (cutime + cstime) / TICKS_PER_SECOND;
}

/** @returns utime, stime, cutime, cstime. */
function cpuTicks(stat: string): number[] {
  // The name of the program, in brackets, may hold anything.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields.slice(11, 15).map(Number);
}

/** Of a process. MiB. */
export interface ResidentMemory {
  /** Now, and the most that it ever was. */
  readonly rssMiB: number;
  readonly peakRssMiB: number;
  /** Of it, what is not the text of programs and libraries: not shared with anybody. */
  readonly anonymousMiB: number;
}

export function residentMemory(pid: number): ResidentMemory {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return {
    rssMiB: statusKiB(status, 'VmRSS') / 1024,
    peakRssMiB: statusKiB(status, 'VmHWM') / 1024,
    anonymousMiB: statusKiB(status, 'RssAnon') / 1024,
  };
}

export interface AgentMemory extends ResidentMemory {
  /** What the kernel has for its tables, as the kernel counts it (Linux 6.4; before: at most). MiB. */
  readonly tablesMiB: number;
  /** By name of the kind of table and its id. KiB. */
  readonly tablesKiB: Readonly<Record<string, number>>;
}

export function agentMemory(pid: number): AgentMemory {
  const maps = mapsOf(pid);
  const total = maps.reduce((bytes, map) => bytes + map.bytes, 0);
  return {
    ...residentMemory(pid),
    tablesMiB: total / 2 ** 20,
    tablesKiB: Object.fromEntries(
      maps.map(({ type, entries, id, bytes }) => [
        `id ${id}: type ${type}, ${entries} entries at most`,
        Math.round(bytes / 1024),
      ]),
    ),
  };
}

interface MapUsage {
  readonly id: number;
  /** enum bpf_map_type */
  readonly type: number;
  readonly entries: number;
  readonly bytes: number;
}

/** BPF maps that the process has open, each once. */
function mapsOf(pid: number): MapUsage[] {
  const directory = `/proc/${pid}/fdinfo`;
  const maps = readdirSync(directory).flatMap(
    (fd) => parseMapUsage(readIfOpen(path.join(directory, fd))) ?? [],
  );
  return [...new Map(maps.map((map) => [map.id, map])).values()];
}

/** @param fdinfo the text of /proc/PID/fdinfo/FD. @returns undefined when that is no BPF map. Pure. */
export function parseMapUsage(fdinfo: string): MapUsage | undefined {
  const field = (name: string) => Number(fdinfo.match(new RegExp(`^${name}:\\s*(\\d+)`, 'm'))?.[1]);
  const [id, type] = [field('map_id'), field('map_type')];
  // An iterator over a map names the map, too.
  if (Number.isNaN(id) || Number.isNaN(type)) return undefined;
  return { id, type, entries: field('max_entries'), bytes: field('memlock') };
}

function statusKiB(status: string, name: string): number {
  return Number(status.match(new RegExp(`^${name}:\\s*(\\d+) kB`, 'm'))?.[1]);
}

/** A descriptor may be closed while the directory is read. */
function readIfOpen(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
