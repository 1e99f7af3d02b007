// SPDX-License-Identifier: Apache-2.0
// What a test run left on the machine: network namespaces, cgroups, mounts, BPF pins, programs and maps,
// and processes. test.ts looks before and after, and fails on what is new.

import { randomUUID } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { runCommand } from '../command.ts';

/** The kernel frees BPF objects, namespaces and cgroups some time after their last user has gone. */
const SETTLE_MS = 5_000;
const LOOK_AGAIN_MS = 200;

/** Where Linux systems have these mounts anyway: `ip netns add` and the agent make them once and for all. */
const LASTING_MOUNTS = new Set(['/run/netns', '/sys/fs/bpf']);
const MADE_BY_SYSTEMD = /\.(service|scope|slice|socket|mount|swap)$/;

/** Traces are lines to print: two looks are compared by them. */
export type Traces = ReadonlySet<string>;

const MARKER = 'SIGNALBOX_TEST_RUN';

/** @returns an environment variable by which the processes of one run are told from all others. */
export function newMarker(): Readonly<Record<string, string>> {
  return { [MARKER]: randomUUID() };
}

/** Looks at the machine. What this user may not see is not in it. */
export async function lookForTraces(marker: Readonly<Record<string, string>>): Promise<Traces> {
  const mounts = readMounts();
  return new Set([
    ...namesIn('/run/netns').map((name) => `network namespace ${name}`),
    ...foldersUnder(mounts, 'cgroup2').map((folder) => `cgroup ${folder}`),
    ...pinsUnder(mounts).map((pin) => `BPF pin ${pin}`),
    ...mounts.flatMap(({ at, type }) =>
      LASTING_MOUNTS.has(at) || at.startsWith('/run/netns/') ? [] : [`${type} mount on ${at}`],
    ),
    ...(await bpfObjects('prog')),
    ...(await bpfObjects('map')),
    ...processes()
      .filter((pid) => isMarked(pid, marker))
      .map((pid) => `process ${pid}: ${commandOf(pid)}`),
  ]);
}

/**
 * Looks until nothing is left of what appeared since `before`, or it stays.
 *
 * @returns what stayed, one line each. Not what other processes on this machine hold.
 */
export async function findLeaks(
  before: Traces,
  marker: Readonly<Record<string, string>>,
  { settleMs = SETTLE_MS }: { settleMs?: number } = {},
): Promise<readonly string[]> {
  const untilMs = performance.now() + settleMs;
  let left: readonly string[] = [...(await lookForTraces(marker))].filter((it) => !before.has(it));
  while (left.length > 0 && performance.now() < untilMs) {
    await sleep(LOOK_AGAIN_MS);
    const now = await lookForTraces(marker);
    const held = heldElsewhere(marker);
    left = left.filter((it) => now.has(it) && !held.some((prefix) => it.startsWith(prefix)));
  }
  return left;
}

/** Ends the processes that a run left, so that the next one does not meet them. */
export function endProcesses(marker: Readonly<Record<string, string>>): void {
  for (const pid of processes().filter((it) => isMarked(it, marker))) {
    ifThere(() => process.kill(pid, 'SIGKILL'));
  }
}

interface Mount {
  readonly at: string;
  readonly type: string;
}

function readMounts(): readonly Mount[] {
  return readFileSync('/proc/self/mounts', 'utf8')
    .trim()
    .split('\n')
    .map((line) => line.split(' '))
    .map(([, at = '', type = '']) => ({ at, type }));
}

function foldersUnder(mounts: readonly Mount[], type: string): readonly string[] {
  return mounts
    .filter((mount) => mount.type === type)
    .flatMap(({ at }) => entriesUnder(at))
    .filter((entry) => entry.isFolder && !MADE_BY_SYSTEMD.test(entry.at))
    .map((entry) => entry.at);
}

function pinsUnder(mounts: readonly Mount[]): readonly string[] {
  return mounts
    .filter((mount) => mount.type === 'bpf')
    .flatMap(({ at }) => entriesUnder(at))
    .map((entry) => entry.at);
}

function entriesUnder(folder: string): readonly { at: string; isFolder: boolean }[] {
  const entries =
    ifThere(() => readdirSync(folder, { withFileTypes: true, recursive: true })) ?? [];
  return entries.map((entry) => ({
    at: path.join(entry.parentPath, entry.name),
    isFolder: entry.isDirectory(),
  }));
}

function namesIn(folder: string): readonly string[] {
  return ifThere(() => readdirSync(folder)) ?? [];
}

async function bpfObjects(kind: 'prog' | 'map'): Promise<readonly string[]> {
  const { ok, output } = await runCommand('bpftool', ['-j', kind, 'show']);
  if (!ok) return [];
  const objects = JSON.parse(output) as readonly { id: number; name?: string }[];
  return objects.map(({ id, name = '' }) => `BPF ${kind} ${id}: ${name}`);
}

function processes(): readonly number[] {
  return namesIn('/proc').map(Number).filter(Number.isInteger);
}

function isMarked(pid: number, marker: Readonly<Record<string, string>>): boolean {
  const environment = ifThere(() => readFileSync(`/proc/${pid}/environ`, 'utf8')) ?? '';
  return environment.split('\0').includes(`${MARKER}=${marker[MARKER]}`);
}

function commandOf(pid: number): string {
  const words = ifThere(() => readFileSync(`/proc/${pid}/cmdline`, 'utf8')) ?? '';
  return words.replaceAll('\0', ' ').trim();
}

/** @returns how the lines of BPF objects begin that a process outside of the run has open. */
function heldElsewhere(marker: Readonly<Record<string, string>>): readonly string[] {
  return processes()
    .filter((pid) => !isMarked(pid, marker))
    .flatMap((pid) => namesIn(`/proc/${pid}/fdinfo`).map((fd) => `/proc/${pid}/fdinfo/${fd}`))
    .flatMap((file) => {
      const info = ifThere(() => readFileSync(file, 'utf8')) ?? '';
      return [...info.matchAll(/^(prog|map)_id:\s*(\d+)$/gm)].map(
        ([, kind, id]) => `BPF ${kind} ${id}:`,
      );
    });
}

/** Processes and their files come and go while they are looked at. */
function ifThere<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
