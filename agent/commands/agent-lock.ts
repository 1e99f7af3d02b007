// SPDX-License-Identifier: Apache-2.0
// Who keeps the tables: of two agents, or an agent and cleanup, the second one is told about the first and ends.

import { EnvironmentError } from '../errors.ts';
import { Pins } from '../sys/pins.ts';
import { lockHolder, moveForeignAside, PinsLock } from '../sys/pins-lock.ts';
import type { Logger } from '../telemetry/log.ts';
import { fetchStatus, isListening } from '../telemetry/status-socket.ts';

export interface TablesPlace {
  readonly bpffs: string;
  /** A proc file system in which the node's processes are. */
  readonly proc: string;
}

/**
 * Takes the tables for this process, before anything of them is touched.
 *
 * @throws EnvironmentError when another agent has them, or they cannot be had.
 */
export async function lockTables(place: TablesPlace, log: Logger): Promise<PinsLock> {
  const pins = new Pins(place.bpffs);
  const lock = PinsLock.take(pins.directory, () => makeDirectory(pins, log));
  if (!lock) throw taken(place, (await findKeeper(place)) ?? 'one that cannot be seen from here');
  // An agent of a version that had another lock is known by its socket. It finds this one in the same way.
  const other = await findListener(place);
  if (other === undefined) return lock;
  lock.close();
  throw taken(place, other);
}

/** Has the directories be there that pins are in, and be root's. @throws EnvironmentError */
export function makeDirectory(pins: Pins, log: Logger): void {
  const aside = moveForeignAside(pins.directory);
  if (aside !== undefined) {
    log.warn(
      { directory: pins.directory, aside, hint: 'mount the BPF file system with mode=700' },
      'somebody who is not root had made the directory of the pins; moved aside',
    );
  }
  pins.create();
}

/** Who keeps the tables, in words: one that is stopped or too busy to answer keeps them too. undefined: nobody. */
export async function findKeeper(place: TablesPlace): Promise<string | undefined> {
  const status = await fetchStatus(place.bpffs);
  if (status) return `pid ${status.pid}`;
  const pid = lockHolder(place.bpffs, place.proc);
  if (pid === undefined) return findListener(place);
  return (await isListening(place.bpffs)) ? `pid ${pid}, which does not answer` : `pid ${pid}`;
}

async function findListener({ bpffs }: TablesPlace): Promise<string | undefined> {
  const status = await fetchStatus(bpffs);
  if (status) return `pid ${status.pid}`;
  return (await isListening(bpffs)) ? 'one that does not answer' : undefined;
}

function taken({ bpffs }: TablesPlace, other: string): EnvironmentError {
  return new EnvironmentError(`another agent (${other}) keeps the tables in ${bpffs}`, {
    hint: 'stop it first, or give this one tables of its own with --bpffs DIR',
  });
}
