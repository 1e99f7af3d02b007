// SPDX-License-Identifier: Apache-2.0
// Which files of the kernel tell how long the CPUs worked on the traffic between measure-client.c and its servers,
// whatever else the machine does meanwhile. measure-client.c reads them; all of them together are the answer.

import { readdirSync, readFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { gunzipSync } from 'node:zlib';

/** Of measure-client.c, which is who reads it. */
const OWN = '/proc/self/schedstat';

/**
 * Packets are carried on by who sends them, or, when there are many, by the kernel's threads for it. Where the
 * kernel keeps the time of interrupts apart (CONFIG_IRQ_TIME_ACCOUNTING), it is nobody's, and can only be had
 * for the whole machine, in steps of 10 ms.
 *
 * @param serverCgroups of who is at the other end, and only of those; idle ones add nothing.
 */
export function cpuFiles(serverCgroups: readonly string[]): string[] {
  return [
    OWN,
    ...serverCgroups.map((cgroup) => path.join(cgroup, 'cpu.stat')),
    ...packetThreads().map((pid) => `/proc/${pid}/schedstat`),
    ...(keepsInterruptsApart() ? ['/proc/stat'] : []),
  ];
}

/** ksoftirqd of each CPU; none in a pid namespace of one's own. */
function packetThreads(): number[] {
  return readdirSync('/proc')
    .filter((pid) => /^\d+$/.test(pid))
    .map(Number)
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/comm`, 'utf8').startsWith('ksoftirqd/');
      } catch {
        return false; // It has ended.
      }
    });
}

/** A kernel that does not tell how it was built is taken for one that does not. */
function keepsInterruptsApart(): boolean {
  for (const [file, unpack] of [
    ['/proc/config.gz', gunzipSync],
    [`/boot/config-${os.release()}`, (bytes: Buffer) => bytes],
  ] as const) {
    try {
      return /^CONFIG_IRQ_TIME_ACCOUNTING=y$/m.test(unpack(readFileSync(file)).toString());
    } catch {}
  }
  return false;
}
