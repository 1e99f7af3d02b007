// SPDX-License-Identifier: Apache-2.0
// Commands and files on a machine of the inventory, by OpenSSH. Called by the subcommands and by the end-to-end
// tests. One connection to a machine is shared by all of them (ControlMaster) and closes itself when it is idle.
// Everything runs as root: by sudo -n where the user is somebody else.

import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { EnvironmentError } from '../../agent/errors.ts';
import type { Machine } from './inventory.ts';

export interface RemoteResult {
  /** Of the remote command; 128 + the signal's number when one ended it. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RemoteOptions {
  /** When it is over, the command is ended on the machine, and a TimeoutError thrown. */
  readonly timeoutS?: number;
  readonly env?: Readonly<Record<string, string>>;
  /** Its standard input; empty otherwise. */
  readonly input?: string | Readable;
  /** Told of each line of stdout and stderr as it comes. */
  readonly onLine?: (line: string) => void;
}

/** The machine could not be reached: what it was asked to do was perhaps done, perhaps not. */
export class UnreachableError extends EnvironmentError {}

export class RemoteTimeoutError extends EnvironmentError {}

const DEFAULT_TIMEOUT_S = 300;
/** For ssh itself, beyond what the command is given. */
const GRACE_S = 45;
const CODE_OF_SSH_ITSELF = 255;
const CODE_OF_TIMEOUT = 124;
const CODE_OF_KILLING_TIMEOUT = 137;

/** @returns `ssh`, its options and the destination: for what else is to go over the same connection (-W, -L). */
export function sshCommand({ ssh }: Machine): [string, ...string[]] {
  const { host, port, user, identityFile, options = [] } = ssh;
  const own = [
    'BatchMode=yes',
    'LogLevel=ERROR',
    'ConnectTimeout=30',
    'ServerAliveInterval=10',
    'ServerAliveCountMax=6',
    'ControlMaster=auto',
    'ControlPersist=60',
    `ControlPath=${path.join(controlDirectory(), '%C')}`,
    ...(identityFile === undefined ? [] : ['IdentitiesOnly=yes', `IdentityFile=${identityFile}`]),
  ];
  // The first of each name counts for ssh: the inventory's come before.
  const all = [...options, ...own].flatMap((option) => ['-o', option]);
  return ['ssh', '-T', ...all, '-p', `${port}`, `${user}@${host}`];
}

/**
 * Runs a script of bash on the machine, as root.
 * @throws UnreachableError when ssh fails, RemoteTimeoutError.
 */
export async function runScript(
  machine: Machine,
  script: string,
  options: RemoteOptions = {},
): Promise<RemoteResult> {
  const { timeoutS = DEFAULT_TIMEOUT_S, env = {}, input, onLine } = options;
  const sudo = machine.ssh.user === 'root' ? [] : ['sudo', '-n', '--'];
  const variables = Object.entries(env).map(([name, value]) => `${name}=${value}`);
  const timeout = ['timeout', '--kill-after=10', `${timeoutS}`];
  const remote = [...sudo, 'env', ...variables, ...timeout, 'bash', '-c', script];
  const [program, ...args] = sshCommand(machine);
  const child = spawn(program, [...args, remote.map(quoted).join(' ')], { stdio: 'pipe' });

  const limit = setTimeout(() => child.kill(), (timeoutS + GRACE_S) * 1000);
  try {
    const [code, stdout, stderr] = await Promise.all([
      exitOf(child),
      read(child.stdout, onLine),
      read(child.stderr, onLine),
      feed(child, input),
    ]);
    const result = { code: code ?? CODE_OF_TIMEOUT, stdout, stderr };
    check(machine, script, result, timeoutS);
    return result;
  } finally {
    clearTimeout(limit);
  }
}

/** The same, for who expects success. @returns stdout. @throws EnvironmentError when the code is not 0. */
export async function mustRunScript(
  machine: Machine,
  script: string,
  options: RemoteOptions = {},
): Promise<string> {
  const { code, stdout, stderr } = await runScript(machine, script, options);
  if (code === 0) return stdout;
  const said = (stderr || stdout).trim().split('\n').slice(-20).join('\n  ');
  throw new EnvironmentError(
    `${machine.name}: ${nameOf(script)} ended with exit code ${code}:\n  ${said}`,
  );
}

export interface Tree {
  /** The folder here. */
  readonly from: string;
  /** What of it: files and folders, relative to it. */
  readonly paths: readonly string[];
  /** The folder there; holds exactly these afterwards. */
  readonly to: string;
}

