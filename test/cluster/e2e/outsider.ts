// SPDX-License-Identifier: Apache-2.0
// A client that is no node: an address of its own on the network of the machines. It is a pod of the control plane with a
// second device in its network namespace, an ipvlan beside that machine's own: its packets leave as they are and reach
// the workers as any neighbour's do. The machine that it lives on it cannot reach.
//
// Its sockets are the control plane's, where Signalbox would see to it that a service address is never dialled. So it dials
// another address, and its own network namespace puts the service address in place of that as the packets leave.

import { isIPv6 } from 'node:net';
import { controlPlaneOf, type Inventory, type Machine } from '../inventory.ts';
import { mustRunScript } from '../ssh.ts';
import type { PodControl } from './pod-control.ts';
import type { Family } from './services.ts';

const DEVICE = 'outside0';
const TABLE = 'signalbox-e2e';

/** Where no Service is. */
const DIALLED: Readonly<Record<Family, (number: number) => string>> = {
  4: (number) => `198.51.100.${number}`,
  6: (number) => `2001:db8:51::${number}`,
};

export class Outsider {
  readonly pod: PodControl;
  readonly #home: Machine;
  readonly #network: string;
  #count = 0;

  private constructor(pod: PodControl, home: Machine, network: string) {
    this.pod = pod;
    this.#home = home;
    this.#network = network;
  }

  /** Gives the pod its device and addresses. */
  static async join(inventory: Inventory, pod: PodControl): Promise<void> {
    const home = controlPlaneOf(inventory);
    const { network } = await pod.call('self');
    await mustRunScript(home, joinScript(home, network), { timeoutS: 300 });
  }

  /** With nothing left of what another file of tests has dialled. */
  static async open(inventory: Inventory, pod: PodControl): Promise<Outsider> {
    const { network } = await pod.call('self');
    const outsider = new Outsider(pod, controlPlaneOf(inventory), network);
    for (const family of ['ip', 'ip6']) {
      const table = `${family} ${TABLE}`;
      // Made first, so that there is one to delete.
      await outsider.#nft(
        `add table ${table}; delete table ${table}; add table ${table}; ` +
          `add chain ${table} out { type nat hook output priority -100; }`,
      );
    }
    return outsider;
  }

  address(family: Family): string {
    return outsideAddress(this.#home.address[family === 4 ? 'ipv4' : 'ipv6']);
  }

  /** @returns what to dial so that `address` is reached by way of `machine`: from now on whatever is dialled for it. */
  async alias(address: string, machine: Machine): Promise<string> {
    const family: Family = isIPv6(address) ? 6 : 4;
    const name = family === 4 ? 'ip' : 'ip6';
    const dialled = DIALLED[family](++this.#count);
    const via = machine.address[family === 4 ? 'ipv4' : 'ipv6'];
    const routes = [dialled, address].map(
      (to) =>
        `ip -${family} route replace ${to} via ${via} dev ${DEVICE} src ${this.address(family)}`,
    );
    await mustRunScript(this.#home, inside(this.#network, routes), { timeoutS: 300 });
    await this.#nft(`add rule ${name} ${TABLE} out ${name} daddr ${dialled} dnat to ${address}`);
    return dialled;
  }

  async #nft(commands: string): Promise<void> {
    const { code, output } = await this.pod.call('run', ['/usr/sbin/nft', commands]);
    if (code !== 0) throw new Error(`nft ${commands} in pod ${this.pod.name}: ${output}`);
  }
}

/** A neighbour of a machine: its address but for the last part. */
export function outsideAddress(address: string): string {
  return address.replace(/[^.:]+$/, '200');
}

function joinScript({ address: { ipv4, ipv6 } }: Machine, network: string): string {
  return `set -eu
read -r _ device _ with_prefix4 _ < <(ip -o -4 address show to ${ipv4}/32)
read -r _ _ _ with_prefix6 _ < <(ip -o -6 address show to ${ipv6}/128)
${findProcess(network)}
# With an ipvlan, unlike a macvlan, no switch sees an address that it does not know.
ip link add link "$device" name ${DEVICE} type ipvlan mode l2 ||
  ip link add link "$device" name ${DEVICE} type macvlan mode bridge
ip link set ${DEVICE} netns "$process"
inside() { nsenter --net --target "$process" "$@"; }
inside ip address add "${outsideAddress(ipv4)}/\${with_prefix4#*/}" dev ${DEVICE}
inside ip -6 address add "${outsideAddress(ipv6)}/\${with_prefix6#*/}" dev ${DEVICE} nodad
inside ip link set ${DEVICE} up
`;
}

function inside(network: string, commands: readonly string[]): string {
  const lines = commands.map((command) => `nsenter --net --target "$process" ${command}`);
  return ['set -eu', findProcess(network), ...lines].join('\n');
}

/** Who is in that network namespace. By one program for all processes: each takes long where a machine is emulated. */
function findProcess(network: string): string {
  return `process=$(ls -l /proc/[0-9]*/ns/net 2>/dev/null |
  sed -n 's|.* /proc/\\([0-9]*\\)/ns/net -> ${network.replaceAll(/[[\]]/g, '\\$&')}$|\\1|p' | head -n 1) || true
[ -n "$process" ]`;
}
