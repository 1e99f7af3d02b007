// SPDX-License-Identifier: Apache-2.0
// The kernel's own tables for a test (root): pinned in a directory that no agent uses, attached to nothing,
// gone with the test.

import { randomUUID } from 'node:crypto';
import { existsSync, readdirSync, rmSync, statfsSync } from 'node:fs';
import type { ExecutionContext } from 'ava';
import type { TableSizes } from '../../agent/model/table-sizes.ts';
import type { MapSpec } from '../../agent/sys/codec.ts';
import { openTables, Programs, type Tables } from '../../agent/sys/datapath.ts';
import { KernelMap } from '../../agent/sys/kernel-map.ts';
import { RawMap } from '../../agent/sys/libbpf/map.ts';
import { Pins } from '../../agent/sys/pins.ts';

const BPFFS = '/sys/fs/bpf';
/** Behind it stands the pid of the test. */
const PREFIX = 'signalbox-test-';
/** BPF_FS_MAGIC (linux/magic.h) */
const BPFFS_MAGIC = 0xcafe4a11;

export interface RealTables extends Tables {
  readonly pins: Pins;
  /** Opens the same tables once more, as another process would. */
  reopen(): Tables;
}

/**
 * New, empty tables; they end with the test, or whatever tears them down. Takes 100 ms: programs are verified.
 *
 * @param sizes what they are to hold, where that is not what they hold by themselves.
 */
export function openRealTables(
  t: Pick<ExecutionContext, 'teardown'>,
  sizes?: TableSizes,
): RealTables {
  const pins = new Pins(newDirectory(), sizes);
  t.teardown(() => {
    pins.removeAll();
  });
  Programs.load(pins).close();
  const open = () => {
    const tables = openTables(pins);
    t.teardown(() => tables.close());
    return tables;
  };
  return Object.assign(open(), { pins, reopen: open });
}

/** A hash map as `spec` says, but for its bound; it ends with the test. */
export function openSmallHash<K, V>(
  t: ExecutionContext,
  spec: MapSpec<K, V>,
  maxEntries: number,
): KernelMap<K, V> {
  const { type, flags, key, value } = spec;
  const sizes = { keySize: key.size, valueSize: value.size, maxEntries };
  const map = new KernelMap(RawMap.create('small_hash', { type, flags, ...sizes }), spec);
  t.teardown(() => map.close());
  return map;
}

function newDirectory(): string {
  if (statfsSync(BPFFS).type !== BPFFS_MAGIC) {
    throw new Error(`no BPF file system is mounted: mount -t bpf bpf ${BPFFS}`);
  }
  removeLeftBehind();
  return `${BPFFS}/${PREFIX}${process.pid}-${randomUUID().slice(0, 8)}`;
}

/** A test that hangs is killed, and takes nothing with it. */
function removeLeftBehind(): void {
  for (const name of readdirSync(BPFFS)) {
    const pid = name.startsWith(PREFIX) && name.slice(PREFIX.length).split('-')[0];
    // By force: another test may be at it.
    if (pid && !existsSync(`/proc/${pid}`)) {
      rmSync(`${BPFFS}/${name}`, { recursive: true, force: true });
    }
  }
}
