// SPDX-License-Identifier: Apache-2.0
// What the packet path is tested on: a node with pods, another node with pods, and a client beyond a router
// (packet-plan.ts). The agent runs on the node; what runs in the client, in the router and on the other node
// is in a cgroup that it does not serve, so that sockets there know nothing of Services.
// Invariant: close() takes everything off the machine again.

import type { ExecutionContext, TestFn } from 'ava';
import { createCgroup } from '../lab/cgroup-tree.ts';
import { addNamespaces, configureNamespace } from '../lab/netns.ts';
import type { Place } from '../lab/spawn-inside.ts';
import { FORWARDING, SERVICE_CIDRS } from '../lab/topology.ts';
import { until } from '../lab/until.ts';
import { inBothFamilies } from './dual-stack.ts';
import { canMakeNodes } from './node-for-file.ts';
import { inEitherFamily, makeAttempts } from './packet-attempts.ts';
import {
  BRIDGED_POD,
  CLUSTER_CIDRS,
  clientCommands,
  commandsOfPod,
  LOCAL_PODS,
  NODE_IP,
  nodeCommands,
  OTHER_IP,
  otherCommands,
  type PacketNetworkOptions,
  type PlanNames,
  REMOTE_PODS,
  routerCommands,
  secondUplinkOfNode,
  secondUplinkOfRouter,
} from './packet-plan.ts';
import { startBackends } from './start-backends.ts';
import { TestNode } from './test-node.ts';

/** As Kubernetes knows the two nodes. */
export const NODE_NAME = 'node';
export const OTHER_NAME = 'other';

/** Something listens on each. */
export const BACKENDS: readonly string[] = [
  ...LOCAL_PODS,
  BRIDGED_POD,
  ...REMOTE_PODS,
  NODE_IP,
  OTHER_IP,
];

const PODS = [...LOCAL_PODS, BRIDGED_POD, ...REMOTE_PODS];

export const AGENT_FLAGS: readonly string[] = [
  '--node-name',
  NODE_NAME,
  '--node-ip',
  inBothFamilies(NODE_IP).join(),
  '--cluster-cidr',
  CLUSTER_CIDRS.join(),
  '--service-cidr',
  Object.values(SERVICE_CIDRS).join(),
];

export class PacketNetwork {
  readonly node: TestNode;
  readonly client: Place;
  readonly router: Place;
  readonly other: Place;

  private constructor(node: TestNode) {
    const outside = (name: string): Place => ({
      namespace: `${node.namespace}-${name}`,
      cgroup: node.unservedCgroup,
    });
    this.node = node;
    this.client = outside('client');
    this.router = outside('router');
    this.other = outside('other');
  }

  /** Routes work, backends listen in all pods and on both nodes; no agent runs. */
  static async create(options: PacketNetworkOptions = {}): Promise<PacketNetwork> {
    const network = new PacketNetwork(await TestNode.create([]));
    try {
      await network.#connect(options);
      network.node.agent.flags = AGENT_FLAGS;
      for (const place of [network.node, network.other, ...PODS.map((ip) => network.pod(ip))]) {
        await startBackends(network.node, undefined, place, { sayWho: true });
      }
      await until('every backend answers the client', () => network.#isConnected());
    } catch (error) {
      await network.close();
      throw error;
    }
    return network;
  }

  /** The pod with that address. Only those of the node are served by its agent. */
  pod(ipv4: string): Place {
    const { node } = this;
    const index = PODS.indexOf(ipv4);
    if (index < 0) throw new Error(`there is no pod ${ipv4}`);
    const isRemote = REMOTE_PODS.includes(ipv4);
    return {
      namespace: `${node.namespace}-pod${index}`,
      cgroup: isRemote ? node.unservedCgroup : `${node.cgroup}/pod${index}`,
    };
  }

  /** Runs lines for `ip -batch` there. */
  configure(place: Place, ...commands: readonly string[]): Promise<void> {
    return configureNamespace(place.namespace, { commands });
  }

  /** While everything runs. What is for the client goes by the first one still. */
  async addSecondUplink(): Promise<void> {
    await this.configure(this.router, ...secondUplinkOfRouter(this.node.namespace));
    await this.configure(this.node, ...secondUplinkOfNode());
  }

  close(): Promise<void> {
    return this.node.close();
  }

  /** A device drops what it is given until the kernel has seen its carrier: that can take a second. */
  async #isConnected(): Promise<boolean> {
    const attempts = BACKENDS.flatMap((address) =>
      inEitherFamily({ kind: 'ping', address, port: 0 }),
    );
    const answers = await makeAttempts(this.node, this.client, attempts, { patienceMs: 100 });
    return answers.every((answer) => answer === 'pong');
  }

  async #connect(options: PacketNetworkOptions): Promise<void> {
    const { node, client, router, other } = this;
    const names: PlanNames = {
      client: client.namespace,
      node: node.namespace,
      other: other.namespace,
      pod: (ipv4) => this.pod(ipv4).namespace,
    };
    const pods = PODS.map((ip) => this.pod(ip));
    for (const { cgroup } of pods) createCgroup(cgroup);
    await addNamespaces([client, router, other, ...pods].map(({ namespace }) => namespace));
    const make = (place: Place, commands: readonly string[]) =>
      configureNamespace(place.namespace, { sysctls: FORWARDING, commands });
    await make(router, routerCommands(names, options));
    await make(node, nodeCommands(names, options));
    await make(other, otherCommands(names, options));
    await this.configure(client, ...clientCommands());
    for (const ip of PODS) await this.configure(this.pod(ip), ...commandsOfPod(ip));
  }
}

/**
 * One network for all tests of a file, as nodeForFile().
 *
 * @param prepare what the tests find when they start.
 * @returns gives it, to tests that asked {@link canMakeNodes}.
 */
export function packetNetworkForFile(
  test: TestFn,
  options: PacketNetworkOptions,
  prepare: (network: PacketNetwork) => Promise<void>,
): () => PacketNetwork {
  let network: PacketNetwork | undefined;
  test.before(async (t: ExecutionContext) => {
    if (!canMakeNodes(t)) return;
    network = await PacketNetwork.create(options);
    await prepare(network);
  });
  test.after.always(() => network?.close());
  return () => network as PacketNetwork;
}
