// SPDX-License-Identifier: Apache-2.0
// Boots a kernel under QEMU and runs one command there, as root, on this machine's tree: all can be read, and what is
// written vanishes with the guest. For scripts/vm and the tests in test/vm. Nothing is left behind, however it ends.

import { spawn } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { ROOT } from '../command.ts';
import { tailOf } from './console.ts';
import { type Following, follow } from './growing-file.ts';
import { initramfsFor } from './initramfs.ts';
import type { Kernel } from './kernels.ts';
import { findProgram, QEMU, whyNoGuest } from './needs.ts';
import { type Accelerator, qemuArguments } from './qemu.ts';
import { assignments, quote } from './quote.ts';

export interface GuestRun {
  readonly kernel: Kernel;
  /** Program and arguments. */
  readonly command: readonly string[];
  /** Default: this process's. The same path in the guest. */
  readonly cwd?: string;
  /** Default: 1024. What the guest writes is in it, too. */
  readonly memoryMb?: number;
  /** Default: 1. With two, emulated kernels of 6.12 are known to panic. */
  readonly cpus?: number;
  /** From the start of QEMU. Default: 120. */
  readonly timeoutS?: number;
  /** A folder of this machine that is writable in the guest, at the same path; SIGNALBOX_GUEST_OUT names it there. */
  readonly outDirectory?: string;
  /** Beside PATH, HOME, LANG, TERM and SIGNALBOX_GUEST=1; nothing else of this process's is passed on. */
  readonly env?: Readonly<Record<string, string>>;
  /** Default: SIGNALBOX_ACCEL, or tcg. */
  readonly accelerator?: Accelerator;
  /** As it comes. The order between the two streams is not exact. */
  readonly onOutput?: (bytes: Buffer, stream: Stream) => void;
  /** Ends the guest at once. */
  readonly signal?: AbortSignal;
}

export type Stream = 'stdout' | 'stderr';

/** The guest ended without an exit code: its kernel died, or its time was over. */
export class GuestError extends Error {
  override readonly name = 'GuestError';
  readonly reason: 'died' | 'timed out' | 'stopped';
  /** The lines of kernel and QEMU that say why. */
  readonly console: string;

  constructor(reason: GuestError['reason'], message: string, console: string) {
    super(console === '' ? message : `${message}; its console:\n${console}`);
    this.reason = reason;
    this.console = console;
  }
}

const STREAMS = ['stdout', 'stderr'] as const;
const SESSION = path.join(import.meta.dirname, 'session.sh');
/** The project's own Node comes first. Its other npm programs come last: one of them is called nft. */
const GUEST_PATH = [
  path.dirname(process.execPath),
  ...['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'],
  path.join(ROOT, 'node_modules/.bin'),
].join(':');

/**
 * Runs a command in a guest, to its end. What the command has left running there ends with it.
 *
 * @returns its exit code; as a shell says it, 127 for no such program and 128 + N for signal N.
 * @throws GuestError when the guest died or its time was over. @throws Error when this machine cannot run one.
 */
