// SPDX-License-Identifier: Apache-2.0
// The command line of scripts/vm. Pure; main.ts does what it says.

import { parseArgs } from 'node:util';
import { messageOf, UsageError } from '../../agent/errors.ts';
import { KERNELS, type KernelSource } from './kernels.ts';

export interface Options {
  readonly help: boolean;
  readonly list: boolean;
  /** A name, or a folder when there is a slash in it. */
  readonly kernel: string;
  readonly memoryMb: number;
  readonly cpus: number;
  readonly timeoutS: number;
  readonly out: string | undefined;
  /** Not yet known to be one. */
  readonly accelerator: string | undefined;
  readonly command: readonly string[];
}

const DEFAULT_KERNEL = '6.1';

export const USAGE = `Usage: scripts/vm [OPTION]... COMMAND [ARGUMENT]...
       scripts/vm --list

Boots a kernel of Debian in a virtual machine and runs a command there, as root, in the folder where you are. The guest
sees all files of this machine; what it writes vanishes with it. It has no network but loopback. It needs no KVM.

  --kernel NAME|DIR    ${KERNELS.map(nameAndTitle).join(', ')} (default: ${DEFAULT_KERNEL}), or
                       a folder with vmlinux, unpacked, and lib/modules/RELEASE; a path has a slash in it
  --memory MIB         of the guest, for what it writes, too (default: 1024)
  --cpus N             default: 1; with more, emulated kernels of 6.12 are known to panic
  --timeout S          end the guest after this time (default: 120)
  --out DIR            a folder that is writable inside, at the same path; $SIGNALBOX_GUEST_OUT names it there
  --accel tcg|kvm      default: tcg, which works everywhere
  --list               kernels, and which of them are downloaded

Exit code: the command's own; 2 for a wrong command line; 124 when the time was over; 125 when the guest died or could
not be started.

Environment: SIGNALBOX_KERNELS, where kernels are kept (default: ~/.cache/signalbox/kernels); SIGNALBOX_ACCEL, as --accel;
SIGNALBOX_QEMU, the program, in place of qemu-system-x86_64. Inside, SIGNALBOX_GUEST is 1.`;

function nameAndTitle({ name, alias, title }: KernelSource): string {
  return `${name}${alias === undefined ? '' : ` (or ${alias})`}: ${title}`;
}

/** @throws UsageError */
export function readOptions(words: readonly string[]): Options {
  // What follows the command belongs to it.
  const at = commandAt(words);
  const { values, positionals } = parse(words.slice(0, at));
  const command = [...positionals, ...words.slice(at)];
  const { help = false, list = false, kernel = DEFAULT_KERNEL, out, accel } = values;
  if (!help && !list && command.length === 0) throw new UsageError('there is no command to run');
  if (list && command.length > 0) throw new UsageError('--list takes no command');
  return {
    help,
    list,
    kernel,
    memoryMb: count('--memory', values.memory ?? '1024'),
    cpus: count('--cpus', values.cpus ?? '1'),
    timeoutS: count('--timeout', values.timeout ?? '120'),
    out,
    accelerator: accel,
    command,
  };
}

const FLAGS = {
  kernel: { type: 'string' },
  memory: { type: 'string' },
  cpus: { type: 'string' },
  timeout: { type: 'string' },
  out: { type: 'string' },
  accel: { type: 'string' },
  list: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const;

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: FLAGS, allowPositionals: true });
  } catch (error) {
    throw new UsageError(messageOf(error));
  }
}

/** @returns where the command begins: after `--`, or at the first word that is no option and no option's value. */
function commandAt(words: readonly string[]): number {
  for (let at = 0; at < words.length; at++) {
    const word = words[at] ?? '';
    if (word === '--') return at + 1;
    if (!word.startsWith('-')) return at;
    const flag = Object.entries(FLAGS).find(([name]) => word === `--${name}`)?.[1];
    if (flag?.type === 'string') at++;
  }
  return words.length;
}

function count(flag: string, value: string): number {
  if (!/^[1-9]\d{0,6}$/.test(value)) throw new UsageError(`${flag} takes a number, not ${value}`);
  return Number(value);
}
