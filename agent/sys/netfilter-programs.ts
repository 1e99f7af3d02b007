// SPDX-License-Identifier: Apache-2.0
// The programs that change rules of netfilter: nft, and iptables in its two forms, for either family. Never by a shell.
// Whatever they print is read as it is: their messages are in English with LC_ALL=C.

import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { EnvironmentError } from '../errors.ts';
import type { NetfilterFamily } from './netfilter-messages.ts';

/** Where iptables keeps its rules: in tables of its own kind, or in nftables'. */
export type IptablesBackend = 'legacy' | 'nft';

/** What iptables-save prints for 100,000 Services is some hundred MB. */
const MOST_OUTPUT = 1 << 29;
const TIMEOUT_MS = 120_000;
/** How long another process that changes the rules is waited for. */
const LOCK_SECONDS = '30';

/** Where they are on a node, first: npm puts a program of its own named nft before all others. */
const PLACES = '/usr/sbin:/sbin:/usr/local/sbin:/usr/bin:/bin';

const BASE: Readonly<Record<NetfilterFamily, string>> = { ip: 'iptables', ip6: 'ip6tables' };

/** Debian's package of a program. */
const PACKAGES: Readonly<Record<string, string>> = { nft: 'nftables' };

/** Runs lines of nft(8): all of them or none. @throws EnvironmentError */
export async function runNft(script: string): Promise<void> {
  await run('nft', ['-f', '-'], script);
}

/** What iptables-save prints. @throws EnvironmentError */
export function saveIptables(
  family: NetfilterFamily,
  backend: IptablesBackend,
  table: string,
): Promise<string> {
  return runForm(family, backend, '-save', ['-t', table]);
}

/** Has iptables-restore do what a script says, and leave all else. @throws EnvironmentError */
export async function restoreIptables(
  family: NetfilterFamily,
  backend: IptablesBackend,
  script: string,
): Promise<void> {
  await runForm(family, backend, '-restore', ['--noflush', '-w', LOCK_SECONDS], script);
}

/** Whether the legacy form has such a table in this network namespace. To ask its programs might make one. */
export function hasLegacyTable(family: NetfilterFamily, table: string): boolean {
  try {
    const names = readFileSync(`/proc/thread-self/net/${family}_tables_names`, 'utf8');
    return names.split('\n').includes(table);
  } catch {
    return false;
  }
}

/** The program of that form, by its own name or, where only one form is there, by the common one. */
async function runForm(
  family: NetfilterFamily,
  backend: IptablesBackend,
  suffix: '-save' | '-restore',
  args: readonly string[],
  input?: string,
): Promise<string> {
  const own = `${BASE[family]}-${backend}${suffix}`;
  try {
    return await run(own, args, input);
  } catch (error) {
    if (!isMissing(error)) throw error;
    const common = `${BASE[family]}${suffix}`;
    const version = await run(common, ['--version']).catch(() => '');
    if (!version.includes(backend === 'nft' ? '(nf_tables)' : '(legacy)')) throw error;
    return run(common, args, input);
  }
}

function isMissing(error: unknown): boolean {
  return ((error as Error).cause as NodeJS.ErrnoException | undefined)?.code === 'ENOENT';
}

function run(program: string, args: readonly string[], input = ''): Promise<string> {
  return new Promise((resolve, reject) => {
    const env = { ...process.env, PATH: `${PLACES}:${process.env.PATH}`, LC_ALL: 'C' };
    const child = execFile(
      program,
      args,
      { env, maxBuffer: MOST_OUTPUT, timeout: TIMEOUT_MS },
      (cause, stdout, stderr) => {
        if (cause) reject(failureOf(program, args, cause, stderr));
        else resolve(stdout);
      },
    );
    // One that ends before it has read everything says why: EPIPE adds nothing.
    child.stdin?.on('error', () => {});
    child.stdin?.end(input);
  });
}

function failureOf(
  program: string,
  args: readonly string[],
  cause: Error & { readonly code?: unknown },
  stderr: string,
): EnvironmentError {
  if (cause.code === 'ENOENT') {
    const debianPackage = PACKAGES[program] ?? 'iptables';
    return new EnvironmentError(`the program ${program} is not there`, {
      cause,
      hint: `install it (Debian and Ubuntu: apt-get install ${debianPackage})`,
    });
  }
  const [said = cause.message] = stderr.split('\n').filter((line) => line.trim() !== '');
  return new EnvironmentError(`${program} ${args.join(' ')} failed: ${said.trim()}`, { cause });
}
