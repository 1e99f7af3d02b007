// SPDX-License-Identifier: Apache-2.0
// Machines that are cut off and restarted, and their Nodes. Used by node-loss.e2e.ts.

import type { Machine } from '../inventory.ts';
import { disconnect, mustRunScript } from '../ssh.ts';
import type { Api } from './api.ts';
import { eventually, NotYet } from './eventually.ts';

/** After so long a machine that was cut off comes back by itself: where ssh goes by the same device nobody can tell it to. */
const CUT_S = 900;
const RESTART = '/run/signalbox-e2e-restart';

/**
 * Takes down the device that the machine shares with the others, until restart() or CUT_S are over. It then restarts
 * without ending anything in order, as after a power cut, because a device that was down has lost its routes.
 */
export async function cutOff(machine: Machine): Promise<void> {
  const script = `set -eu
read -r _ device _ < <(ip -o -4 address show to ${machine.address.ipv4}/32)
rm -f ${RESTART}
setsid sh -c "
  sleep 2
  ip link set $device down
  for _ in \\$(seq ${CUT_S}); do [ ! -e ${RESTART} ] || break; sleep 1; done
  reboot -ff" </dev/null >/dev/null 2>&1 &`;
  await mustRunScript(machine, script, { timeoutS: 300 });
}

/** @returns at once. */
export async function restart(machine: Machine): Promise<void> {
  await mustRunScript(machine, `touch ${RESTART}`, { timeoutS: 60 }).catch(() => {});
  await disconnect(machine);
}

/** Another one after each restart. */
export async function bootOf(machine: Machine): Promise<string> {
  return await mustRunScript(machine, 'cat /proc/sys/kernel/random/boot_id', { timeoutS: 120 });
}

/** Waits until Kubernetes says so; of a node that is cut off it says that nothing is known. */
export async function nodeIs({ core }: Api, name: string, isReady: boolean): Promise<void> {
  await eventually(`the node ${name} is ${isReady ? '' : 'not '}ready`, async () => {
    const { status } = await core.readNode({ name });
    const ready = status?.conditions?.find(({ type }) => type === 'Ready');
    return (ready?.status === 'True') === isReady ? undefined : new NotYet(status?.conditions);
  });
}
