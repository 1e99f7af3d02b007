// SPDX-License-Identifier: Apache-2.0
// Network namespaces by iproute2. Every link is made inside the lab's own namespaces, never in the
// machine's; batches keep set-up at a few milliseconds a namespace.

import { existsSync, readdirSync } from 'node:fs';
import { runCommand } from './run-command.ts';

const DIRECTORY = '/run/netns';

/** Address resolution at once: duplicate address detection would keep IPv6 silent for a second. */
const NO_DAD = { 'net.ipv6.conf.all.accept_dad': 0, 'net.ipv6.conf.default.accept_dad': 0 };

export interface NamespaceSetup {
  /** Such as `net.ipv4.ip_forward`. Set before the commands run. */
  readonly sysctls?: Readonly<Record<string, number>>;
  /** Lines for `ip -batch`, run inside the namespace. */
  readonly commands: readonly string[];
}

/** The file that names a namespace: what nsenter(1) and setns(2) want. */
export function namespacePath(name: string): string {
  return `${DIRECTORY}/${name}`;
}

export function listNamespaces(): string[] {
  return existsSync(DIRECTORY) ? readdirSync(DIRECTORY) : [];
}

export async function addNamespaces(names: readonly string[]): Promise<void> {
  await batch(names.map((name) => `netns add ${name}`));
}

/** Missing ones are fine. Links inside go with the namespace, and so does the other end of each veth. */
export async function removeNamespaces(names: readonly string[]): Promise<void> {
  const present = new Set(listNamespaces());
  await batch(names.filter((name) => present.has(name)).map((name) => `netns del ${name}`));
}

/** Runs `setup` inside the namespace: its loopback comes up, then sysctls, then the commands in order. */
export async function configureNamespace(name: string, setup: NamespaceSetup): Promise<void> {
  const writes = Object.entries({ ...NO_DAD, ...setup.sysctls }).map(
    ([sysctl, value]) => `echo ${value} > /proc/sys/${sysctl.replaceAll('.', '/')}`,
  );
  const script = [...writes, 'exec ip -batch -'].join(' && ');
  await runCommand(
    ['nsenter', `--net=${namespacePath(name)}`, 'sh', '-c', script],
    lines(['link set lo up', ...setup.commands]),
  );
}

async function batch(commands: readonly string[]): Promise<void> {
  if (commands.length > 0) await runCommand(['ip', '-batch', '-'], lines(commands));
}

function lines(commands: readonly string[]): string {
  return commands.map((command) => `${command}\n`).join('');
}
