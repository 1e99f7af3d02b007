// SPDX-License-Identifier: Apache-2.0
// The clients and targets that most tests go through: whoever is inside of the cluster, both families, both protocols.

import type { V1Service } from '@kubernetes/client-node';
import type { Machine } from '../inventory.ts';
import { controlPlaneOf } from '../inventory.ts';
import type { Target } from './pod/wire.ts';
import type { PodControl } from './pod-control.ts';
import {
  clusterIp,
  FAMILIES,
  type Family,
  nodePort,
  PROTOCOLS,
  type Protocol,
} from './services.ts';
import { at, type Stage } from './stage.ts';

const PORT = 80;

/** A pod beside each server, a process of the first server's node, and one of a node without servers. */
export function insiders({ clients, workers, inventory }: Stage): PodControl[] {
  const { pods, hosts } = clients;
  const [first, second] = workers;
  return [
    at(pods, first),
    at(pods, second),
    at(hosts, first),
    at(hosts, controlPlaneOf(inventory)),
  ];
}

/** In turn for each client, because one asks its sockets one after the other; clients at the same time. */
export async function forEach(
  clients: readonly PodControl[],
  targets: readonly Target[],
  check: (client: PodControl, target: Target) => Promise<unknown>,
): Promise<void> {
  const outcomes = await Promise.allSettled(
    clients.map(async (client) => {
      for (const target of targets) await check(client, target);
    }),
  );
  const failed = outcomes.filter((outcome) => outcome.status === 'rejected');
  if (failed.length) {
    throw new AggregateError(
      failed.map(({ reason }) => reason),
      failed.map(({ reason }) => reason.message).join('\n'),
    );
  }
}

export function everyTarget(target: (family: Family, protocol: Protocol) => Target): Target[] {
  return FAMILIES.flatMap((family) => PROTOCOLS.map((protocol) => target(family, protocol)));
}

export function clusterIpTargets(service: V1Service, port = PORT): Target[] {
  return everyTarget((family, protocol) => ({ host: clusterIp(service, family), port, protocol }));
}

export function nodePortTargets(service: V1Service, machine: Machine): Target[] {
  return everyTarget((family, protocol) => ({
    host: addressOf(machine, family),
    port: nodePort(service, protocol),
    protocol,
  }));
}

/** Of addresses that a Service is given, one for each family. */
export function addressTargets(addresses: Readonly<Record<Family, string>>): Target[] {
  return everyTarget((family, protocol) => ({ host: addresses[family], port: PORT, protocol }));
}

/** What the client outside dials so that it reaches these by way of that machine. */
export async function aliases(
  { clients }: Stage,
  addresses: Readonly<Record<Family, string>>,
  machine: Machine,
): Promise<Record<Family, string>> {
  return {
    4: await clients.outsider.alias(addresses[4], machine),
    6: await clients.outsider.alias(addresses[6], machine),
  };
}

export function addressOf({ address }: Machine, family: Family): string {
  return family === 4 ? address.ipv4 : address.ipv6;
}

export function familyOf({ host }: Target): Family {
  return host.includes(':') ? 6 : 4;
}
