// SPDX-License-Identifier: Apache-2.0
// A network namespace that looks like a node to routing: devices, addresses, routes and neighbours. Nothing
// is ever sent there; programs that are run over packets ask it for ways.
// Invariant: close() takes it off the machine again.

import { closeSync, openSync } from 'node:fs';
import { insideNetns } from '../../agent/sys/libbpf/netns.ts';
import { readNetworkDevices } from '../../agent/sys/network-devices.ts';
import { newLabId } from '../lab/lab-id.ts';
import {
  addNamespaces,
  configureNamespace,
  namespacePath,
  removeNamespaces,
} from '../lab/netns.ts';
import { exitOnSignals } from '../lab/signals.ts';
import { FORWARDING } from '../lab/topology.ts';
import type { Ethernet } from './packet/packet.ts';
import { addressOf, FAMILIES, type Place } from './places.ts';

/** `uplink` leads to the router, `pod` to pods of this node; `narrow` has a small MTU; `tunnel` is as one without Ethernet. */
export const DEVICES = ['uplink', 'pod', 'narrow', 'tunnel'] as const;
export type Device = (typeof DEVICES)[number];

/** Of `narrow`; the others have 1500. At least 1280, as IPv6 asks for. */
export const NARROW_MTU = 1300;

export class RoutingNetwork {
  readonly #id = newLabId();
  readonly #ifindexes = new Map<Device, number>();
  #namespace: number | undefined;
  readonly #forgetSignals = exitOnSignals(() => this.close());

  /** @param isAddressed the node has addresses; without them, there is a way to one remote pod all the same. */
  static async create({ isAddressed = true } = {}): Promise<RoutingNetwork> {
    const network = new RoutingNetwork();
    try {
      await addNamespaces([network.#id]);
      await network.configure(...linkCommands(), ...(isAddressed ? routes() : bareRoutes()));
      network.#namespace = openSync(namespacePath(network.#id), 'r');
      network.#readIfindexes();
    } catch (error) {
      await network.close();
      throw error;
    }
    return network;
  }

  /** Runs lines for `ip -batch` in it. */
  configure(...lines: readonly string[]): Promise<void> {
    return configureNamespace(this.#id, { sysctls: FORWARDING, commands: lines });
  }

  ifindex(device: Device): number {
    return this.#ifindexes.get(device) as number;
  }

  /** Runs `body`, which must be synchronous, in it. */
  inside<T>(body: () => T): T {
    return insideNetns(this.#namespace as number, body);
  }

  async close(): Promise<void> {
    this.#forgetSignals();
    if (this.#namespace !== undefined) closeSync(this.#namespace);
    this.#namespace = undefined;
    await removeNamespaces([this.#id]);
  }

  #readIfindexes(): void {
    for (const { name, ifindex } of this.inside(() => readNetworkDevices())) {
      const device = DEVICES.find((one) => one === name);
      if (device) this.#ifindexes.set(device, ifindex);
    }
  }
}

/** Of frames that come in by the device. */
export function ethernetTo(device: Device): Ethernet {
  return { destination: mac(device, 1), source: mac(device, 2) };
}

/** Of frames that leave by it, and of answers. */
export function ethernetFrom(device: Device): Ethernet {
  return { destination: mac(device, 2), source: mac(device, 1) };
}

function mac(device: Device, end: number): string {
  return `02:00:00:00:0${DEVICES.indexOf(device) + 1}:0${end}`;
}

function linkCommands(): string[] {
  return DEVICES.flatMap((name) => [
    `link add ${name} address ${mac(name, 1)} mtu ${mtuOf(name)} type veth peer name ${name}-peer address ${mac(name, 2)} mtu ${mtuOf(name)}`,
    `link set ${name} up`,
    `link set ${name}-peer up`,
  ]);
}

function routes(): string[] {
  return FAMILIES.flatMap((family) => {
    const at = (place: Place) => addressOf(place, family);
    const length = family === 'IPv4' ? 24 : 64;
    return [
      `addr add ${at('node')}/${length} dev uplink ${family === 'IPv6' ? 'nodad' : ''}`,
      `addr add ${at('narrowNode')}/${length} dev narrow ${family === 'IPv6' ? 'nodad' : ''}`,
      `route add default via ${at('router')}`,
      `neigh add ${at('router')} lladdr ${mac('uplink', 2)} dev uplink nud permanent`,
      `neigh add ${at('otherNode')} lladdr ${mac('uplink', 2)} dev uplink nud permanent`,
      `route add ${at('tunnelRemotePod')} dev tunnel src ${at('node')}`,
      `route add ${at('tunnelClient')} dev tunnel src ${at('node')}`,
      `route add ${at('localPod')} dev pod`,
      `route add ${at('secondLocalPod')} dev pod`,
      ...(['remotePod', 'secondRemotePod'] as const).map(
        (pod) => `route add ${at(pod)} via ${at('otherNode')}`,
      ),
      `route add ${at('narrowPod')} dev narrow src ${at('narrowNode')}`,
      `neigh add ${at('narrowPod')} lladdr ${mac('narrow', 2)} dev narrow nud permanent`,
      `route add unreachable ${at('unreachablePod')}`,
    ];
  });
}

function bareRoutes(): string[] {
  return FAMILIES.map((family) => `route add ${addressOf('remotePod', family)} dev uplink`);
}

function mtuOf(device: Device): number {
  return device === 'narrow' ? NARROW_MTU : 1500;
}
