// SPDX-License-Identifier: Apache-2.0
// Writes numbers into /proc/sys, and the two beside it that kube-proxy writes: conntrack's hash table and how likely the
// agent is to be ended when memory is short. Only what is different is written. Never throws: the datapath needs
// none of it, so that what cannot be written is told, and the agent goes on (kube-proxy ends).

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { messageOf } from '../errors.ts';
import type { Logger } from '../telemetry/log.ts';

/** As config/host-plan.ts plans it. */
export interface HostSetting {
  readonly name: string;
  readonly value: number;
  readonly raiseOnly: boolean;
}

export interface HostRoots {
  /** A proc file system: whose network namespace it shows is that of this process, wherever it is mounted. */
  readonly proc: string;
  /** A sysfs; of the whole machine. */
  readonly sys: string;
}

const CONNTRACK = 'sys/net/netfilter';
const HASH_SIZE = 'module/nf_conntrack/parameters/hashsize';

/** @returns what could not be written. */
export function applyHostSettings(
  plan: readonly HostSetting[],
  roots: HostRoots,
  log: Logger,
): string[] {
  if (!plan.length) return [];
  if (!existsSync(path.join(roots.proc, CONNTRACK))) {
    log.info(
      {
        hint: 'Signalbox needs it not; where others do: modprobe nf_conntrack, and start the agent again',
      },
      'conntrack is not loaded: its settings are left alone',
    );
    return [];
  }
  const problems: string[] = [];
  for (const { name, value, raiseOnly } of plan) {
    const file = fileOf(name, roots);
    try {
      const before = Number(readFileSync(file, 'utf8'));
      if (before === value || (raiseOnly && before > value)) continue;
      writeFileSync(file, `${value}`);
      log.info({ setting: name, before, value }, 'wrote a setting of the host');
    } catch (error) {
      const problem = `cannot write ${value} to ${file}: ${messageOf(error)}`;
      problems.push(problem);
      log.warn(
        {
          setting: name,
          value,
          error: messageOf(error),
          hint: 'write it on the host, let the agent run in a privileged container, or turn it off (conntrack.maxPerCore: 0)',
        },
        'cannot write a setting of the host',
      );
    }
  }
  return problems;
}

/** What the kubelet gives to pods that are critical for their node. Lowering it takes CAP_SYS_RESOURCE, and gains nothing. */
const KUBELET_CRITICAL = -997;

/** @param score from -1000 to 1000; less than it is now takes CAP_SYS_RESOURCE. */
export function setOomScore(score: number, log: Logger): void {
  const file = '/proc/self/oom_score_adj';
  try {
    const present = Number(readFileSync(file, 'utf8'));
    if (present === score || (present <= KUBELET_CRITICAL && score < present)) return;
    writeFileSync(file, `${score}`);
  } catch (error) {
    log.warn({ score, error: messageOf(error) }, 'cannot set oom_score_adj of the agent');
  }
}

function fileOf(name: string, { proc, sys }: HostRoots): string {
  return name === 'hashsize'
    ? path.join(sys, HASH_SIZE)
    : path.join(proc, 'sys', ...name.split('.'));
}
