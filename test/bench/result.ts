// SPDX-License-Identifier: Apache-2.0
// What a run of the benchmark comes to: the JSON file that it writes, that tables and plots are made of, and that two
// runs are compared by. Types alone. Every ratio is against direct, from the same run, in which what is compared took
// turns. What was not measured is left out, and `notes` says why; nothing is made up in its place.

import type { Machine } from './machine.ts';
import type { Distribution } from './statistics.ts';

/** Raised when a file of before can no longer be read as one of now. */
export const RESULT_VERSION = 1;

/**
 * What connections meet: no proxy (twice: how far apart what is the same comes out), this one, or kube-proxy. A proxy
 * has a node, a client pod and a server pod of its own; all of them exist side by side, with the same API server.
 */
export const ARMS = ['direct', 'directAgain', 'signalbox', 'nftables', 'iptables'] as const;
export type ArmName = (typeof ARMS)[number];
export const PROXIES = ['signalbox', 'nftables', 'iptables'] as const satisfies readonly ArmName[];
export type ProxyName = (typeof PROXIES)[number];

export interface Arm {
  readonly name: ArmName;
  /** For people: `no proxy`, `Signalbox`, `kube-proxy 1.36.3, nftables`, `rules shaped like kube-proxy's, nftables`. */
  readonly label: string;
  /** Not the proxy itself: rules of the same shape, written once, with no process. */
  readonly isStandIn: boolean;
}

export interface Result {
  readonly version: typeof RESULT_VERSION;
  /** ISO 8601. */
  readonly date: string;
  readonly machine: Machine;
  /** The git commit, with `+` behind it when there were changes; undefined outside of a repository. */
  readonly commit?: string;
  readonly tookSeconds: number;
  readonly options: RunOptions;
  readonly arms: readonly Arm[];
  readonly latencies: readonly Latency[];
  readonly streams: readonly Bulk[];
  readonly starts: readonly Start[];
  readonly changes: readonly Change[];
  readonly restarts: readonly Restart[];
  readonly costs: readonly Cost[];
  readonly programs: readonly Program[];
  readonly budgets: readonly BudgetRow[];
  /** What was not measured and why, and what the reader must know of what was; a sentence each. */
  readonly notes: readonly string[];
}

export interface RunOptions {
  /** Numbers of Services at which latencies are measured, ascending; the last is that of everything else. */
  readonly services: readonly number[];
  readonly endpoints: number;
  readonly rounds: number;
  /** Of each arm in each round of a latency. */
  readonly exchanges: number;
}

/** Of the medians of all rounds; and the least and the greatest of any round. */
export interface Ratio {
  readonly ofMedians: number;
  readonly min: number;
  readonly max: number;
}

export const LATENCY_KINDS = [
  /** connect() alone. */
  'connect',
  /** connect(), one byte there and back. */
  'connection',
  /** One byte there and back on a connection that stands. */
  'roundTrip',
  /** The first datagram of a socket and its answer: sendto() on one that is not connected; connect() and send(). */
  'firstDatagram',
  'firstDatagramConnected',
  /** A later one, of the same socket to the same Service. */
  'nextDatagram',
  'nextDatagramConnected',
] as const;
export type LatencyKind = (typeof LATENCY_KINDS)[number];

/** How a server is reached: from a pod of the same node by a cluster IP; from outside by a nodePort of the node. */
export const PATHS = ['clusterIP', 'nodePortLocal', 'nodePortRemote'] as const;
export type Path = (typeof PATHS)[number];

export type Family = 'ipv4' | 'ipv6';

export interface Latency {
  readonly kind: LatencyKind;
  readonly path: Path;
  readonly family: Family;
  /** In the API server meanwhile. The target is one of them at random, by cluster IP. */
  readonly services: number;
  readonly arms: readonly ArmLatency[];
}

