// SPDX-License-Identifier: Apache-2.0
// Reads a node for judge.ts. What cannot be read counts as all right: each reading fails by itself, and the reason is
// a finding of its own. Writes nothing that stays: the programs of the trial are gone with it.

import { existsSync, readFileSync } from 'node:fs';
import os from 'node:os';
import { messageOf } from '../errors.ts';
import type { IpAddress } from '../model/address.ts';
import { findKubeProxyRules, formatFound } from '../reconcile/kube-proxy-rules.ts';
import { isInBpffs } from '../sys/bpf-filesystem.ts';
import { findCgroupRoot, isHierarchyRoot, requireCgroup } from '../sys/cgroup.ts';
import { openTables, Programs, readNode, type Tables } from '../sys/datapath.ts';
import { FrontendScope } from '../sys/layout.gen.ts';
import { libbpf } from '../sys/libbpf/ffi.ts';
import { readNetworkDevices } from '../sys/network-devices.ts';
import { FRAMINGS, PacketPrograms, packetAttachments } from '../sys/packet-programs.ts';
import { Pins } from '../sys/pins.ts';
import { processesNamed } from '../sys/processes.ts';
import { attempt } from './attempt.ts';
import { foreignPrograms } from './foreign-programs.ts';
import type { NodeReport } from './node-report.ts';
import { lockdown, memoryLimit, missingCapabilities } from './probe-machine.ts';
import { readNetworkMounts } from './probe-mounts.ts';
import { probeSettings } from './probe-settings.ts';
import { probeTables } from './probe-tables.ts';

export interface ProbeOptions {
  readonly bpffs: string;
  /** undefined: wherever the hierarchy is. */
  readonly cgroup: string | undefined;
  /** A proc file system that shows the processes of the node. */
  readonly proc: string;
  /** Whether the kernel is to be asked if it takes the programs, which costs some tenths of a second. */
  readonly isTried: boolean;
}

const SYSCTLS = [
  'net.core.bpf_jit_enable',
  'net.ipv4.ip_local_port_range',
  'net.ipv4.ip_local_reserved_ports',
];

/** Never throws. */
export async function probe(options: ProbeOptions): Promise<NodeReport> {
  const { bpffs, proc, isTried } = options;
  const pins = new Pins(bpffs);
  const tables = attempt(() => openTables(pins), undefined);
  const node = attempt(() => readNode(pins), undefined);
  const outwardDevices = attempt(() => devicesOf(pins), []);
  const machine = probeMachine(options);
  const report: NodeReport = {
    ...machine,
    trial: isTried && machine.bpffs.isBpf ? trial(pins) : undefined,
    ...probeSettings({ proc, tables, node, sysctls: sysctlsOf(outwardDevices) }),
    outwardDevices,
    nodePorts: tables ? attempt(() => nodePortsOf(tables), []) : [],
    kubeProxy: {
      processes: attempt(() => processesNamed('kube-proxy', proc), []),
      rules: await kubeProxyRules(),
    },
    networkMounts: readNetworkMounts(proc),
    serviceAddresses: tables ? attempt(() => serviceAddressesOf(tables), new Set()) : new Set(),
    tables: tables ? probeTables(pins, tables) : [],
  };
  tables?.close();
  return report;
}

/**
 * The same for an agent that starts: what it looks after itself, and what it would have to read large tables or run
 * other programs for, counts as all right. Never throws.
 */
export function probeAtStart(options: Omit<ProbeOptions, 'isTried'>): NodeReport {
  const outwardDevices = attempt(() => devicesOf(new Pins(options.bpffs)), []);
  return {
    ...probeMachine(options),
    trial: undefined,
    ...probeSettings({
      proc: options.proc,
      tables: undefined,
      node: undefined,
      sysctls: sysctlsOf(outwardDevices),
    }),
    outwardDevices,
    nodePorts: [],
    kubeProxy: { processes: [], rules: '' },
    networkMounts: [],
    serviceAddresses: new Set(),
    tables: [],
  };
}

/** Of the kernel and the machine, whatever is served. */
function probeMachine({ bpffs, cgroup }: Pick<ProbeOptions, 'bpffs' | 'cgroup'>) {
  const pins = new Pins(bpffs);
  const directory = attempt(() => cgroupDirectory(cgroup), undefined);
  return {
    kernel: os.release(),
    missingCapabilities: attempt(() => missingCapabilities(), []),
    libbpf: attempt(() => libbpf().version(), undefined),
    lockdown: attempt(() => lockdown(), undefined),
    memoryLimit: attempt(() => memoryLimit(), undefined),
    hasBtf: existsSync('/sys/kernel/btf/vmlinux'),
    hasIpv6: attempt(() => readFileSync('/proc/net/if_inet6', 'utf8').trim() !== '', false),
    bpffs: {
      directory: pins.directory,
      isBpf: attempt(() => isInBpffs(pins.directory), false),
    },
    cgroup: directory === undefined ? undefined : { directory, isRoot: isHierarchyRoot(directory) },
    foreignPrograms: attempt(() => foreignPrograms(pins, directory), []),
  };
}

function sysctlsOf(devices: readonly string[]): string[] {
  return [...SYSCTLS, ...['all', ...devices].map((device) => `net.ipv4.conf.${device}.rp_filter`)];
}

/** @throws EnvironmentError when there is none, or it is none of version 2. */
function cgroupDirectory(named: string | undefined): string {
  const directory = named ?? findCgroupRoot();
  requireCgroup(directory);
  return directory;
}

/** Loads the programs beside those that are there, and takes them away again. @returns '' when the kernel took them. */
function trial(pins: Pins): string {
  const own = new Pins(`${pins.directory}-doctor-${process.pid}`);
  try {
    Programs.load(own).close();
    PacketPrograms.load(own, 'auto', FRAMINGS).close();
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

async function kubeProxyRules(): Promise<string> {
  const { rules, hasIpvs } = await findKubeProxyRules();
  return [formatFound(rules), hasIpvs ? 'the device kube-ipvs0' : ''].filter(Boolean).join(', ');
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
