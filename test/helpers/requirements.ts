// SPDX-License-Identifier: Apache-2.0
// What a test needs of the machine. A test that lacks it ends with `if (!requireRoot(t)) return;`: it
// passes for AVA, and scripts/test.ts counts it as skipped, with the reason that is logged here. With
// CI=true only a kernel that is too old is a reason (EXPECTED_IN_CI): everything else is a failure.

import { accessSync, constants, readFileSync } from 'node:fs';
import { release } from 'node:os';
import path from 'node:path';
import type { ExecutionContext } from 'ava';
import { whyNoGuest } from '../../scripts/guest/needs.ts';
import { findKubeProxy } from '../lab/find-program.ts';

/** What scripts/test.ts looks for in a test's log. */
export const SKIPPED = 'skipped: ';

/** The reasons to skip that a machine for continuous integration may have. */
export const EXPECTED_IN_CI: readonly RegExp[] = [
  /^needs Linux [\d.]+ for /,
  /^needs a kube-proxy to compare with /,
  /^needs (vagrant|shellcheck), which nothing else uses/,
];

/** From linux/capability.h. */
const CAPABILITIES = {
  CAP_NET_ADMIN: 12,
  CAP_SYS_ADMIN: 21,
  CAP_PERFMON: 38,
  CAP_BPF: 39,
} as const;

/** The first kernel that has it. What all supported kernels have is not here. */
const KERNEL_FEATURES = {
  bpf_sock_destroy: '6.5',
  TCX: '6.6',
} as const;

export type KernelFeature = keyof typeof KERNEL_FEATURES;

/** Makes network namespaces and cgroups, loads BPF programs. @returns whether the test may go on. */
export function requireRoot(t: ExecutionContext): boolean {
  const status = readFileSync('/proc/self/status', 'utf8');
  const effective = BigInt(`0x${status.match(/^CapEff:\s*([0-9a-f]+)/m)?.[1] ?? '0'}`);
  const missing = Object.entries(CAPABILITIES)
    .filter(([, bit]) => (effective & (1n << BigInt(bit))) === 0n)
    .map(([name]) => name);
  return missing.length === 0 || skip(t, `needs root (${missing.join(', ')})`);
}

/** @returns whether the running kernel has it: for what is expected, not for whether to test. */
export function hasKernel(feature: KernelFeature): boolean {
  return isAtLeast(release(), KERNEL_FEATURES[feature]);
}

/** @returns whether the test may go on: the running kernel has the feature. */
export function requireKernel(t: ExecutionContext, feature: KernelFeature): boolean {
  return hasKernel(feature) || skip(t, lacksKernel(feature));
}

/** @returns the reason to skip what needs the feature, on a kernel without it. */
export function lacksKernel(feature: KernelFeature): string {
  return `needs Linux ${KERNEL_FEATURES[feature]} for ${feature}, has ${release()}`;
}

/** @returns whether the test may go on: the program is on the PATH. */
export function requireProgram(t: ExecutionContext, program: string): boolean {
  return isOnPath(program) || skip(t, `needs the program ${program}`);
}

/** For a check with a program that `scripts/setup` does not install. @returns whether the test may go on. */
export function requireExtraProgram(
  t: ExecutionContext,
  program: 'vagrant' | 'shellcheck',
): boolean {
  return isOnPath(program) || skip(t, `needs ${program}, which nothing else uses`);
}

/** The binary is no part of this project. @returns it; undefined when the test may not go on. */
export function requireKubeProxy(t: ExecutionContext): string | undefined {
  const binary = findKubeProxy();
  if (binary === undefined) skip(t, 'needs a kube-proxy to compare with (KUBE_PROXY)');
  return binary;
}

/** Boots kernels in virtual machines. @returns whether the test may go on. */
export function requireGuest(t: ExecutionContext): boolean {
  const obstacle = whyNoGuest();
  return obstacle === undefined || skip(t, `needs a virtual machine: ${obstacle}`);
}

function skip(t: ExecutionContext, reason: string): false {
  t.log(`${SKIPPED}${reason}`);
  t.pass();
  return false;
}

function isOnPath(program: string): boolean {
  const folders = (process.env.PATH ?? '').split(':');
  return folders.some((folder) => isExecutable(path.join(folder, program)));
}

function isAtLeast(version: string, wanted: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map((part) => Number.parseInt(part, 10));
  const [wantedMajor = 0, wantedMinor = 0] = wanted.split('.').map(Number);
  return major > wantedMajor || (major === wantedMajor && minor >= wantedMinor);
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