export async function runInGuest(run: GuestRun): Promise<{ exitCode: number }> {
  const obstacle = whyNoGuest();
  if (obstacle !== undefined) throw new Error(obstacle);
  const initramfs = await initramfsFor(run.kernel, findProgram('busybox') ?? 'busybox');
  const folder = mkdtempSync(path.join(tmpdir(), 'signalbox-guest-'));
  const following: Following[] = [];
  try {
    const control = path.join(folder, 'control');
    writeControl(control, run);
    for (const stream of STREAMS) {
      const file = path.join(control, stream);
      following.push(follow(file, (bytes) => run.onOutput?.(bytes, stream)));
    }
    const consoleFile = path.join(folder, 'console');
    const ended = await runQemu(argumentsOf(run, { initramfs, control, consoleFile }), run);
    for (const each of following.splice(0)) each.end();
    const status = path.join(control, 'status');
    const code = existsSync(status) ? readFileSync(status, 'utf8').trim() : '';
    if (code !== '') return { exitCode: Number(code) };
    throw noStatus(run, ended, existsSync(consoleFile) ? readFileSync(consoleFile, 'latin1') : '');
  } finally {
    for (const each of following) each.end();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** What the guest's session.sh reads, and the files that it writes. */
function writeControl(control: string, run: GuestRun): void {
  const { kernel, command, cwd = process.cwd(), outDirectory, env = {} } = run;
  mkdirSync(control);
  copyFileSync(SESSION, path.join(control, 'session.sh'));
  const settings = assignments({
    PATH: GUEST_PATH,
    RELEASE: kernel.release,
    MODULES: path.join(kernel.directory, 'lib/modules', kernel.release),
    OUT: outDirectory === undefined ? '' : path.resolve(outDirectory),
  });
  writeFileSync(path.join(control, 'settings'), settings);
  const words = command.map(quote).join(' ');
  writeFileSync(
    path.join(control, 'command'),
    `${assignments(env, { exported: true })}cd ${quote(path.resolve(cwd))} || exit 126\nexec ${words}\n`,
  );
  for (const stream of STREAMS) writeFileSync(path.join(control, stream), '');
}

interface Files {
  readonly initramfs: string;
  readonly control: string;
  readonly consoleFile: string;
}

function argumentsOf(run: GuestRun, { initramfs, control, consoleFile }: Files): readonly string[] {
  const { kernel, memoryMb = 1024, cpus = 1, outDirectory } = run;
  return qemuArguments({
    accelerator: run.accelerator ?? acceleratorOf(process.env.SIGNALBOX_ACCEL),
    memoryMb,
    cpus,
    kernel: path.join(kernel.directory, 'vmlinux'),
    initramfs,
    console: consoleFile,
    folders: [
      { tag: 'host', path: '/', writable: false },
      { tag: 'control', path: control, writable: true },
      ...(outDirectory === undefined
        ? []
        : [{ tag: 'out', path: path.resolve(outDirectory), writable: true }]),
    ],
  });
}

/** @throws Error for what is neither. */
export function acceleratorOf(value = 'tcg'): Accelerator {
  if (value !== 'tcg' && value !== 'kvm')
    throw new Error(`there is no accelerator ${value}; there are tcg and kvm`);
  return value;
}

interface Ended {
  readonly why: 'ended' | 'timed out' | 'stopped';
  /** What QEMU itself has said. */
  readonly said: string;
}

function runQemu(
  args: readonly string[],
  { timeoutS = 120, signal }: Pick<GuestRun, 'timeoutS' | 'signal'>,
): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const qemu = process.env.SIGNALBOX_QEMU ?? QEMU;
    // It ends with this process, even when that is killed.
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', qemu, ...args], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let why: Ended['why'] = 'ended';
    let said = '';
    const stop = (reason: Ended['why']) => {
      why = reason;
      child.kill('SIGKILL');
    };
    const onAbort = () => stop('stopped');
    const timer = setTimeout(() => stop('timed out'), timeoutS * 1000);
    if (signal?.aborted) onAbort();
    signal?.addEventListener('abort', onAbort);
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      said += chunk;
    });
    child.on('error', reject);
    child.on('close', () => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
      resolve({ why, said });
    });
  });
}

function noStatus({ kernel, timeoutS = 120 }: GuestRun, ended: Ended, console: string): GuestError {
  const { why, said } = ended;
  const tail = tailOf(`${console}${said}`);
  const guest = `the guest with kernel ${kernel.release}`;
  switch (why) {
    case 'timed out':
      return new GuestError('timed out', `${guest} was ended after ${timeoutS} s`, tail);
    case 'stopped':
      return new GuestError('stopped', `${guest} was stopped`, tail);
    default:
      return new GuestError('died', `${guest} died before its command ended`, tail);
  }
}
