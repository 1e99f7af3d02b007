// SPDX-License-Identifier: Apache-2.0
// What the doctor makes of a node: nothing of one that is well, and each message of what it is meant for.

import test from 'ava';
import { MESSAGES, type MessageId } from '../../../agent/doctor/finding.ts';
import { isOlder, judge } from '../../../agent/doctor/judge.ts';
import type { NodeReport } from '../../../agent/doctor/node-report.ts';
import { address } from '../../helpers/objects.ts';

const WELL: NodeReport = {
  kernel: '6.12.9-amd64',
  missingCapabilities: [],
  libbpf: 'v1.5',
  lockdown: 'integrity',
  memoryLimit: undefined,
  hasBtf: true,
  hasIpv6: true,
  bpffs: { directory: '/sys/fs/bpf/signalbox', isBpf: true },
  cgroup: { directory: '/sys/fs/cgroup', isRoot: true },
  trial: '',
  sysctls: {
    'net.core.bpf_jit_enable': '1',
    'net.ipv4.ip_forward': '1',
    'net.ipv6.conf.all.forwarding': '1',
    'net.ipv4.ip_local_port_range': '32768\t60999',
    'net.ipv4.ip_local_reserved_ports': '30000-32767,40000,49152-65535',
    'net.ipv4.conf.all.rp_filter': '0',
    'net.ipv4.conf.eth0.rp_filter': '2',
    'net.ipv4.conf.eth1.1.rp_filter': '0',
    'net.netfilter.nf_conntrack_count': '90',
    'net.netfilter.nf_conntrack_max': '100',
  },
  outwardDevices: ['eth0', 'eth1.1'],
  forwards: ['IPv4', 'IPv6'],
  masqueradePorts: { first: 49152, count: 16384 },
  areMasqueradePortsReserved: true,
  nodePorts: [30080, 40000],
  foreignPrograms: [],
  kubeProxy: { processes: [], rules: '' },
  networkMounts: [{ mountPoint: '/data', server: address('192.0.2.1') }],
  serviceAddresses: new Set([address('10.96.0.1')]),
  tables: [{ table: 'members', entries: 79, capacity: 100 }],
};

const sysctl = (name: string, value: string) => ({ sysctls: { ...WELL.sysctls, [name]: value } });

const CASES: readonly (readonly [MessageId, found: string, Partial<NodeReport>])[] = [
  [
    'missing-capabilities',
    'CAP_BPF CAP_PERFMON',
    { missingCapabilities: ['CAP_BPF', 'CAP_PERFMON'] },
  ],
  ['no-libbpf', '', { libbpf: undefined }],
  ['no-bpffs', '/tmp/pins', { bpffs: { directory: '/tmp/pins', isBpf: false } }],
  ['no-cgroup2', '', { cgroup: undefined }],
  ['programs-refused', 'load sock.o: EINVAL', { trial: 'load sock.o: EINVAL' }],
  [
    'cgroup-not-root',
    '/sys/fs/cgroup/a',
    { cgroup: { directory: '/sys/fs/cgroup/a', isRoot: false } },
  ],
  ['lockdown', '', { lockdown: 'confidentiality' }],
  ['memory-limit', '255 MiB', { memoryLimit: 2 ** 28 - 1 }],
  ['no-btf', '', { hasBtf: false }],
  ['jit-off', '', sysctl('net.core.bpf_jit_enable', '0')],
  ['forwarding-off', 'net.ipv4.ip_forward = 0', sysctl('net.ipv4.ip_forward', '0')],
  [
    'forwarding-off',
    'net.ipv6.conf.all.forwarding = 0',
    sysctl('net.ipv6.conf.all.forwarding', '0'),
  ],
  ['strict-rp-filter', 'eth1.1', sysctl('net.ipv4.conf.all.rp_filter', '1')],
  ['strict-rp-filter', 'eth1.1', sysctl('net.ipv4.conf.eth1.1.rp_filter', '1')],
  ['node-ports-in-local-range', '40000', sysctl('net.ipv4.ip_local_reserved_ports', '')],
  ['node-ports-in-masquerade-range', '49152 65535', { nodePorts: [30080, 49152, 65535] }],
  ['ports-not-reserved', '49152-65535', { areMasqueradePortsReserved: false }],
  ['conntrack-nearly-full', '91 of 100 entries', sysctl('net.netfilter.nf_conntrack_count', '91')],
  [
    'table-nearly-full',
    'members 80 of 100 entries: --table-size members=256 of the agent makes room',
    { tables: [{ table: 'members', entries: 80, capacity: 100 }] },
  ],
  ['kube-proxy-running', 'pid 7, pid 8', { kubeProxy: { processes: [7, 8], rules: '' } }],
  [
    'kube-proxy-rules',
    'nftables (IPv4, IPv6)',
    { kubeProxy: { processes: [], rules: 'nftables (IPv4, IPv6)' } },
  ],
  ['foreign-programs', 'connect4: program 3 (x)', { foreignPrograms: ['connect4: program 3 (x)'] }],
  [
    'nfs-on-service',
    '/data from 10.96.0.1',
    { networkMounts: [{ mountPoint: '/data', server: address('10.96.0.1') }] },
  ],
  ['no-ipv6', '', { hasIpv6: false }],
];

test('a node that is well', (t) => {
  t.deepEqual(judge(WELL), []);
});

test('each message, of what it is meant for', (t) => {
  for (const [id, found, change] of CASES)
    t.deepEqual(judge({ ...WELL, ...change }), [{ id, found }], id);
});

test('kernels', (t) => {
  const idsOf = (kernel: string) => judge({ ...WELL, kernel }).map(({ id }) => id);
  t.deepEqual(idsOf('6.18.5'), []);
  t.deepEqual(idsOf('6.6.0-rc1'), []);
  t.deepEqual(idsOf('6.5.0'), ['no-tcx']);
  t.deepEqual(idsOf('6.1.0-56-amd64'), ['no-tcx', 'no-socket-destroyer']);
  t.deepEqual(idsOf('5.15.0'), ['kernel-too-old', 'no-tcx', 'no-socket-destroyer']);
  t.deepEqual(idsOf('who knows'), []);
  t.false(isOlder('10.0', 6, 1));
});

test('every message is said of some node', (t) => {
  const said = new Set<string>(['not-root', 'kernel-too-old', 'no-tcx', 'no-socket-destroyer']);
  for (const [id] of CASES) said.add(id);
  t.deepEqual([...said].sort(), Object.keys(MESSAGES).sort());
});

test('what could not be read is not complained of', (t) => {
  const unread = { trial: undefined, sysctls: {}, forwards: [], masqueradePorts: undefined };
  t.deepEqual(judge({ ...WELL, ...unread, nodePorts: [] }), []);
});

test('one device answers all: strict filtering does no harm', (t) => {
  const change = sysctl('net.ipv4.conf.all.rp_filter', '1');
  t.deepEqual(judge({ ...WELL, ...change, outwardDevices: ['eth1.1'] }), []);
});

test('many nodePorts are not all listed', (t) => {
  const nodePorts = [33000, 33001, 33002, 33003, 33004, 33005, 33006];
  const [finding] = judge({ ...WELL, nodePorts });
  t.is(finding?.found, '33000 33001 33002 33003 33004 and 2 more');
});
