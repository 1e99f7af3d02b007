// SPDX-License-Identifier: Apache-2.0
// The configuration of a kube-proxy that serves a node of the lab. Invariant: it changes nothing of the
// machine that the node's network namespace does not keep to itself: no size of the conntrack table, no
// score of the OOM killer. Pure.

import { stringify } from 'yaml';

/** Which rules it writes, and with which of the two programs called iptables. */
export const KUBE_PROXY_MODES = ['nftables', 'iptables-nft', 'iptables-legacy'] as const;
export type KubeProxyMode = (typeof KUBE_PROXY_MODES)[number];

/** Of the lab's pods, all nodes; both families. */
const POD_CIDRS = '10.244.0.0/16,fd00:10:244::/48';

export interface KubeProxyPorts {
  readonly health: number;
  readonly metrics: number;
}

export const KUBE_PROXY_PORTS: KubeProxyPorts = { health: 10256, metrics: 10249 };
/** For one that starts where an agent has these. */
export const KUBE_PROXY_BESIDE: KubeProxyPorts = { health: 20256, metrics: 20249 };

export interface KubeProxySettings {
  readonly mode: KubeProxyMode;
  readonly kubeconfig: string;
  /** Default its own, which are Signalbox' too: one that starts beside an agent gets others. */
  readonly ports?: KubeProxyPorts;
  /** Merged over everything else, one level deep: `{ nftables: { minSyncPeriod: '0s' } }`. */
  readonly overrides?: Readonly<Record<string, unknown>>;
}

/** @returns the text of a KubeProxyConfiguration. */
export function kubeProxyConfig(settings: KubeProxySettings): string {
  const { mode, kubeconfig, ports = KUBE_PROXY_PORTS, overrides = {} } = settings;
  return stringify({
    apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
    kind: 'KubeProxyConfiguration',
    mode: mode === 'nftables' ? 'nftables' : 'iptables',
    clientConnection: {
      kubeconfig,
      // The lab's API server takes no protobuf, which is the default; Events would not be written.
      contentType: 'application/json',
    },
    healthzBindAddress: `0.0.0.0:${ports.health}`,
    metricsBindAddress: `127.0.0.1:${ports.metrics}`,
    clusterCIDR: POD_CIDRS,
    conntrack: {
      maxPerCore: 0,
      min: 0,
      tcpEstablishedTimeout: '0s',
      tcpCloseWaitTimeout: '0s',
    },
    oomScoreAdj: 0,
    ...overrides,
  });
}

/** The program behind `iptables`, `ip6tables` and theirs for the mode; each kind keeps rules that the other does not see. */
export function xtablesProgram(mode: KubeProxyMode): string {
  return mode === 'iptables-legacy' ? 'xtables-legacy-multi' : 'xtables-nft-multi';
}
