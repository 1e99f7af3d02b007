// SPDX-License-Identifier: Apache-2.0
// Programs of somebody else on the hooks that ours are on: named, never fought.

import { attachments } from '../sys/datapath.ts';
import { cgroupPrograms, tcxPrograms } from '../sys/libbpf/hook-programs.ts';
import { readProgramInfoById } from '../sys/libbpf/program-info.ts';
import { TC_DIRECTIONS } from '../sys/libbpf/tc-link.ts';
import { packetAttachments } from '../sys/packet-programs.ts';
import { HOOKS, type Pins } from '../sys/pins.ts';

/** As `connect4: program 17 (cil_sock4_connect), before ours`. @param cgroup undefined: sockets are left out. */
export function foreignPrograms(pins: Pins, cgroup: string | undefined): string[] {
  const own = new Set(attachments(pins).map(({ programId }) => programId));
  const onSockets =
    cgroup === undefined
      ? []
      : HOOKS.flatMap((hook) => named(hook, cgroupPrograms(hook, cgroup), own));
  const onDevices = [...packetAttachments(pins)].flatMap(([ifindex, attached]) =>
    TC_DIRECTIONS.flatMap((direction) => {
      if (attached.mechanism !== 'tcx') return [];
      const ours = new Set([attached[direction] ?? 0]);
      return named(`${direction} of device ${ifindex}`, tcxPrograms(direction, ifindex), ours);
    }),
  );
  return [...onSockets, ...onDevices];
}

function named(where: string, ids: readonly number[], own: ReadonlySet<number>): string[] {
  // As the kernel runs them.
  const place = ids.findIndex((id) => own.has(id));
  return ids.flatMap((id, i) => {
    if (own.has(id)) return [];
    const side = place < 0 ? '' : i < place ? ', before ours' : ', behind ours';
    try {
      return `${where}: program ${id} (${readProgramInfoById(id).name})${side}`;
    } catch {
      // It is gone since.
      return [];
    }
  });
}
