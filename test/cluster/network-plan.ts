// SPDX-License-Identifier: Apache-2.0
// Which addresses and ranges a cluster has, and so what each provisioning script is told. Pure. Every machine has a
// number, the end of its IPv4 address, which its ranges of pods carry: 192.168.56.10 has 10.244.10.0/24.

import { EnvironmentError } from '../../agent/errors.ts';
import { controlPlaneOf, type Inventory, type Machine } from './inventory.ts';

export const SERVICE_RANGES = '10.96.0.0/16,fd00:10:96::/112';
export const POD_RANGES = '10.244.0.0/16,fd00:10:244::/48';

/** What Vagrant's machines have; the Vagrantfile says the same. */
export function vagrantAddress(name: string): Machine['address'] {
  const number = name === 'cp' ? 10 : 10 + Number(name.slice(1));
  return { ipv4: `192.168.56.${number}`, ipv6: `fd00:192:168:56::${number}` };
}

export interface PodRange {
  readonly ipv4: string;
  readonly ipv6: string;
}

export function podRangeOf(machine: Machine): PodRange {
  const number = numberOf(machine);
  return { ipv4: `10.244.${number}.0/24`, ipv6: `fd00:10:244:${number}::/64` };
}

/**
 * What all the scripts read that depends on the machines alone.
 * @throws EnvironmentError when two machines would get the same ranges.
 */
export function environmentOf(machine: Machine, inventory: Inventory): Record<string, string> {
  const pods = podRangeOf(machine);
  const peers = inventory.machines.filter(({ name }) => name !== machine.name);
  const same = peers.find((peer) => numberOf(peer) === numberOf(machine));
  if (same !== undefined) {
    throw new EnvironmentError(
      `${machine.name} and ${same.name} both have IPv4 addresses that end in ${numberOf(machine)}`,
      { hint: 'the end is what tells their ranges of pods apart: take other addresses' },
    );
  }
  return {
    NODE_NAME: machine.name,
    NODE_IPV4: machine.address.ipv4,
    NODE_IPV6: machine.address.ipv6,
    CONTROL_PLANE_IPV4: controlPlaneOf(inventory).address.ipv4,
    SERVICE_RANGES,
    POD_RANGES,
    POD_IPV4: pods.ipv4,
    POD_IPV6: pods.ipv6,
    PEERS: peers.flatMap(routesTo).join(' '),
  };
}

/** As network.sh reads them: RANGE=GATEWAY. */
function routesTo(peer: Machine): readonly string[] {
  const pods = podRangeOf(peer);
  return [`${pods.ipv4}=${peer.address.ipv4}`, `${pods.ipv6}=${peer.address.ipv6}`];
}

function numberOf({ address }: Machine): number {
  return Number(address.ipv4.split('.').at(-1));
}
