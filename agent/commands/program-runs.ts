// SPDX-License-Identifier: Apache-2.0
// How often each of our programs ran, and for how long, wherever it is attached; for metrics.

import { readFileSync } from 'node:fs';
import { attachments } from '../sys/datapath.ts';
import { readProgramInfoById } from '../sys/libbpf/program-info.ts';
import { packetAttachments } from '../sys/packet-programs.ts';
import type { Pins } from '../sys/pins.ts';
import type { ProgramRuns } from '../telemetry/program-metrics.ts';

const SWITCH = '/proc/sys/kernel/bpf_stats_enabled';

/** @returns nothing while the kernel does not measure, and nothing of what cannot be read. */
export function programRuns(pins: Pins): ProgramRuns[] {
  if (!isMeasured()) return [];
  const byName = new Map<string, ProgramRuns>();
  for (const id of programIds(pins)) {
    try {
      const { name, runs, runSeconds } = readProgramInfoById(id);
      if (runs === 0) continue;
      const before = byName.get(name) ?? { program: name, runs: 0, seconds: 0 };
      byName.set(name, {
        program: name,
        runs: before.runs + runs,
        seconds: before.seconds + runSeconds,
      });
    } catch {
      // It has just been replaced.
    }
  }
  return [...byName.values()];
}

function isMeasured(): boolean {
  try {
    return readFileSync(SWITCH, 'utf8').trim() !== '0';
  } catch {
    return false;
  }
}

/** One program may be on many devices. */
function programIds(pins: Pins): Set<number> {
  try {
    const onDevices = [...packetAttachments(pins).values()].flatMap(({ ingress, egress }) => [
      ingress,
      egress,
    ]);
    const onHooks = attachments(pins).map(({ programId }) => programId);
    return new Set([...onHooks, ...onDevices].filter((id): id is number => !!id));
  } catch {
    // Somebody is at the pins.
    return new Set();
  }
}
