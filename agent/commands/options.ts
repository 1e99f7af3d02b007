// SPDX-License-Identifier: Apache-2.0
// Options that several commands share, and what their values may be.

import { Option } from 'commander';
import { EnvironmentError } from '../errors.ts';
import { openTables, type Tables } from '../sys/datapath.ts';
import { isNotFound } from '../sys/libbpf/kernel-error.ts';
import { openPacketTables, type PacketTables } from '../sys/packet-tables.ts';
import { DEFAULT_BPFFS, Pins } from '../sys/pins.ts';

export function bpffsOption(): Option {
  return new Option('--bpffs <dir>', 'directory in a BPF file system that holds the pins').default(
    DEFAULT_BPFFS,
  );
}

/** By the environment too: in the container of the DaemonSet it is said once, for every command. */
export function procOption(): Option {
  return new Option(
    '--proc <dir>',
    'where the processes of the node are seen; in a container, the host’s',
  )
    .default('/proc')
    .env('SIGNALBOX_PROC');
}

export function outputOption(): Option {
  return new Option('-o, --output <format>', 'how to print')
    .choices(['table', 'json'])
    .default('table');
}

/** Pins, tables and links are for root alone. @throws EnvironmentError */
export function requireRoot(): void {
  if (process.getuid?.() === 0) return;
  throw new EnvironmentError('this needs root', { hint: 'run it with sudo' });
}

/** The pinned tables, for looking only. @throws EnvironmentError when there are none. */
export function openTablesOrExplain(bpffs: string): Tables {
  return openOrExplain(bpffs, openTables);
}

/** The same for {@link PacketTables}. */
export function openPacketTablesOrExplain(bpffs: string): PacketTables {
  return openOrExplain(bpffs, openPacketTables);
}

function openOrExplain<T>(bpffs: string, open: (pins: Pins) => T): T {
  requireRoot();
  try {
    return open(new Pins(bpffs));
  } catch (cause) {
    if (!isNotFound(cause)) throw cause;
    throw new EnvironmentError(`no tables of this version are pinned in ${bpffs}`, {
      cause,
      hint: 'start the agent (signalbox agent), or name its directory with --bpffs DIR',
    });
  }
}
