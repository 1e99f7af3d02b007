// SPDX-License-Identifier: Apache-2.0
// Reads a node for judge.ts. What cannot be read counts as all right: each reading fails by itself, and the reason is
// a finding of its own. Writes nothing that stays: the programs of the trial are gone with it.

import { existsSync, readFileSync, statfsSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { messageOf } from '../errors.ts';
import {
  familyOf,
  type IpAddress,
  type IpFamily,
  isLoopback,
  parseAddress,
  unspecifiedAddress,
} from '../model/address.ts';
import type { PortRange } from '../model/port-ranges.ts';
import { findKubeProxyRules } from '../reconcile/kube-proxy-rules.ts';
import { findCgroupRoot, isHierarchyRoot } from '../sys/cgroup.ts';
import { openTables, Programs, readNode, type Tables } from '../sys/datapath.ts';
import { FrontendScope } from '../sys/layout.gen.ts';
import { libbpf } from '../sys/libbpf/ffi.ts';
import { readNetworkDevices } from '../sys/network-devices.ts';
import { readNodeAddresses } from '../sys/node-addresses.ts';
import { PacketPrograms, packetAttachments } from '../sys/packet-programs.ts';
import { Pins } from '../sys/pins.ts';
import { processesNamed } from '../sys/processes.ts';
import { arePortsReserved } from '../sys/reserved-ports.ts';
import { foreignPrograms } from './foreign-programs.ts';
import type { NodeReport } from './node-report.ts';

export interface ProbeOptions {
  readonly bpffs: string;
  /** undefined: wherever the hierarchy is. */
  readonly cgroup: string | undefined;
  /** A proc file system that shows the processes of the node. */
  readonly proc: string;
  /** Whether the kernel is to be asked if it takes the programs, which costs some tenths of a second. */
  readonly isTried: boolean;
}

/** BPF_FS_MAGIC (linux/magic.h) */
const BPFFS_MAGIC = 0xcafe4a11;

/**
 * Bits of capabilities(7). SYS_ADMIN, without which tables are not found by their number, has all that BPF and PERFMON
 * allow in it; they are what would be left of it should it go.
 */
const CAPABILITIES = { CAP_NET_ADMIN: 12, CAP_SYS_PTRACE: 19, CAP_SYS_ADMIN: 21 };

const SYSCTLS = [
  'net.core.bpf_jit_enable',
  'net.ipv4.ip_forward',
  'net.ipv6.conf.all.forwarding',
  'net.ipv4.ip_local_port_range',
  'net.ipv4.ip_local_reserved_ports',
  'net.netfilter.nf_conntrack_count',
  'net.netfilter.nf_conntrack_max',
];

/** Never throws. */
export async function probe({ bpffs, cgroup, proc, isTried }: ProbeOptions): Promise<NodeReport> {
  const directory = attempt(() => cgroup ?? findCgroupRoot(), undefined);
  const pins = new Pins(bpffs);
  const tables = attempt(() => openTables(pins), undefined);
  const node = attempt(() => readNode(pins), undefined);
  const masqueradePorts = node?.masqueradePortCount
    ? { first: node.masqueradeFirstPort, count: node.masqueradePortCount }
    : undefined;
  const outwardDevices = attempt(() => devicesOf(pins), []);
  const isBpf = isOnBpffs(pins.directory);
  const report: NodeReport = {
    kernel: os.release(),
    missingCapabilities: attempt(() => missingCapabilities(), []),
    libbpf: attempt(() => libbpf().version(), undefined),
    hasBtf: existsSync('/sys/kernel/btf/vmlinux'),
    hasIpv6: attempt(() => readFileSync('/proc/net/if_inet6', 'utf8').trim() !== '', false),
    bpffs: { directory: pins.directory, isBpf },
    cgroup: directory === undefined ? undefined : { directory, isRoot: isHierarchyRoot(directory) },
    trial: isTried && isBpf ? trial(pins) : undefined,
    sysctls: readSysctls(proc, [
      ...SYSCTLS,
      ...['all', ...outwardDevices].map((device) => `net.ipv4.conf.${device}.rp_filter`),
    ]),
    outwardDevices,
    forwards: tables ? attempt(() => forwardedFamilies(tables), []) : [],
    masqueradePorts,
    areMasqueradePortsReserved: areReserved(masqueradePorts, proc),
    nodePorts: tables ? attempt(() => nodePortsOf(tables), []) : [],
    foreignPrograms: attempt(() => foreignPrograms(pins, directory), []),
    kubeProxy: {
      processes: attempt(() => processesNamed('kube-proxy', proc), []),
      rules: await kubeProxyRules(),
    },
    networkMounts: attempt(
      () => networkMounts(readFileSync(path.join(proc, '1/mountinfo'), 'utf8')),
      [],
    ),
    serviceAddresses: tables ? attempt(() => serviceAddressesOf(tables), new Set()) : new Set(),
  };
  tables?.close();
  return report;
}

function attempt<T>(read: () => T, otherwise: T): T {
  try {
    return read();
  } catch {
    return otherwise;
  }
}

function missingCapabilities(): string[] {
  const [, text = '0'] =
    readFileSync('/proc/self/status', 'utf8').match(/^CapEff:\s*(\w+)$/m) ?? [];
  const effective = BigInt(`0x${text}`);
  return Object.entries(CAPABILITIES).flatMap(([name, bit]) =>
    effective & (1n << BigInt(bit)) ? [] : name,
  );
}

/** Whether the directory, or the first above it that is there, is in a BPF file system. */
function isOnBpffs(directory: string): boolean {
  let there = directory;
  while (!existsSync(there)) there = path.dirname(there);
  return attempt(() => statfsSync(there).type === BPFFS_MAGIC, false);
}

/** Loads the programs beside those that are there, and takes them away again. @returns '' when the kernel took them. */
function trial(pins: Pins): string {
  const own = new Pins(`${pins.directory}-doctor-${process.pid}`);
  try {
    Programs.load(own).close();
    PacketPrograms.load(own, 'auto').close();
    return '';
  } catch (error) {
    return messageOf(error);
  } finally {
    attempt(() => own.removeAll(), []);
  }
}

/** Those that programs are on; before there are any, those with a default route. */
function devicesOf(pins: Pins): string[] {
  const attached = packetAttachments(pins);
  return readNetworkDevices()
    .filter(({ ifindex, hasDefaultRoute }) =>
      attached.size ? attached.has(ifindex) : hasDefaultRoute,
    )
    .map(({ name }) => name);
}

/** As `nftables (IPv4)`. */
async function kubeProxyRules(): Promise<string[]> {
  const { rules, hasIpvs } = await findKubeProxyRules();
  return [
    ...rules.map(({ backend, family }) => `${backend} (${family})`),
    ...(hasIpvs ? ['the device kube-ipvs0'] : []),
  ];
}

/** A name of a device may have dots in it, so only what stands before and behind it is split. */
function readSysctls(proc: string, names: readonly string[]): Record<string, string> {
  const read = names.flatMap((name) => {
    const [, device] = name.match(/^net\.ipv4\.conf\.(.+)\.rp_filter$/) ?? [];
    const file = device === undefined ? name.split('.') : ['net/ipv4/conf', device, 'rp_filter'];
    const text = attempt(
      () => readFileSync(path.join(proc, 'sys', ...file), 'utf8').trim(),
      undefined,
    );
    return text === undefined ? [] : [[name, text] as const];
  });
  return Object.fromEntries(read);
}

/** Families of backends that packets must be sent on to, where there are devices by which they come. */
function forwardedFamilies({ members, devices }: Pick<Tables, 'members' | 'devices'>): IpFamily[] {
  const served = new Set(
    devices
      .entries()
      .flatMap(([, { ipv4, ipv6 }]) => [ipv4, ipv6].filter((a) => !isUnspecified(a)).map(familyOf)),
  );
  const own = new Set(readNodeAddresses());
  const families = new Set<IpFamily>();
  for (const [{ backend }] of members.entries()) {
    const { address } = backend;
    if (!isLoopback(address) && !own.has(address)) families.add(familyOf(address));
  }
  return [...families].filter((family) => served.has(family)).sort();
}

function isUnspecified(address: IpAddress): boolean {
  return address === unspecifiedAddress(familyOf(address));
}

function areReserved(ports: PortRange | undefined, proc: string): boolean {
  return !ports || attempt(() => arePortsReserved(ports, proc), true);
}

function nodePortsOf({ frontends }: Pick<Tables, 'frontends'>): number[] {
  const ports = frontends
    .entries()
    .filter(([{ scope }]) => scope === FrontendScope.AT_NODE)
    .map(([{ port }]) => port);
  return [...new Set(ports)].sort((a, b) => a - b);
}

function serviceAddressesOf({ frontends }: Pick<Tables, 'frontends'>): Set<IpAddress> {
  return new Set(frontends.entries().map(([{ address }]) => address));
}

/** Mounts that have a server's address among their options. Pure. */
export function networkMounts(mountinfo: string): { mountPoint: string; server: IpAddress }[] {
  return mountinfo.split('\n').flatMap((line) => {
    const fields = line.split(' ');
    const options = fields.at(-1) ?? '';
    const server = parseAddress(options.match(/(?:^|,)addr=([^,]+)/)?.[1] ?? '');
    return server === undefined ? [] : [{ mountPoint: fields[4] ?? '', server }];
  });
}
