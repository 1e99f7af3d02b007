// SPDX-License-Identifier: Apache-2.0
// What the benchmark takes place on: a lab with a node for each arm, side by side, so that connections to all of them
// can take turns in one process. Invariant: whatever becomes of it, close() leaves nothing of it on the machine, and
// what a killed run left is gone when the next one starts.

import path from 'node:path';
import { EnvironmentError } from '../../agent/errors.ts';
import { createCgroup } from '../lab/cgroup-tree.ts';
import type { KubeObject } from '../lab/kube-object.ts';
import { Lab } from '../lab/lab.ts';
import type { LabNode } from '../lab/lab-node.ts';
import { configureNamespace } from '../lab/netns.ts';
import type { Place } from '../lab/spawn-inside.ts';
import { SERVICE_CIDRS } from '../lab/topology.ts';
import { StoredServices } from './bench-services.ts';
import { connectOutside } from './outside.ts';
import { RealKubeProxy } from './proxy-kube-proxy.ts';
import { SignalboxProxy } from './proxy-signalbox.ts';
import { StandIn } from './proxy-stand-in.ts';
import { ARMS, type Arm, type ArmName, type ProxyName } from './result.ts';
import { BACKEND_CIDR } from './service-objects.ts';
import type { Bench, OutsideTargets, ServiceProxy, Station } from './station.ts';

export interface StationsOptions {
  /** A kube-proxy to run. Default none: rules of the same shape stand in for it. */
  readonly kubeProxy?: string | undefined;
  /** iptables-nft takes minutes for thousands of Services. Default iptables-legacy. */
  readonly iptables?: 'iptables-legacy' | 'iptables-nft';
  /** Default all. */
  readonly arms?: readonly ArmName[];
  /** Of each Service. Default 3. */
  readonly endpoints?: number;
}

/** As many as kubeadm's default has, for more Services than the lab's own has addresses. */
export const BENCH_SERVICE_CIDRS = { ...SERVICE_CIDRS, ipv4: '10.96.0.0/12' };

const KINDS_READ = new Set(['Service', 'EndpointSlice']);

export class Stations implements Bench {
  readonly lab: Lab;
  readonly stations: readonly Station[];
  readonly notes: readonly string[];
  readonly services: StoredServices;
  readonly outside: Place & OutsideTargets;
  readonly remotePod: Place;
  readonly outerCgroup: string;

  private constructor(
    parts: Pick<Bench, 'lab' | 'stations' | 'notes' | 'outside' | 'remotePod'> & {
      readonly services: StoredServices;
      readonly outerCgroup: string;
    },
  ) {
    this.lab = parts.lab;
    this.stations = parts.stations;
    this.notes = parts.notes;
    this.services = parts.services;
    this.outside = parts.outside;
    this.remotePod = parts.remotePod;
    this.outerCgroup = parts.outerCgroup;
  }

  /** No proxy has begun yet, and there are no Services but those with nodePorts. @throws EnvironmentError */
  static async start(options: StationsOptions = {}): Promise<Stations> {
    const { arms = ARMS, endpoints = 3 } = options;
    const chosen = ARMS.filter((arm) => arms.includes(arm));
    const lab = await Lab.start({
      nodes: chosen.length,
      agents: false,
      serviceCidrs: BENCH_SERVICE_CIDRS,
    });
    try {
      const notes: string[] = [];
      const proxies = proxiesFor(lab, chosen, options, notes);
      const placed = chosen
        .map((arm, i) => ({ arm, node: lab.nodes[i] as LabNode, proxy: proxies.get(arm) }))
        .filter(({ arm, proxy }) => arm.startsWith('direct') || proxy);
      const stations = await withPods(lab, placed);
      const outerCgroup = path.join(path.dirname(stations[0]?.node.cgroup ?? ''), 'outer');
      createCgroup(outerCgroup);
      const { client: outside, remotePod } = await connectOutside(lab, stations, outerCgroup);
      const services = new StoredServices(lab.store, endpoints);
      return new Stations({ lab, stations, notes, services, outside, remotePod, outerCgroup });
    } catch (error) {
      await lab.close().catch(() => {});
      throw error;
    }
  }

  get directory(): string {
    return this.lab.directory;
  }

