// SPDX-License-Identifier: Apache-2.0
// What a scenario's first document may say of the node: what the agent's command line says, and the addresses
// that the kernel has. Used by scenario.ts and by the agent of the scenarios.

import type { IpAddress } from '../../agent/model/address.ts';
import type { ClusterState } from '../../agent/model/cluster-state.ts';
import {
  type NodeConfig,
  type NodeFacts,
  type NodePortAddresses,
  nodeFacts,
  parseNodePortAddresses,
} from '../../agent/model/node-facts.ts';
import { DEFAULT_MASQUERADE_PORTS } from '../../agent/model/port-ranges.ts';
import { nodeStateOf } from '../../agent/reconcile/node-tables.ts';
import type { NodeView } from '../../agent/reconcile/reconciler.ts';
import { address, prefixes } from '../helpers/objects.ts';

/** The node that the tables are for. */
export const NODE_NAME = 'node-1';

/** As they are written. What is not there has the value that DEFAULTS has. */
interface OptionsText {
  readonly clusterCIDRs: readonly string[];
  readonly serviceCIDRs: readonly string[];
  readonly nodePortAddresses: readonly string[];
  readonly localAddresses: readonly string[];
  readonly masqueradeAll: boolean;
}

const DEFAULTS: OptionsText = {
  clusterCIDRs: ['10.244.0.0/16', 'fd01::/64'],
  serviceCIDRs: [],
  nodePortAddresses: [],
  localAddresses: ['192.168.0.1', 'fd02::1'],
  masqueradeAll: false,
};

export interface NodeOptions {
  readonly config: NodeConfig;
  readonly localAddresses: readonly IpAddress[];
}

/** @throws Error when something in it is not an option, or makes no sense. */
export function nodeOptions(given: Readonly<Record<string, unknown>> = {}): NodeOptions {
  for (const name of Object.keys(given)) {
    if (!(name in DEFAULTS)) throw new Error(`there is no option ${name}`);
  }
  const options: OptionsText = { ...DEFAULTS, ...given };
  return {
    config: {
      nodeName: NODE_NAME,
      nodeIPs: [],
      clusterCIDRs: prefixes(...options.clusterCIDRs),
      serviceCIDRs: prefixes(...options.serviceCIDRs),
      nodePortAddresses: nodePortAddresses(options.nodePortAddresses),
      masqueradeAll: options.masqueradeAll,
      masqueradePorts: DEFAULT_MASQUERADE_PORTS,
    },
    localAddresses: options.localAddresses.map(address),
  };
}

/** The node as the agent sees it now. */
export function factsOf({ config, localAddresses }: NodeOptions, cluster: ClusterState): NodeFacts {
  return nodeFacts(config, cluster.node, cluster.serviceCidrs, localAddresses);
}

/** What the reconciler asks for in each pass. */
export function nodeViewOf(facts: NodeFacts, cluster: ClusterState): NodeView {
  return { traits: facts, state: nodeStateOf(facts, cluster.foreignAddresses, 1n) };
}

function nodePortAddresses(words: readonly string[]): NodePortAddresses {
  const parsed = parseNodePortAddresses(words.join());
  if (typeof parsed === 'object' && 'invalid' in parsed) throw new Error(parsed.invalid);
  return parsed;
}
