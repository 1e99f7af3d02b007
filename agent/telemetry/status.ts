// SPDX-License-Identifier: Apache-2.0
// What `signalbox status` shows, as the agent tells it.

import type { DeviceRole, Framing } from '../model/device-choice.ts';
import type { TableFill } from './metrics.ts';
import type { LatencySummary } from './recent-latencies.ts';

/** Dates are RFC 3339 text: a status travels as JSON. */
export interface Status {
  readonly version: string;
  readonly pid: number;
  readonly node: string;
  readonly startedAt: string;
  /** Whether the tables are complete, the programs attached, and nothing is wrong. */
  readonly healthy: boolean;
  /** What is wrong, one line each. */
  readonly problems: readonly string[];
  /** What should be known, and does no harm by now. An older agent has none. */
  readonly warnings?: readonly string[];
  readonly cgroup: string;
  readonly bpffs: string;
  readonly source: string;
  readonly watches: readonly WatchStatus[];
  readonly objects: { readonly services: number; readonly endpointSlices: number };
  readonly skipped: readonly { readonly object: string; readonly reason: string }[];
  readonly failures: readonly { readonly service: string; readonly message: string }[];
  readonly conflicts: readonly {
    readonly frontend: string;
    readonly owner: string;
    readonly others: readonly string[];
  }[];
  readonly devices: readonly DeviceStatus[];
  readonly selfTest: 'pending' | 'passed' | 'failed' | 'not possible';
  readonly lastPass?: LastPass;
  /** From hearing of a change to its last table write. */
  readonly latency?: LatencySummary;
  readonly tables: readonly TableFill[];
  /** What load balancers are told at /healthz. */
  readonly health: { readonly isHealthy: boolean; readonly isNodeEligible: boolean };
  /** Of this node, as configured; those that are switched off are not here. */
  readonly servers: readonly ServerStatus[];
  /** Another proxy that has served this node, or does so beside; undefined when nothing of it is there. */
  readonly kubeProxy?: KubeProxyStatus;
}

export interface ServerStatus {
  /** `/healthz and /livez`, `metrics` */
  readonly what: string;
  readonly address: string;
  /** Why it cannot listen there; it tries again. */
  readonly problem?: string;
}

export interface KubeProxyStatus {
  /** In words: `nftables (IPv4, IPv6)`; empty when its rules are gone. */
  readonly rules: string;
  /** It is in its mode ipvs, from which nothing can be taken over. */
  readonly hasIpvs: boolean;
  /** Those that its rules have translated and that go on, by protocol. */
  readonly connections: Readonly<Record<string, number>>;
  readonly problems: readonly string[];
}

/** A network device, and whether packets from outside are served on it. */
export interface DeviceStatus {
  readonly ifindex: number;
  readonly name: string;
  /** What comes in is from outside, or from a pod of this node; without a role it is not served. */
  readonly role?: DeviceRole;
  readonly framing?: Framing;
  readonly attached?: 'tcx' | 'clsact';
  /** Why it has no role. */
  readonly reason?: string;
  /** Why it is not served although it has a role. */
  readonly problem?: string;
  /** What packets that leave by it are masqueraded with. */
  readonly masqueradeAddresses: readonly string[];
}

export interface WatchStatus {
  readonly kind: string;
  readonly phase: string;
  readonly relists: number;
  readonly lastContact?: string;
  readonly lastError?: string;
}

export interface LastPass {
  readonly at: string;
  readonly services: number;
  readonly writes: number;
  readonly durationMs: number;
}
