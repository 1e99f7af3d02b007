// SPDX-License-Identifier: Apache-2.0
// Whoever answers the prober does so at once while a proxy is measured, on whichever CPU: else a try lasts for as long as
// the proxy and the API server are at work, which is just when the next one is wanted; and where a kernel is not
// preempted, one that is at work on the servers' CPU for seconds, as nft's is, would stop all traffic of the benchmark.

import { readFileSync } from 'node:fs';
import path from 'node:path';
import { CLIENT_CPU } from './measure-servers.ts';
import type { Prober } from './prober.ts';
import type { Station } from './station.ts';

/** As the kernel calls measure-server.c: 15 characters at most (proc_pid_comm(5)). */
const SERVER = 'measure-server';

/** Has the servers of a station come before others until `body` is done. */
export async function whileServedFirst(
  { server }: Station,
  prober: Prober,
  body: () => Promise<void>,
): Promise<void> {
  const pids = serversIn(server.cgroup);
  try {
    for (const pid of pids) await prober.putFirst(pid);
    await body();
  } finally {
    for (const pid of pids) await prober.putLast(pid, CLIENT_CPU);
  }
}

function serversIn(cgroup: string): number[] {
  const pids = readFileSync(path.join(cgroup, 'cgroup.procs'), 'utf8').split('\n').filter(Boolean);
  return pids
    .filter((pid) => readFileSync(`/proc/${pid}/comm`, 'utf8').trim() === SERVER)
    .map(Number);
}
