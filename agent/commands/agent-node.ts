// SPDX-License-Identifier: Apache-2.0
// What the agent knows of its node: from its configuration, its Node object, the ServiceCIDRs and the kernel,
// put together anew whenever one of them changes.

import { isDeepStrictEqual } from 'node:util';
import type { IpAddress } from '../model/address.ts';
import type { ClusterState } from '../model/cluster-state.ts';
import { type NodeConfig, type NodeFacts, nodeFacts } from '../model/node-facts.ts';
import type { NodeSpec, ServiceCidrSpec } from '../model/objects.ts';
import type { KernelTables } from '../reconcile/kernel-tables.ts';
import { nodeStateOf, readNode } from '../reconcile/node-tables.ts';
import type { NodeView } from '../reconcile/reconciler.ts';

export class AgentNode {
  readonly #config: NodeConfig;
  readonly #cluster: ClusterState;
  readonly #netnsCookie: bigint;
  #localAddresses: readonly IpAddress[] = [];
  #isBeside = false;
  /** What an agent before was told of the node, for as long as nobody tells this one. */
  #nodeBefore: NodeSpec | undefined;
  #serviceCidrsBefore: readonly ServiceCidrSpec[] | undefined;
  /** Of the cluster state, when {@link #facts} was made. */
  #revision = -1;
  #facts: NodeFacts | undefined;
  #view: NodeView | undefined;
  /** What {@link #view} was made of. */
  #viewed: NodeFacts | undefined;

  /** @param netnsCookie of the network namespace that the node's addresses are in. */
  constructor(config: NodeConfig, cluster: ClusterState, netnsCookie: bigint) {
    this.#config = config;
    this.#cluster = cluster;
    this.#netnsCookie = netnsCookie;
  }

  setLocalAddresses(addresses: readonly IpAddress[]): void {
    this.#localAddresses = addresses;
    this.#facts = undefined;
  }

  /**
   * Takes from the tables what an agent before was told: an API server that answers for Services alone, as one that is
   * just starting or under load may, must not make a node forget its addresses.
   */
  resume(tables: KernelTables): void {
    const told = readNode(tables, this.#netnsCookie);
    if (!told) return;
    const { nodeIPs, clusterCIDRs, serviceCIDRs } = told;
    const name = this.#config.nodeName;
    this.#nodeBefore = { name, addresses: nodeIPs, podCIDRs: clusterCIDRs };
    this.#serviceCidrsBefore = [{ name: '', cidrs: serviceCIDRs }];
    this.#facts = undefined;
  }

  /** What {@link setBeside} was told last. */
  get isBeside(): boolean {
    return this.#isBeside;
  }

  /** Whether another proxy's connections are to go on beside ours (NODE_BESIDE in bpf/abi.h). */
  setBeside(isBeside: boolean): void {
    this.#isBeside = isBeside;
    this.#viewed = undefined;
  }

  get facts(): NodeFacts {
    const revision = this.#cluster.nodeRevision;
    if (!this.#facts || this.#revision !== revision) {
      this.#facts = nodeFacts(this.#config, this.#node, this.#serviceCidrs, this.#localAddresses);
      this.#revision = revision;
    }
    return this.#facts;
  }

  get #node(): NodeSpec | undefined {
    const { node } = this.#cluster;
    return node ?? (this.#cluster.isKnown('Node') ? undefined : this.#nodeBefore);
  }

  get #serviceCidrs(): readonly ServiceCidrSpec[] {
    const { serviceCidrs } = this.#cluster;
    if (this.#cluster.isKnown('ServiceCIDR')) return serviceCidrs;
    return this.#serviceCidrsBefore ?? serviceCidrs;
  }

  /** The same object for as long as nothing changed. */
  get view(): NodeView {
    const { facts } = this;
    if (this.#view && this.#viewed === facts) return this.#view;
    this.#viewed = facts;
    const { name, zone, nodeIPs } = facts;
    const state = nodeStateOf(
      facts,
      this.#cluster.foreignAddresses,
      this.#netnsCookie,
      this.#isBeside,
    );
    const view: NodeView = { traits: { name, zone, nodeIPs }, state };
    if (!this.#view || !isDeepStrictEqual(view, this.#view)) this.#view = view;
    return this.#view;
  }
}
