// SPDX-License-Identifier: Apache-2.0
// Reads a node for judge.ts. What cannot be read counts as all right: each reading fails by itself, and the reason is
// a finding of its own. Writes nothing that stays: the programs of the trial are gone with it.

import { existsSync, readFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { messageOf } from '../errors.ts';
import { type IpAddress, parseAddress } from '../model/address.ts';
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
import { probeSettings } from './probe-settings.ts';

export interface ProbeOptions {
  readonly bpffs: string;
  /** undefined: wherever the hierarchy is. */
  readonly cgroup: string | undefined;
  /** A proc file system that shows the processes of the node. */
  readonly proc: string;
  /** Whether the kernel is to be asked if it takes the programs, which costs some tenths of a second. */
  readonly isTried: boolean;
}

/**
 * Bits of capabilities(7). SYS_ADMIN, without which tables are not found by their number, has all that BPF and PERFMON
 * allow in it; they are what would be left of it should it go.
 */
const CAPABILITIES = { CAP_NET_ADMIN: 12, CAP_SYS_PTRACE: 19, CAP_SYS_ADMIN: 21 };

const SYSCTLS = [
  'net.core.bpf_jit_enable',
  'net.ipv4.ip_local_port_range',
  'net.ipv4.ip_local_reserved_ports',
];

/** Never throws. */
export async function probe({ bpffs, cgroup, proc, isTried }: ProbeOptions): Promise<NodeReport> {
  const directory = attempt(() => cgroupDirectory(cgroup), undefined);
  const pins = new Pins(bpffs);
  const tables = attempt(() => openTables(pins), undefined);
  const node = attempt(() => readNode(pins), undefined);
  const outwardDevices = attempt(() => devicesOf(pins), []);
  const isBpf = attempt(() => isInBpffs(pins.directory), false);
  const report: NodeReport = {
    kernel: os.release(),
    missingCapabilities: attempt(() => missingCapabilities(), []),
    libbpf: attempt(() => libbpf().version(), undefined),
    hasBtf: existsSync('/sys/kernel/btf/vmlinux'),
    hasIpv6: attempt(() => readFileSync('/proc/net/if_inet6', 'utf8').trim() !== '', false),
    bpffs: { directory: pins.directory, isBpf },
    cgroup: directory === undefined ? undefined : { directory, isRoot: isHierarchyRoot(directory) },
    trial: isTried && isBpf ? trial(pins) : undefined,
    ...probeSettings({
      proc,
      tables,
      node,
      sysctls: [
        ...SYSCTLS,
        ...['all', ...outwardDevices].map((device) => `net.ipv4.conf.${device}.rp_filter`),
      ],
    }),
    outwardDevices,
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

function missingCapabilities(): string[] {
  const [, text = '0'] =
    readFileSync('/proc/self/status', 'utf8').match(/^CapEff:\s*(\w+)$/m) ?? [];
  const effective = BigInt(`0x${text}`);
  return Object.entries(CAPABILITIES).flatMap(([name, bit]) =>
    effective & (1n << BigInt(bit)) ? [] : name,
  );
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

/** Mounts that have a server's address among their options. Pure. */
export function networkMounts(mountinfo: string): { mountPoint: string; server: IpAddress }[] {
  return mountinfo.split('\n').flatMap((line) => {
    const fields = line.split(' ');
    const options = fields.at(-1) ?? '';
    const server = parseAddress(options.match(/(?:^|,)addr=([^,]+)/)?.[1] ?? '');
    return server === undefined ? [] : [{ mountPoint: fields[4] ?? '', server }];
  });
}
