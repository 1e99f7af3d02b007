// SPDX-License-Identifier: Apache-2.0
// What the agent goes by: the objects of the cluster and its own node. Built by agent-process.ts before all that depends
// on it; nothing is sent or watched until the source is started.

import type { ApiObserver } from '../cluster/api-client.ts';
import { type ApiServerSource, createApiServerSource } from '../cluster/api-server-source.ts';
import { EventRecorder } from '../cluster/event-recorder.ts';
import { createManifestSource } from '../cluster/manifest-source.ts';
import type { ObjectSource } from '../cluster/object-source.ts';
import type { AgentConfig } from '../config/agent-config.ts';
import type { ChangeTracker } from '../model/change-tracker.ts';
import { ClusterState } from '../model/cluster-state.ts';
import { netnsCookie } from '../sys/libbpf/netns.ts';
import type { Logger } from '../telemetry/log.ts';
import { AgentNode } from './agent-node.ts';
import type { AgentRun } from './agent-run.ts';

export interface AgentInputs {
  readonly cluster: ClusterState;
  readonly source: ObjectSource;
  readonly node: AgentNode;
  /** Tells of things by Events; undefined where there is nobody to tell. */
  readonly recorder: EventRecorder | undefined;
  /** URL of the API server, where there is one. */
  readonly apiServer: string | undefined;
}

/** Told of what the inputs do. */
export interface InputsObserver {
  /** The cluster's state has changed. */
  readonly heard: () => void;
  readonly changes: ChangeTracker;
  readonly api: ApiObserver;
}

/** @throws EnvironmentError when there is no usable source. */
export function createInputs(
  { config, log, signal }: AgentRun,
  { heard, changes, api }: InputsObserver,
): AgentInputs {
  const { nodeName } = config.node;
  const cluster = new ClusterState(heard, changes, config.node.externalIpCidrs);
  const source = createSource(config, log, api);
  const client = 'client' in source ? source.client : undefined;
  return {
    cluster,
    source,
    node: new AgentNode(config.node, cluster, netnsCookie()),
    recorder: client && new EventRecorder({ client, nodeName, log, signal }),
    apiServer: client?.server,
  };
}

/** @throws EnvironmentError when it cannot be used. Nothing is sent yet. */
export function createSource(
  { source, node: { nodeName } }: Pick<AgentConfig, 'source' | 'node'>,
  log: Logger,
  observer?: ApiObserver,
): ObjectSource | ApiServerSource {
  if ('manifests' in source) return createManifestSource({ dir: source.manifests, nodeName, log });
  const { kubeconfig, master, writes } = source;
  return createApiServerSource({
    nodeName,
    log,
    writes,
    observer,
    ...(kubeconfig !== undefined && { kubeconfig }),
    ...(master !== undefined && { master }),
  });
}