  /** For the result. */
  get arms(): Arm[] {
    return this.stations.map(({ arm, proxy }) => ({
      name: arm,
      label: proxy?.label ?? 'no proxy',
      isStandIn: proxy?.isStandIn ?? false,
    }));
  }

  async programAll(
    { end = false }: { readonly end?: boolean } = {},
    note: (text: string) => void = () => {},
  ): Promise<ReadonlyMap<ProxyName, number>> {
    const tookMs = new Map<ProxyName, number>();
    for (const { proxy } of this.stations) {
      if (!proxy) continue;
      note(proxy.label);
      const begunMs = Date.now();
      proxy.begin();
      tookMs.set(proxy.name, (await proxy.programmed()) - begunMs);
      if (end) await proxy.end();
    }
    return tookMs;
  }

  async close(): Promise<void> {
    // Nobody is to complain of an API server that is going.
    await Promise.all(this.stations.map(({ proxy }) => proxy?.kill()));
    await this.lab.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** Those that the machine has what it takes for; of the others `notes` say why. */
function proxiesFor(
  lab: Lab,
  arms: readonly ArmName[],
  { kubeProxy: binary, iptables = 'iptables-legacy' }: StationsOptions,
  notes: string[],
): ReadonlyMap<ArmName, ServiceProxy> {
  const changedAtMs = watchChanges(lab);
  const proxyOf = (arm: ArmName, node: LabNode): ServiceProxy | undefined => {
    if (arm === 'signalbox') return new SignalboxProxy(lab, node, changedAtMs);
    if (arm !== 'nftables' && arm !== 'iptables') return undefined;
    const mode = arm === 'nftables' ? arm : iptables;
    if (binary === undefined) return new StandIn(arm, mode, node, lab.store);
    return new RealKubeProxy({ name: arm, mode, binary }, lab, node, changedAtMs);
  };
  const proxies = new Map<ArmName, ServiceProxy>();
  for (const [i, arm] of arms.entries()) {
    try {
      const proxy = proxyOf(arm, lab.nodes[i] as LabNode);
      if (proxy) proxies.set(arm, proxy);
      if (proxy?.isStandIn) notes.push(standInNote(proxy));
    } catch (error) {
      if (!(error instanceof EnvironmentError)) throw error;
      notes.push(`${arm} was left out: ${error.message}.`);
    }
  }
  return proxies;
}

function standInNote({ name, label }: ServiceProxy): string {
  return `${name} is no kube-proxy, of which no binary was named, but ${label}, written once.`;
}

/** @returns when something that proxies read was last stored, in milliseconds since the epoch. */
function watchChanges({ store }: Lab): () => number {
  let atMs = 0;
  store.subscribe(({ object }) => {
    if (KINDS_READ.has(object.kind)) atMs = Date.now();
  });
  return () => atMs;
}

async function withPods(
  lab: Lab,
  placed: readonly { arm: ArmName; node: LabNode; proxy: ServiceProxy | undefined }[],
): Promise<Station[]> {
  for (const { node } of placed) {
    for (const name of ['client', 'server']) lab.store.create(idlePod(name, node));
  }
  await lab.podsReady();
  const stations = placed.map(
    ({ arm, node, proxy }): Station => ({
      arm,
      node,
      client: lab.pod(podName('client', node)),
      server: lab.pod(podName('server', node)),
      ...(proxy && { proxy }),
    }),
  );
  for (const station of stations) await routeBackends(station);
  return stations;
}

/** Every backend is the server pod. */
async function routeBackends({ node, server }: Station): Promise<void> {
  await configureNamespace(node.namespace, {
    commands: [`route add ${BACKEND_CIDR} via ${server.addresses.ipv4}`],
  });
  await configureNamespace(server.place.namespace, {
    commands: [`route add local ${BACKEND_CIDR} dev lo`],
  });
}

/** What it does is started in it later. */
function idlePod(role: string, node: LabNode): KubeObject {
  const name = podName(role, node);
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name },
    spec: {
      nodeName: node.name,
      containers: [{ name, image: name, command: ['sleep', 'infinity'] }],
      dnsPolicy: 'Default',
      enableServiceLinks: false,
      terminationGracePeriodSeconds: 0,
    },
  };
}

function podName(role: string, { index }: LabNode): string {
  return `${role}-${index}`;
}
