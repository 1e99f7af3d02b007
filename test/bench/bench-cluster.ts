// SPDX-License-Identifier: Apache-2.0
// What a benchmark runs on: a lab of one node with its real agent, a client pod, and a server pod that
// answers at the address of every backend. Invariant: close() leaves nothing of it on the machine.

import path from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { parseAddress } from '../../agent/model/address.ts';
import { protocolNumber } from '../../agent/model/protocol.ts';
import { openTables } from '../../agent/sys/datapath.ts';
import { type FrontendKey, FrontendScope } from '../../agent/sys/layout.gen.ts';
import { Pins } from '../../agent/sys/pins.ts';
import type { AgentProcess } from '../lab/agent-process.ts';
import type { KubeObject } from '../lab/kube-object.ts';
import { Lab } from '../lab/lab.ts';
import type { LabNode } from '../lab/lab-node.ts';
import type { LabPod } from '../lab/lab-pod.ts';
import { configureNamespace } from '../lab/netns.ts';
import { until } from '../lab/until.ts';
import { compileProgram } from './native-program.ts';
import { Servers } from './servers.ts';
import {
  BACKEND_CIDR,
  backendAddress,
  NAMESPACE,
  SERVICE_PORT,
  type ServiceSet,
  serviceName,
  serviceObject,
  sliceObject,
} from './service-objects.ts';

/** Objects stored in one turn of the event loop, between which the API server sends them. */
const STORED_AT_ONCE = 50;
const PROGRAMMED_WITHIN_MS = 60_000;

type Protocol = ServiceSet['protocol'];

export class BenchCluster {
  readonly lab: Lab;
  readonly client: LabPod;
  /** connect-client.c, compiled. */
  readonly clientProgram: string;
  readonly servers: Servers;
  readonly #sets = new Map<Protocol, ServiceSet>();
  readonly #backends = new Map<string, string[]>();
  #backendCount = 0;

  private constructor(lab: Lab, clientProgram: string, serverProgram: string) {
    this.lab = lab;
    this.clientProgram = clientProgram;
    this.client = lab.pod('client');
    this.servers = new Servers(serverProgram, lab.pod('server'), this.outerCgroup);
  }

  /** @throws EnvironmentError when the machine does not give what it takes. */
  static async start(): Promise<BenchCluster> {
    const lab = await Lab.start({ nodes: 1 });
    try {
      const clientProgram = compileProgram('connect-client', lab.directory);
      const serverProgram = compileProgram('echo-server', lab.directory);
      for (const name of ['server', 'client']) lab.store.create(idlePod(name));
      await lab.podsReady();
      const cluster = new BenchCluster(lab, clientProgram, serverProgram);
      await cluster.#routeBackends(lab.pod('server'));
      return cluster;
    } catch (error) {
      await lab.close();
      throw error;
    }
  }

  get node(): LabNode {
    return this.lab.nodes[0] as LabNode;
  }

  get agent(): AgentProcess {
    return this.lab.agents[0] as AgentProcess;
  }

  get agentPid(): number {
    if (this.agent.pid === undefined) throw new Error('the agent does not run');
    return this.agent.pid;
  }

  /** In the lab, yet not below the node's: no program of the agent runs for who is in it. */
  get outerCgroup(): string {
    return path.dirname(this.node.cgroup);
  }

  /**
   * Stores the Services and their slices, pair by pair, as fast as the store takes them.
   *
   * @returns when the last one was stored, in milliseconds since the epoch.
   */
  async storeServices(set: ServiceSet): Promise<number> {
    const { protocol, count, endpoints } = set;
    this.#sets.set(protocol, set);
    for (let i = 0; i < count; i++) {
      this.lab.store.create(serviceObject(protocol, i));
      const addresses = Array.from({ length: endpoints }, () => this.#newBackend());
      this.#backends.set(serviceName(protocol, i), addresses);
      this.lab.store.create(sliceObject(protocol, i, addresses));
      if (i % STORED_AT_ONCE === 0) await setImmediate();
    }
    return Date.now();
  }

  /** {@link storeServices}, then {@link programmed}. */
  async addServices(set: ServiceSet): Promise<void> {
    await this.storeServices(set);
    await this.programmed();
  }

  /** Waits until the kernel has every frontend with all its backends; each is looked at once. */
  async programmed(): Promise<void> {
    const tables = openTables(new Pins(this.node.bpffs));
    try {
      for (const { protocol, count, endpoints } of this.#sets.values()) {
        let seen = 0;
        const isThere = (index: number) =>
          tables.frontends.get(this.frontend(protocol, index))?.inside.count === endpoints;
        await until(
          `${count} Services in the kernel`,
          () => {
            while (seen < count && isThere(seen)) seen++;
            return seen === count;
          },
          PROGRAMMED_WITHIN_MS,
        );
      }
    } finally {
      tables.close();
    }
  }

  count(protocol: Protocol): number {
    return this.#sets.get(protocol)?.count ?? 0;
  }

  /** What clients dial. */
  frontend(protocol: Protocol, index: number): FrontendKey {
    const address = parseAddress(this.clusterIP(protocol, index));
    if (!address) throw new Error(`${serviceName(protocol, index)} has no cluster IP`);
    return {
      address,
      port: SERVICE_PORT,
      protocol: protocolNumber(protocol),
      scope: FrontendScope.AT_ADDRESS,
    };
  }

  clusterIP(protocol: Protocol, index: number): string {
    const service = this.lab.store.get('Service', NAMESPACE, serviceName(protocol, index));
    return (service?.spec as { clusterIP?: string } | undefined)?.clusterIP ?? '';
  }

  /** Addresses of all backends of all Services of the protocol. */
  backends(protocol: Protocol): string[] {
    return Array.from(
      { length: this.count(protocol) },
      (_, index) => this.#backends.get(serviceName(protocol, index)) ?? [],
    ).flat();
  }

  /** Puts a new backend in place of one of a Service's, in the API server. */
  replaceBackend(protocol: Protocol, index: number): void {
    const addresses = this.#backends.get(serviceName(protocol, index)) ?? [];
    addresses[0] = this.#newBackend();
    this.lab.store.update(sliceObject(protocol, index, addresses));
  }

  close(): Promise<void> {
    return this.lab.close();
  }

  #newBackend(): string {
    return backendAddress(this.#backendCount++);
  }

  /** Every backend is the server pod. */
  async #routeBackends(server: LabPod): Promise<void> {
    const via = server.addresses.ipv4;
    await configureNamespace(this.node.namespace, {
      commands: [`route add ${BACKEND_CIDR} via ${via}`],
    });
    await configureNamespace(path.basename(server.namespacePath), {
      commands: [`route add local ${BACKEND_CIDR} dev lo`],
    });
  }
}

/** What it does is started in it later. */
function idlePod(name: string): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name },
    spec: {
      containers: [{ name, image: name, command: ['sleep', 'infinity'] }],
      dnsPolicy: 'Default',
      enableServiceLinks: false,
      terminationGracePeriodSeconds: 0,
    },
  };
}
