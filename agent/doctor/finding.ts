// SPDX-License-Identifier: Apache-2.0
// What `signalbox doctor` can say, each message once: what it means and what to do stand here, for the terminal and
// for docs/doctor.md, which is generated from here. What was found on a node is added by judge.ts.

/** 'error': Signalbox cannot work so. 'warning': some connections may fail. 'note': good to know. */
export type Severity = 'error' | 'warning' | 'note';

export interface Message {
  readonly severity: Severity;
  /** One line; what was found follows it. */
  readonly title: string;
  readonly means: string;
  readonly cure: string;
}

export const MESSAGES = {
  'not-root': {
    severity: 'error',
    title: 'not run as root',
    means:
      'Programs, tables and other network namespaces are for root. Nothing else was looked at.',
    cure: 'Run it with sudo, or in the pod of the DaemonSet.',
  },
  'missing-capabilities': {
    severity: 'error',
    title: 'capabilities are missing',
    means:
      'Without NET_ADMIN nothing is attached to devices; without SYS_ADMIN programs are not loaded, nor network namespaces of pods entered; without SYS_PTRACE those of pods that are not root are not found.',
    cure: 'Give the container these capabilities (securityContext.capabilities.add), or run it privileged.',
  },
  'kernel-too-old': {
    severity: 'error',
    title: 'the kernel is older than 6.1',
    means:
      'Signalbox is tested from 6.1 on; before it, helpers that its programs call are missing.',
    cure: 'Run a newer kernel: Debian 12, Ubuntu 24.04, RHEL 9.5 and their likes have one.',
  },
  'no-libbpf': {
    severity: 'error',
    title: 'libbpf.so.1 is not there',
    means: 'It loads the programs into the kernel.',
    cure: 'Install it: apt-get install libbpf1 (Debian, Ubuntu), dnf install libbpf (Fedora, RHEL).',
  },
  'no-bpffs': {
    severity: 'error',
    title: 'no BPF file system where the pins are to be',
    means: 'Without pins, programs and tables would end with the agent.',
    cure: 'mount -t bpf bpf /sys/fs/bpf; in a container, mount the host’s /sys/fs/bpf.',
  },
  'no-cgroup2': {
    severity: 'error',
    title: 'no cgroup v2 hierarchy to attach to',
    means:
      'The programs of the socket path hang on a cgroup of version 2. Version 1 may be there beside it.',
    cure: 'mount -t cgroup2 none /sys/fs/cgroup/unified; in a container, mount the host’s /sys/fs/cgroup.',
  },
  'cgroup-not-root': {
    severity: 'warning',
    title: 'the cgroup is not the root of the hierarchy',
    means: 'Sockets of processes outside of it are not served: their connections to Services fail.',
    cure: 'Leave --cgroup out, and mount the host’s /sys/fs/cgroup into the container, not the container’s own.',
  },
  'programs-refused': {
    severity: 'error',
    title: 'the kernel refuses the programs',
    means: 'They were loaded, as a trial, and the verifier or the kernel’s configuration said no.',
    cure: 'The words of the kernel follow. CONFIG_BPF_SYSCALL, CONFIG_CGROUP_BPF and CONFIG_NET_CLS_ACT are needed; lockdown=confidentiality forbids BPF. If none of that helps, report it with the kernel’s version.',
  },
  lockdown: {
    severity: 'warning',
    title: 'the kernel is locked down for confidentiality',
    means:
      'Programs may not read the kernel’s memory: sockets of backends that have left cannot be found and closed, and the kernel may refuse the programs altogether.',
    cure: 'Boot with lockdown=integrity, which forbids writing only, or without lockdown=.',
  },
  'memory-limit': {
    severity: 'warning',
    title: 'the memory limit is lower than what an agent needs',
    means:
      'Its peak is above 200 MiB, the kernel’s tables among them, and grows with the cluster. An agent that is killed for memory leaves all at work, but starts over and over, and changes wait.',
    cure: 'Leave the limit out, as the manifests do, or take the one that docs/capacity.md has for the size of the cluster.',
  },
  'no-btf': {
    severity: 'warning',
    title: 'the kernel has no BTF',
    means:
      'Connected UDP sockets of a backend that has left cannot be found, and go on sending to nobody.',
    cure: 'Run a kernel with CONFIG_DEBUG_INFO_BTF=y, as distributions build it.',
  },
  'jit-off': {
    severity: 'warning',
    title: 'net.core.bpf_jit_enable is 0',
    means: 'Every program is interpreted: connections and packets cost several times as much.',
    cure: 'sysctl -w net.core.bpf_jit_enable=1',
  },
  'forwarding-off': {
    severity: 'warning',
    title: 'forwarding is off',
    means: 'Packets from outside do not reach backends that are not the node itself.',
    cure: 'Set the named sysctl to 1.',
  },
  'strict-rp-filter': {
    severity: 'warning',
    title: 'rp_filter is strict on devices of a node that has several',
    means:
      'The kernel drops packets whose source it would answer by another device: clients, and replies of backends, that come in by one network card and are routed by another.',
    cure: 'Set net.ipv4.conf.DEVICE.rp_filter, and conf.all.rp_filter, to 2 (loose) or 0.',
  },
  'node-ports-in-local-range': {
    severity: 'warning',
    title: 'the kernel may give nodePorts to connections of the node',
    means:
      'A connection that the node opens gets one of these numbers as its source port; answers to it, of UDP, are then taken for requests to the nodePort.',
    cure: 'Keep nodePorts out of net.ipv4.ip_local_port_range, or put them into net.ipv4.ip_local_reserved_ports.',
  },
  'node-ports-in-masquerade-range': {
    severity: 'warning',
    title: 'nodePorts are among the ports of masqueraded connections',
    means:
      'A packet to such a nodePort looks like an answer to a masqueraded connection when its sender is a backend of one; and what belongs to no connection is dropped there, where elsewhere it is reset.',
    cure: 'Give the agent other --masquerade-ports, or the API server another --service-node-port-range.',
  },
  'ports-not-reserved': {
    severity: 'warning',
    title: 'the ports of masqueraded connections are not all reserved',
    means: 'The kernel may give one to a connection of the node, which then gets no answers.',
    cure: 'The agent reserves them when it starts and looks every five minutes. Where /proc/sys is read-only, add them to net.ipv4.ip_local_reserved_ports on the host.',
  },
  'conntrack-nearly-full': {
    severity: 'warning',
    title: 'the connection tracking table is nearly full',
    means:
      'Signalbox does not use it, but the CNI, firewalls and what is left of kube-proxy do: when it is full the kernel drops packets of new connections.',
    cure: 'Raise net.netfilter.nf_conntrack_max, or let the agent do so with --conntrack-max-per-core.',
  },
  'table-nearly-full': {
    severity: 'warning',
    title: 'a table is nearly full',
    means:
      'Services that do not fit are not served; `signalbox status` names them, all others go on. Of flows, new connections from outside are dropped.',
    cure: 'Start the agent with the --table-size that is named; its entries are carried over. docs/capacity.md says what fills each table, and what more of it costs.',
  },
  'kube-proxy-running': {
    severity: 'warning',
    title: 'kube-proxy is running',
    means:
      'Signalbox serves what is new before kube-proxy’s rules see it; two proxies keep one node busy.',
    cure: 'Once `signalbox status` says Healthy, take the DaemonSet kube-proxy away, then run signalbox cleanup --kube-proxy (docs/migrating.md).',
  },
  'kube-proxy-rules': {
    severity: 'warning',
    title: 'rules of kube-proxy are there',
    means:
      'They no longer follow the cluster when kube-proxy is gone. Only connections that were there before Signalbox still need them.',
    cure: 'signalbox cleanup --kube-proxy, once `signalbox status` says Healthy (docs/migrating.md).',
  },
  'foreign-programs': {
    severity: 'warning',
    title: 'programs of somebody else are on the same hooks',
    means:
      'Another proxy that works on sockets, as Cilium’s, changes the same addresses; which of the two comes first decides.',
    cure: 'Find out whose they are (bpftool prog show id ID) and turn one of the two off. Programs that only look or only forbid do no harm. Programs behind ours see the address of the backend, those before ours that of the Service.',
  },
  'nfs-on-service': {
    severity: 'note',
    title: 'a file system or disk of the network is reached by the address of a Service',
    means:
      'The kernel keeps that connection for days, to the backend that it had when it was mounted, and waits for it when the backend goes.',
    cure: 'Nothing, as long as the server stays. Mount options that end waiting (soft, timeo) help where it does not.',
  },
  'no-tcx': {
    severity: 'note',
    title: 'the kernel has no TCX (6.6)',
    means:
      'Programs are put on devices as filters of a clsact qdisc, which other software may remove with the qdisc. The agent puts them back at its next look.',
    cure: 'None needed.',
  },
  'no-socket-destroyer': {
    severity: 'note',
    title: 'the kernel closes no sockets from BPF (6.5)',
    means:
      'UDP sockets of backends that have left are closed one by one through SOCK_DIAG, network namespace by network namespace.',
    cure: 'None needed.',
  },
  'no-ipv6': {
    severity: 'note',
    title: 'IPv6 is off on this node',
    means: 'Services are served for IPv4 clients only.',
    cure: 'None needed, unless the cluster has two families: then remove ipv6.disable=1 from the kernel’s command line.',
  },
} as const satisfies Readonly<Record<string, Message>>;

export type MessageId = keyof typeof MESSAGES;

export interface Finding {
  readonly id: MessageId;
  /** What was found here; '' when the title says all. */
  readonly found: string;
}

export function severityOf({ id }: Finding): Severity {
  return MESSAGES[id].severity;
}
