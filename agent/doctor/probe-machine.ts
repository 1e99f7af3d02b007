// SPDX-License-Identifier: Apache-2.0
// What the machine and the container allow the agent: capabilities, memory, lockdown. Used by probe.ts; each throws
// where it cannot be read.

import { readFileSync } from 'node:fs';
import path from 'node:path';

/**
 * Bits of capabilities(7). SYS_ADMIN, without which tables are not found by their number, has all that BPF and PERFMON
 * allow in it; they are what would be left of it should it go.
 */
const CAPABILITIES = { CAP_NET_ADMIN: 12, CAP_SYS_PTRACE: 19, CAP_SYS_ADMIN: 21 };

/** Those without which something does not work. */
export const NEEDED_CAPABILITIES: readonly string[] = Object.keys(CAPABILITIES);

export function missingCapabilities(): string[] {
  const [, text = '0'] =
    readFileSync('/proc/self/status', 'utf8').match(/^CapEff:\s*(\w+)$/m) ?? [];
  const effective = BigInt(`0x${text}`);
  return Object.entries(CAPABILITIES).flatMap(([name, bit]) =>
    effective & (1n << BigInt(bit)) ? [] : name,
  );
}

/** Of the cgroup that this process is in, in bytes: of the container, where it is one. @returns undefined without one. */
export function memoryLimit(): number | undefined {
  const own = readFileSync('/proc/self/cgroup', 'utf8').match(/^0::(.*)$/m)?.[1];
  if (own === undefined) return undefined;
  const text = readFileSync(path.join('/sys/fs/cgroup', own, 'memory.max'), 'utf8').trim();
  return text === 'max' ? undefined : Number(text);
}

/** none, integrity or confidentiality (kernel_lockdown(7)). */
export function lockdown(): string | undefined {
  return readFileSync('/sys/kernel/security/lockdown', 'utf8').match(/\[(\w+)\]/)?.[1];
}
