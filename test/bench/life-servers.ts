// SPDX-License-Identifier: Apache-2.0
// Whoever answers the prober does so at once while a proxy is measured: else a try lasts for as long as the proxy and
// the API server are at work, which is just when the next one is wanted.

import { readFileSync } from 'node:fs';
import path from 'node:path';
import { runCommand } from '../lab/run-command.ts';
import type { Station } from './station.ts';

/** As the kernel calls measure-server.c: 15 characters at most (proc_pid_comm(5)). */
const SERVER = 'measure-server';

/**
 * Has the servers of a station come before everybody who has an ordinary policy, until `body` is done. The prober gives
 * itself the same.
 *
 * @returns why that was refused; undefined: it was not.
 */
export async function whileServedFirst(
  { server }: Station,
  body: () => Promise<void>,
): Promise<string | undefined> {
  const pids = serversIn(server.cgroup);
  const refusal = await setPolicy(pids, '--fifo', '1').then(
    () => undefined,
    (error: unknown) => String(error),
  );
  try {
    await body();
  } finally {
    if (refusal === undefined) await setPolicy(pids, '--batch', '0');
  }
  return refusal;
}

function serversIn(cgroup: string): string[] {
  const pids = readFileSync(path.join(cgroup, 'cgroup.procs'), 'utf8').split('\n').filter(Boolean);
  return pids.filter((pid) => readFileSync(`/proc/${pid}/comm`, 'utf8').trim() === SERVER);
}

async function setPolicy(pids: readonly string[], policy: string, priority: string): Promise<void> {
  const change = ['chrt', '--all-tasks', policy, '--pid', priority] as const;
  await Promise.all(pids.map((pid) => runCommand([...change, pid])));
}
