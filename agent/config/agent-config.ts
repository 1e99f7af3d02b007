// SPDX-License-Identifier: Apache-2.0
// What the agent runs with, once flags and configuration file have been read, checked and put together:
// commands/agent.ts makes it, agent-process.ts hands its parts out. Every value here is usable as it stands.

import type { NodeConfig } from '../model/node-facts.ts';
import type { TableSizes } from '../model/table-sizes.ts';

/** Where a server of the agent listens. */
export interface ServerAddress {
  readonly host: string;
  readonly port: number;
}

export interface AgentConfig {
  readonly source: { readonly manifests: string } | ApiServerConfig;
  readonly node: NodeConfig;
  readonly cgroup: string;
  readonly bpffs: string;
  /** What tables are to hold, where that is not what they hold by themselves. */
  readonly tableSizes: TableSizes;
  readonly packetPath: {
    /** undefined: what the rules of model/device-choice.ts choose; empty: none. */
    readonly devices: readonly string[] | undefined;
    readonly podDevices: readonly string[];
    readonly attachMode: 'auto' | 'tcx' | 'clsact';
  };
  /** A proc file system that shows the processes of the node. */
  readonly proc: string;
  /** Where /metrics, /proxyMode and /configz are served; undefined: nowhere. */
  readonly metrics: ServerAddress | undefined;
  /** Where /healthz and /livez are served; undefined: nowhere. */
  readonly healthz: ServerAddress | undefined;
  /** Whether the agent ends when it cannot have one of these two addresses. */
  readonly bindAddressHardFail: boolean;
  /** Twice this without a write that is due, and /livez and /healthz say so; the longest pause between two tries. */
  readonly syncPeriodMs: number;
  /** How often the tables are held against the objects. */
  readonly auditEveryMs: number;
  /** From one audit to the next at least so many times what it takes of a CPU to look. */
  readonly auditRest: number;
  /** kube-proxy's rules are removed as soon as this agent has proven that it serves. */
  readonly takesOverFromKubeProxy: boolean;
  /** What /configz shows: a KubeProxyConfiguration (kubeproxy.config.k8s.io/v1alpha1), as JSON. */
  readonly kubeProxyConfiguration: Readonly<Record<string, unknown>>;
}

export interface ApiServerConfig {
  /** undefined: the pod's service account. */
  readonly kubeconfig: string | undefined;
  /** In place of the address in the kubeconfig. */
  readonly master: string | undefined;
  /** How often the agent writes to the API server: this many at once, then `qps` a second. */
  readonly writes: { readonly qps: number; readonly burst: number };
}
