// SPDX-License-Identifier: Apache-2.0
// From where `explain` has its facts when it does not ask the agent: manifests, or the API server, listed once.

import os from 'node:os';
import type { ObjectSource } from '../cluster/object-source.ts';
import { EnvironmentError } from '../errors.ts';
import type { IpAddress } from '../model/address.ts';
import { ClusterState } from '../model/cluster-state.ts';
import type { ClusterView } from '../model/explain-index.ts';
import { type NodeFacts, nodeFacts } from '../model/node-facts.ts';
import { createLogger } from '../telemetry/log.ts';
import {
  clusterOf,
  type ManifestState,
  type Manifests,
  readManifests,
} from './explain-manifests.ts';
import { type NodeOptions, nodeConfig } from './node-options.ts';

export interface FactOptions extends NodeOptions {
  /** Besides the node IPs. */
  readonly localAddresses?: readonly IpAddress[];
}

/** What questions are answered from. */
export interface Facts {
  readonly cluster: ClusterView;
  readonly node: NodeFacts;
  /** What could not be read, and what else makes answers worth less, one line each. */
  readonly problems: readonly string[];
}

export interface ApiServerOptions {
  readonly kubeconfig?: string;
  readonly master?: string;
}

/** So many of a kind are named, the rest is counted. */
const SHOWN = 10;
const UNKNOWN_NODE = 'its zone is not known, nor what options do not say';

/** How often it is looked whether the lists are complete. */
const LOOK_MS = 10;

/** Without a name the node is the only Node of the manifests. @throws EnvironmentError */
export async function factsFromManifests(path: string, options: FactOptions): Promise<Facts> {
  const manifests = await readManifests(path);
  const [only, ...others] = manifests.nodeNames;
  const config = nodeConfig(options, only !== undefined && !others.length ? only : os.hostname());
  const { cluster, problems } = clusterOf(manifests, config);
  return {
    cluster,
    node: factsOf(cluster, options, config),
    problems: [
      ...[...problems].map(([file, problem]) => `${file}: ${problem}`),
      ...leftOutLines(cluster),
      ...missingLines(path, manifests, cluster, config.nodeName),
    ],
  };
}

/** What answers go without, where that is hardly what was meant. */
function missingLines(
  path: string,
  { files, nodeNames }: Manifests,
  { serviceCount, node }: ManifestState,
  nodeName: string,
): string[] {
  const lines: string[] = [];
  if (!files.length) {
    lines.push(
      `no manifest in ${path}: files end in .yaml, .yml or .json, subfolders are not read`,
    );
  } else if (!serviceCount) {
    lines.push(`no manifest in ${path} has a Service that counts`);
  }
  if (!node && nodeNames.length) {
    const others = nodeNames.slice(0, SHOWN).join(', ');
    lines.push(`there is no Node ${nodeName} in ${path}, which has ${others}: ${UNKNOWN_NODE}`);
  }
  return lines;
}

/** Nobody should believe that these are looked at. */
function leftOutLines({ untaken }: ManifestState): string[] {
  const lines = untaken.map(({ kind, key, reason }) => `${kind} ${key} left out: ${reason}`);
  const rest = lines.length - SHOWN;
  return rest > 0 ? [...lines.slice(0, SHOWN), `and ${rest} more objects left out`] : lines;
}

/** @throws EnvironmentError when the server cannot be reached, or refuses. */
export async function factsFromApiServer(
  access: ApiServerOptions,
  options: FactOptions,
): Promise<Facts> {
  const config = nodeConfig(options);
  const log = createLogger('error');
  log.level = 'silent';
  const cluster = new ClusterState(undefined, undefined, config.externalIpCidrs);
  // Half of a second that nobody else should pay for.
  const { createApiServerSource } = await import('../cluster/api-server-source.ts');
  const source = createApiServerSource({ ...access, nodeName: config.nodeName, log });
  const stop = new AbortController();
  try {
    source.start(cluster, stop.signal);
    await listed(source, cluster);
  } finally {
    stop.abort();
  }
  const problems = cluster.node ? [] : [`there is no Node ${config.nodeName}: ${UNKNOWN_NODE}`];
  return { cluster, node: factsOf(cluster, options, config), problems };
}

function factsOf(
  cluster: ClusterState,
  { localAddresses = [] }: FactOptions,
  config: ReturnType<typeof nodeConfig>,
): NodeFacts {
  const facts = nodeFacts(config, cluster.node, cluster.serviceCidrs, []);
  return { ...facts, localAddresses: new Set([...facts.nodeIPs, ...localAddresses]) };
}

/** The source itself tries for ever: here its first failure ends it. */
async function listed(source: ObjectSource, cluster: ClusterState): Promise<void> {
  while (!cluster.settled) {
    const failed = source.watches.find(({ phase }) => phase === 'waiting');
    if (failed) {
      throw new EnvironmentError(`cannot list ${failed.kind}: ${failed.lastError}`, {
        hint: 'see whether kubectl reaches the server with the same --kubeconfig',
      });
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}
