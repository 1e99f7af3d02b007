// SPDX-License-Identifier: Apache-2.0
// A cgroup that only counts memory: what the kernel allocates for the processes in it, tables and rules
// that outlive them included. Of the v1 hierarchy where memory is counted there, else of v2
// (Documentation/admin-guide/cgroup-v1/memory.rst, cgroup-v2.rst). Never the root.

import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { cgroupMounts } from '../../agent/sys/cgroup.ts';

/** Objects are freed behind RCU and by workers: two looks this far apart that agree are the end of it. */
const LOOK_EVERY_MS = 300;
const SETTLED_WITHIN_MS = 15_000;
/** Between two looks, of what others free late. */
const STEADY_BYTES = 64 * 1024;

export class MemoryCgroup {
  readonly #directory: string;
  readonly #isV1: boolean;

  private constructor(directory: string, isV1: boolean) {
    this.#directory = directory;
    this.#isV1 = isV1;
  }

  /** @returns undefined where the kernel does not count the memory of child cgroups. */
  static create(name: string): MemoryCgroup | undefined {
    const root = findMemoryRoot(readFileSync('/proc/self/mountinfo', 'utf8'));
    if (!root) return undefined;
    const directory = path.join(root.directory, name);
    mkdirSync(directory);
    const cgroup = new MemoryCgroup(directory, root.isV1);
    if (existsSync(path.join(directory, cgroup.#kernelFile))) return cgroup;
    rmdirSync(directory);
    return undefined;
  }

  /** Counts what `pid` and its children allocate from now on. */
  add(pid: number): void {
    writeFileSync(path.join(this.#directory, 'cgroup.procs'), `${pid}`);
  }

  /** What the kernel has allocated for its processes and not freed, their ends notwithstanding; without pages of files. */
  kernelBytes(): number {
    return parseKernelBytes(readFileSync(path.join(this.#directory, this.#kernelFile), 'utf8'));
  }

  /** {@link kernelBytes} without caches, once it changes no more. @throws Error when it does not come to rest. */
  async settledKernelBytes(): Promise<number> {
    const deadline = Date.now() + SETTLED_WITHIN_MS;
    let last = Number.POSITIVE_INFINITY;
    while (Date.now() < deadline) {
      this.#dropCaches();
      await sleep(LOOK_EVERY_MS);
      const bytes = this.kernelBytes();
      if (Math.abs(bytes - last) < STEADY_BYTES) return bytes;
      last = bytes;
    }
    throw new Error(`kernel memory of ${this.#directory} does not come to rest`);
  }

  /** Kills what still runs in it, such as children of a process that was ended. */
  async remove(): Promise<void> {
    const deadline = Date.now() + SETTLED_WITHIN_MS;
    for (const pid of this.#processes()) killIfAlive(pid);
    while (this.#processes().length > 0 && Date.now() < deadline) await sleep(LOOK_EVERY_MS);
    rmdirSync(this.#directory);
  }

  #processes(): number[] {
    const text = readFileSync(path.join(this.#directory, 'cgroup.procs'), 'utf8');
    return text.split('\n').filter(Boolean).map(Number);
  }

  get #kernelFile(): string {
    return this.#isV1 ? 'memory.kmem.usage_in_bytes' : 'memory.stat';
  }

  #dropCaches(): void {
    const [file, value] = this.#isV1 ? ['memory.force_empty', '0'] : ['memory.reclaim', '1G'];
    try {
      writeFileSync(path.join(this.#directory, file), value);
    } catch (error) {
      // Less could be reclaimed than was asked for, or something is in use.
      if (!/EAGAIN|EBUSY/.test((error as NodeJS.ErrnoException).code ?? '')) throw error;
    }
  }
}

/** Names of all that count memory, whoever made them. */
export function listMemoryCgroups(): string[] {
  const root = findMemoryRoot(readFileSync('/proc/self/mountinfo', 'utf8'));
  return root ? readdirSync(root.directory) : [];
}

/** Of a process that could not do so itself. Wants the processes in them to have ended. @param prefix of their names. */
export function removeMemoryCgroups(prefix: string): void {
  const root = findMemoryRoot(readFileSync('/proc/self/mountinfo', 'utf8'));
  for (const name of listMemoryCgroups().filter((each) => each.startsWith(prefix))) {
    rmdirSync(path.join(root?.directory ?? '', name));
  }
}

function killIfAlive(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** @param mountinfo the text of /proc/self/mountinfo. Pure. */
export function findMemoryRoot(
  mountinfo: string,
): { readonly directory: string; readonly isV1: boolean } | undefined {
  const v1 = mountinfo
    .split('\n')
    .map((line) => line.split(' '))
    .find((fields) => {
      const [type, , options = ''] = fields.slice(fields.indexOf('-') + 1);
      return type === 'cgroup' && options.split(',').includes('memory');
    });
  if (v1?.[4] !== undefined) return { directory: v1[4], isV1: true };
  const directory = cgroupMounts(mountinfo)[0]?.mountPoint;
  return directory === undefined ? undefined : { directory, isV1: false };
}

/** @param text of memory.kmem.usage_in_bytes (v1: a number) or memory.stat (v2: a line `kernel N`). Pure. */
export function parseKernelBytes(text: string): number {
  const [, bytes] = /^(?:kernel )?(\d+)$/m.exec(text) ?? [];
  if (bytes === undefined) throw new Error('this kernel does not say what it has for a cgroup');
  return Number(bytes);
}
