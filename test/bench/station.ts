// SPDX-License-Identifier: Apache-2.0
// Where one arm of the benchmark takes place: a node with its proxy or without one, a client pod and a server pod on
// it. Types alone: stations.ts makes them, and everything that measures takes them as they are.

import type { Lab } from '../lab/lab.ts';
import type { LabNode } from '../lab/lab-node.ts';
import type { LabPod } from '../lab/lab-pod.ts';
import type { Place } from '../lab/spawn-inside.ts';
import type { ArmName, Family, ProxyName } from './result.ts';

export interface Station {
  readonly arm: ArmName;
  readonly node: LabNode;
  /** In the cgroup that the proxy serves, as pods are. */
  readonly client: LabPod;
  /** Answers at the address of every backend. */
  readonly server: LabPod;
  /** None where connections go directly. */
  readonly proxy?: ServiceProxy;
}

/** Who serves a station's node. Everything of it stays in the node's namespace, cgroup and directory of pins. */
export interface ServiceProxy {
  readonly name: ProxyName;
  readonly label: string;
  /** Rules that are written once: no process, nothing that follows changes, no start. */
  readonly isStandIn: boolean;
  /** Of its process while it runs. */
  readonly pid: number | undefined;
  /** Starts its process, if it has none. @returns the pid, at once; undefined of a stand-in. */
  begin(): number | undefined;
  /**
   * Waits until all that the API server has is in the kernel. A stand-in writes it now.
   *
   * @returns since when, by the proxy's own word, in milliseconds since the epoch.
   */
  programmed(): Promise<number>;
  /** Ends the process as a kubelet does; what is in the kernel stays and serves. */
  end(): Promise<void>;
  /** kill -9; what is in the kernel stays and serves. */
  kill(): Promise<void>;
  /** Takes out what is in the kernel. Wants the process to have ended. */
  cleanup(): Promise<void>;
  /** In use by JavaScript or Go, as it says itself; undefined where it does not. */
  heapMiB(): Promise<number | undefined>;
}

/** All stations, with the API server that they share. */
export interface Bench {
  readonly lab: Lab;
  /** Direct ones first, in the order of ARMS. */
  readonly stations: readonly Station[];
  /** What stations there are not, or are not the real thing, and why: a sentence each. */
  readonly notes: readonly string[];
  readonly services: BenchServices;
  /** Where the client outside of every node is: it has a device to each. */
  readonly outside: Place & OutsideTargets;
  /** Behind `other`: who answers there answers for the remote backends of all stations. */
  readonly remotePod: Place;
  /** In no node's cgroup: no proxy's programs run for who is in it. Those of `outside` and `remotePod` are in it. */
  readonly outerCgroup: string;
  /** For files of whoever measures; gone with the bench. */
  readonly directory: string;
  /**
   * One after the other, has each proxy put all that the API server has into its node's kernel.
   *
   * @param options `end` ends the processes then, so that they do not disturb: what is in the kernel serves on.
   * @param note told whose turn it is.
   * @returns how long each took, in milliseconds from its beginning by its own word.
   */
  programAll(
    options?: { readonly end?: boolean },
    note?: (text: string) => void,
  ): Promise<ReadonlyMap<ProxyName, number>>;
  /** Ends everything and removes every trace. Safe at any time and more than once. */
  close(): Promise<void>;
}

/**
 * The Services that the API server has, numbered from 0; every tenth is of UDP, all others of TCP, port 80 to 8080.
 * Number `i` stays what it is when more are added.
 */
export interface BenchServices {
  readonly count: number;
  /** Creates those that are missing up to `count`, as fast as the store takes them. */
  growTo(count: number): Promise<void>;
  protocol(index: number): 'TCP' | 'UDP';
  clusterIP(index: number): string;
  /** Of its endpoints; every station's server pod answers at each. */
  backends(index: number): readonly string[];
  /** Puts endpoints that no Service has had in place of all it has. @returns their addresses. */
  replaceBackends(index: number): readonly string[];
}

/** What the client outside dials. */
export interface OutsideTarget {
  readonly address: string;
  readonly port: number;
}

/** Where the servers of a place listen, behind nodePorts and at their own addresses. */
export type OutsideServer = 'echo' | 'sink' | 'datagrams';

export interface OutsideTargets {
  /** A nodePort of the station's node, for a backend of that node or of another one. */
  nodePort(
    station: Station,
    place: 'local' | 'remote',
    family: Family,
    server: OutsideServer,
  ): OutsideTarget;
  /** The same server at its own address, by the same devices. */
  backend(
    station: Station,
    place: 'local' | 'remote',
    family: Family,
    server: OutsideServer,
  ): OutsideTarget;
}