/** Brings files to a machine, unless the very same are there. @returns whether it had to. */
export async function copyTree(machine: Machine, { from, paths, to }: Tree): Promise<boolean> {
  // Two packings of the same files are the same bytes, so that their digest stands for them.
  const stable = ['--sort=name', '--mtime=@0', '--owner=0', '--group=0', '--numeric-owner'];
  const pack = ['-C', from, ...stable, '-cf', '-', '--', ...paths];
  const digest = await digestOf(pack);
  const there = quoted(to);
  const stamp = `${there}/.digest`;
  const { stdout } = await runScript(machine, `cat ${stamp} 2>/dev/null || true`);
  if (stdout.trim() === digest) return false;

  const tar = spawn('tar', pack, { stdio: ['ignore', 'pipe', 'inherit'] });
  const packed = exitOf(tar);
  const script = `set -e; rm -rf ${there}.new; mkdir -p ${there}.new; tar -C ${there}.new -xf -
echo ${digest} >${there}.new/.digest; rm -rf ${there}; mv ${there}.new ${there}`;
  await mustRunScript(machine, script, { input: tar.stdout, timeoutS: 1800 });
  const code = await packed;
  if (code !== 0) throw new EnvironmentError(`tar ${pack.join(' ')}: exit code ${code}`);
  return true;
}

/** Ends the shared connection: the machine is to be restarted, or nothing else is to be done. */
export async function disconnect(machine: Machine): Promise<void> {
  const [program, ...args] = sshCommand(machine);
  await exitOf(spawn(program, ['-O', 'exit', ...args], { stdio: 'ignore' }));
}

/** @returns the word as a POSIX shell reads it back. */
export function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

function check(machine: Machine, script: string, { code, stderr }: RemoteResult, timeoutS: number) {
  const what = nameOf(script);
  if (code === CODE_OF_SSH_ITSELF) {
    const { user, host, port } = machine.ssh;
    const said = stderr.trim() || 'ssh says nothing';
    throw new UnreachableError(
      `${machine.name} (${user}@${host}, port ${port}), for ${what}: ${said}`,
      { hint: `try it by hand: ${sshCommand(machine).map(quoted).join(' ')}` },
    );
  }
  if (code === CODE_OF_TIMEOUT || code === CODE_OF_KILLING_TIMEOUT) {
    throw new RemoteTimeoutError(
      `${machine.name}: ${what} did not end within ${timeoutS} s: ${stderr.trim()}`,
    );
  }
}

/** The first line, as far as it fits into a message. */
function nameOf(script: string): string {
  const [first = ''] = script.trim().split('\n');
  return first.length > 80 ? `${first.slice(0, 77)}...` : first;
}

/** A path of a socket has 108 bytes at most, so it is no folder of the project. */
function controlDirectory(): string {
  const directory = path.join(tmpdir(), `signalbox-ssh-${process.getuid?.() ?? 0}`);
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  return directory;
}

async function digestOf(pack: readonly string[]): Promise<string> {
  const tar = spawn('tar', pack, { stdio: ['ignore', 'pipe', 'pipe'] });
  const hash = createHash('sha256');
  const [code, , stderr] = await Promise.all([
    exitOf(tar),
    pipeline(tar.stdout, async (chunks) => {
      for await (const chunk of chunks) hash.update(chunk);
    }),
    read(tar.stderr),
  ]);
  if (code === 0) return hash.digest('hex');
  throw new EnvironmentError(`tar ${pack.join(' ')}: ${stderr.trim()}`);
}

/** @returns null when a signal ended it. @throws EnvironmentError when it cannot be started. */
function exitOf(child: ChildProcess): Promise<number | null> {
  return new Promise((resolve, reject) => {
    child.once('error', (cause) => {
      reject(new EnvironmentError(`cannot start ${child.spawnfile}: ${cause.message}`, { cause }));
    });
    child.once('close', resolve);
  });
}

async function read(stream: Readable, onLine?: (line: string) => void): Promise<string> {
  const lines: string[] = [];
  for await (const line of createInterface({ input: stream })) {
    lines.push(line);
    onLine?.(line);
  }
  return lines.map((line) => `${line}\n`).join('');
}

/** A command may end without reading; its code tells. */
async function feed({ stdin }: ChildProcess, input: string | Readable = ''): Promise<void> {
  if (stdin === null) return;
  if (typeof input === 'string') {
    stdin.on('error', () => {});
    stdin.end(input);
  } else await pipeline(input, stdin).catch(() => {});
}
