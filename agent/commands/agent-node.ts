// SPDX-License-Identifier: Apache-2.0
// What the agent knows of its node: from its configuration, its Node object, the ServiceCIDRs and the kernel,
// put together anew whenever one of them changes.

import { isDeepStrictEqual } from 'node:util';
import type { IpAddress } from '../model/address.ts';
import type { ClusterState } from '../model/cluster-state.ts';
import { type NodeConfig, type NodeFacts, nodeFacts } from '../model/node-facts.ts';
import { nodeStateOf } from '../reconcile/node-tables.ts';
import type { NodeView } from '../reconcile/reconciler.ts';

export class AgentNode {
  readonly #config: NodeConfig;
  readonly #cluster: ClusterState;
  readonly #netnsCookie: bigint;
  #localAddresses: readonly IpAddress[] = [];
  #isBeside = false;
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
      const { node, serviceCidrs } = this.#cluster;
      this.#facts = nodeFacts(this.#config, node, serviceCidrs, this.#localAddresses);
      this.#revision = revision;
    }
    return this.#facts;
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