export interface ArmLatency {
  readonly arm: ArmName;
  /** Microseconds. */
  readonly us: Distribution;
  /** Microseconds at 0, 1, 2 ... 100 %: for plots. */
  readonly percentilesUs: readonly number[];
  /** Against direct; of direct itself 1. */
  readonly ratio: Ratio;
  /** The same exchange without a Service by the same devices and hooks: what the proxy costs those that do not use it. */
  readonly past?: { readonly us: Distribution; readonly ratio: Ratio };
}

/** A TCP stream, or small datagrams one way. */
export interface Bulk {
  readonly kind: 'stream' | 'datagrams';
  readonly path: Path;
  readonly family: Family;
  readonly arms: readonly {
    readonly arm: ArmName;
    /** Of a gigabyte (10^9 bytes), or of a million datagrams. */
    readonly cpuSeconds: Distribution;
    readonly seconds: Distribution;
    readonly cpuRatio: Ratio;
    readonly timeRatio: Ratio;
  }[];
}

/** A proxy that is started, with all Services in the API server. */
export interface Start {
  readonly proxy: ProxyName;
  /** `cold`: the kernel has nothing of it. `warm`: what the one before has left. `small`: warm, with few Services. */
  readonly kind: 'cold' | 'warm' | 'small';
  readonly services: number;
  /** From starting the process until the last Service leads to its endpoints, tried by connections. Of `warm` and `small`: until it says that it is ready. */
  readonly seconds: Distribution;
  /** Of the process, until then. */
  readonly cpuSeconds: Distribution;
}

/** One Service's endpoints are replaced in the API server; then new connections to it land on the new one. */
export interface Change {
  readonly proxy: ProxyName;
  readonly services: number;
  /** Changes of Services at random per second; 0: one at a time, each once the one before has landed. */
  readonly perSecond: number;
  /** From storing the object to the beginning of the first connection that lands right. */
  readonly landedMs: Distribution;
  /** How much of that may be that nobody looked: the time between two tries. */
  readonly triedEveryMs: number;
  /** Connections that went to the old endpoint after one had gone to the new one. */
  readonly wentBack: number;
  readonly cpuMsPerChange: number;
  /** Changes that had not landed when the measurement ended, counted in `landedMs` as if they had then. */
  readonly pending: number;
}

/** kill -9 under load, a change while it is away, and a start. */
export interface Restart {
  readonly proxy: ProxyName;
  readonly services: number;
  readonly exchanges: number;
  /** New connections, open ones and datagrams that were not answered. */
  readonly failed: number;
  /** From starting it again until what had changed meanwhile has landed. */
  readonly pickedUpMs: number;
}

/** What a proxy costs the node once it has settled. */
export interface Cost {
  readonly proxy: ProxyName;
  readonly services: number;
  readonly rssMiB: number;
  readonly peakRssMiB: number;
  /** Not shared with other processes. */
  readonly privateMiB: number;
  /** Of JavaScript or Go, in use; where it tells. */
  readonly heapMiB?: number;
  /** Of its tables or rules, as a memory cgroup counts; undefined where the kernel does not tell. */
  readonly kernelMiB?: number;
  /** Where they are BPF maps, by their own account (memlock). */
  readonly mapsMiB?: number;
  /** Of one CPU, while nothing changes and nobody connects. */
  readonly idlePercent: number;
}

/** A BPF program of ours, from the kernel's statistics while one kind of traffic ran. */
export interface Program {
  readonly name: string;
  readonly traffic: string;
  /** As the kernel runs it (bytes_xlated), before the processor's own are made of it. */
  readonly instructions: number;
  readonly runsPerUnit: number;
  /** With what counting itself costs. */
  readonly nsPerRun: number;
}

/** One budget, next to what no proxy and kube-proxy took in the same run. */
export interface BudgetRow {
  readonly what: string;
  /** Numbers with their unit, for people; `–` where there is no such thing, with the reason in a note. */
  readonly direct: string;
  readonly kubeProxy: string;
  readonly budget: string;
  readonly measured: string;
  readonly isMet: boolean | undefined;
}
