// SPDX-License-Identifier: Apache-2.0
// From what was read of a node to what is to be said of it. Pure. What could not be read is not complained of: another
// finding says why.

import { containsPorts, formatPortRange, parsePortList } from '../model/port-ranges.ts';
import { nearlyFullText } from '../model/table-sizes.ts';
import type { Finding, MessageId } from './finding.ts';
import type { HostSettings, NodeReport } from './node-report.ts';

const MIB = 1024 ** 2;
/** For up to 1,000 Services (docs/capacity.md). */
const LEAST_MEMORY = 256 * MIB;

type Judgement<Report> = (report: Report) => Iterable<Finding>;

/** Causes before what follows from them. */
export function judge(report: NodeReport): Finding[] {
  return JUDGEMENTS.flatMap((judgement) => [...judgement(report)]);
}

/** Only what stops packets of Services while all else is well: what `status` warns of. */
export function judgeSettings(settings: HostSettings): Finding[] {
  return ABOUT_SETTINGS.flatMap((judgement) => [...judgement(settings)]);
}

const ABOUT_SETTINGS: readonly Judgement<HostSettings>[] = [forwarding, portsReserved, conntrack];

const JUDGEMENTS: readonly Judgement<NodeReport>[] = [
  ({ missingCapabilities: missing }) =>
    when(missing.length, 'missing-capabilities', missing.join(' ')),
  ({ kernel }) => when(isOlder(kernel, 6, 1), 'kernel-too-old', kernel),
  ({ libbpf }) => when(libbpf === undefined, 'no-libbpf'),
  ({ bpffs }) => when(!bpffs.isBpf, 'no-bpffs', bpffs.directory),
  ({ cgroup }) => when(!cgroup, 'no-cgroup2'),
  ({ trial }) => when(trial, 'programs-refused', trial),
  ({ cgroup }) => when(cgroup && !cgroup.isRoot, 'cgroup-not-root', cgroup?.directory),
  ({ lockdown }) => when(lockdown === 'confidentiality', 'lockdown'),
  ({ memoryLimit: limit = LEAST_MEMORY }) =>
    when(limit < LEAST_MEMORY, 'memory-limit', `${Math.floor(limit / MIB)} MiB`),
  ({ hasBtf }) => when(!hasBtf, 'no-btf'),
  ({ sysctls }) => when(sysctls['net.core.bpf_jit_enable'] === '0', 'jit-off'),
  forwarding,
  strictRpFilter,
  nodePortsInLocalRange,
  nodePortsInMasqueradeRange,
  portsReserved,
  conntrack,
  ({ tables }) =>
    tables.flatMap((fill) => {
      const found = nearlyFullText(fill);
      return when(found, 'table-nearly-full', found);
    }),
  ({ kubeProxy: { processes } }) =>
    when(processes.length, 'kube-proxy-running', processes.map((pid) => `pid ${pid}`).join(', ')),
  ({ kubeProxy: { rules } }) => when(rules, 'kube-proxy-rules', rules),
  ({ foreignPrograms }) => foreignPrograms.map((found) => ({ id: 'foreign-programs', found })),
  networkMounts,
  ({ kernel }) => when(isOlder(kernel, 6, 6), 'no-tcx', kernel),
  ({ kernel }) => when(isOlder(kernel, 6, 5), 'no-socket-destroyer', kernel),
  ({ hasIpv6 }) => when(!hasIpv6, 'no-ipv6'),
];

const FORWARDING = { IPv4: 'net.ipv4.ip_forward', IPv6: 'net.ipv6.conf.all.forwarding' } as const;

function* forwarding({ forwards, sysctls }: HostSettings): Generator<Finding> {
  for (const family of forwards) {
    const name = FORWARDING[family];
    if (sysctls[name] === '0') yield { id: 'forwarding-off', found: `${name} = 0` };
  }
}

function* portsReserved({
  masqueradePorts: ports,
  areMasqueradePortsReserved,
}: HostSettings): Generator<Finding> {
  if (ports && !areMasqueradePortsReserved)
    yield { id: 'ports-not-reserved', found: formatPortRange(ports) };
}

/** The larger of a device's own value and that of all counts (Documentation/networking/ip-sysctl.rst). */
function* strictRpFilter({ outwardDevices, sysctls }: NodeReport): Generator<Finding> {
  if (outwardDevices.length < 2) return;
  const filterOf = (device: string) => Number(sysctls[`net.ipv4.conf.${device}.rp_filter`] ?? 0);
  const strict = outwardDevices.filter(
    (device) => Math.max(filterOf('all'), filterOf(device)) === 1,
  );
  yield* when(strict.length, 'strict-rp-filter', strict.join(' '));
}

function* nodePortsInLocalRange({ nodePorts, sysctls }: NodeReport): Generator<Finding> {
  const [first = Number.NaN, last = Number.NaN] = (sysctls['net.ipv4.ip_local_port_range'] ?? '')
    .split(/\s+/)
    .map(Number);
  const reserved = parsePortList(sysctls['net.ipv4.ip_local_reserved_ports'] ?? '');
  const free = nodePorts.filter(
    (port) => port >= first && port <= last && !containsPorts(reserved, { first: port, count: 1 }),
  );
  yield* when(free.length, 'node-ports-in-local-range', somePorts(free));
}

function* nodePortsInMasqueradeRange({
  nodePorts,
  masqueradePorts: range,
}: NodeReport): Generator<Finding> {
  const within = nodePorts.filter(
    (port) => range && port >= range.first && port < range.first + range.count,
  );
  yield* when(within.length, 'node-ports-in-masquerade-range', somePorts(within));
}

function somePorts(ports: readonly number[]): string {
  const shown = ports.slice(0, 5).join(' ');
  return ports.length > 5 ? `${shown} and ${ports.length - 5} more` : shown;
}

/** From where on the table counts as nearly full. */
const NEARLY_FULL = 0.9;

function* conntrack({ sysctls }: HostSettings): Generator<Finding> {
  const entries = Number(sysctls['net.netfilter.nf_conntrack_count']);
  const capacity = Number(sysctls['net.netfilter.nf_conntrack_max']);
  yield* when(
    capacity > 0 && entries > capacity * NEARLY_FULL,
    'conntrack-nearly-full',
    `${entries} of ${capacity} entries`,
  );
}

function* networkMounts({
  networkMounts: mounts,
  serviceAddresses,
}: NodeReport): Generator<Finding> {
  for (const { mountPoint, server } of mounts) {
    if (serviceAddresses.has(server))
      yield { id: 'nfs-on-service', found: `${mountPoint} from ${server}` };
  }
}

/** @param release as uname says it. One that cannot be read counts as new. */
export function isOlder(release: string, major: number, minor: number): boolean {
  const [, first = '', second = ''] = release.match(/^(\d+)\.(\d+)/) ?? [];
  if (!first) return false;
  return Number(first) < major || (Number(first) === major && Number(second) < minor);
}

function when(condition: unknown, id: MessageId, found = ''): Finding[] {
  return condition ? [{ id, found }] : [];
}
