// SPDX-License-Identifier: Apache-2.0
// What was read of a node, before anything is made of it: probe.ts reads, judge.ts judges.

import type { IpAddress, IpFamily } from '../model/address.ts';
import type { PortRange } from '../model/port-ranges.ts';

/** Settings of the host that packets of Services meet. */
export interface HostSettings {
  /** By name, as net.core.bpf_jit_enable; what is not there is missing. */
  readonly sysctls: Readonly<Record<string, string>>;
  /** Families in which packets have to be sent on. */
  readonly forwards: readonly IpFamily[];
  readonly masqueradePorts: PortRange | undefined;
  readonly areMasqueradePortsReserved: boolean;
}

/** How full a table of the kernel is. */
export interface TableReport {
  readonly table: string;
  readonly entries: number;
  readonly capacity: number;
}

export interface NodeReport extends HostSettings {
  /** As uname says it: 6.1.0-56-amd64. */
  readonly kernel: string;
  /** Names of those that are needed and not there. */
  readonly missingCapabilities: readonly string[];
  /** Its version; undefined: it is not there. */
  readonly libbpf: string | undefined;
  /** none, integrity or confidentiality; undefined where the kernel has no such thing. */
  readonly lockdown: string | undefined;
  /** Of the container, in bytes; undefined without one. */
  readonly memoryLimit: number | undefined;
  readonly hasBtf: boolean;
  readonly hasIpv6: boolean;
  readonly bpffs: { readonly directory: string; readonly isBpf: boolean };
  /** undefined: there is none, or what was named is none. */
  readonly cgroup: { readonly directory: string; readonly isRoot: boolean } | undefined;
  /** What the kernel said to the programs; '' when it took them, undefined when it was not asked. */
  readonly trial: string | undefined;
  /** Devices by which packets from outside may come. */
  readonly outwardDevices: readonly string[];
  /** Those that are served now; empty without tables. */
  readonly nodePorts: readonly number[];
  /** On the hooks of sockets and devices, but not ours: `connect4: program 17 (cil_sock4_connect), before ours`. */
  readonly foreignPrograms: readonly string[];
  readonly kubeProxy: {
    /** Its processes' ids. */
    readonly processes: readonly number[];
    /** In words: `nftables (IPv4, IPv6)`; '' when there are none. */
    readonly rules: string;
  };
  /** File systems that the kernel itself has connections for. */
  readonly networkMounts: readonly { readonly mountPoint: string; readonly server: IpAddress }[];
  readonly serviceAddresses: ReadonlySet<IpAddress>;
  readonly tables: readonly TableReport[];
}
