// SPDX-License-Identifier: Apache-2.0
// kube-proxy's options about its modes. Part of the table in options.ts. There is one datapath here, so that little of
// it has an effect. Names, kinds and defaults are those of Kubernetes 1.36.

import type { KubeProxyOption } from './kube-proxy-option.ts';

const NO_MARKS = 'no packet is marked here';
const AT_ONCE = 'a change costs what it changes, and is written at once';
const NO_IPVS = 'there is no IPVS here';
const NO_WINDOWS = 'it is for Windows';
const RETRY =
  'the longest pause between two tries of a write that the kernel refused; twice this time with nothing written, and /healthz and /livez say so';
const MASQUERADE_ALL =
  'explain tells of kube-proxy’s SNAT as with this option; packets here do not change by it';

export const MODE_OPTIONS = [
  {
    flag: 'proxy-mode',
    key: 'mode',
    kind: 'string',
    default: 'iptables',
    placeholder: 'mode',
    notice:
      'there is one datapath, in BPF, whatever the mode; with nftables, as with kube-proxy, nodePorts are served on the primary addresses of the node alone unless nodePortAddresses says otherwise',
  },
  {
    flag: 'iptables-masquerade-bit',
    key: 'iptables.masqueradeBit',
    kind: 'int32',
    default: 14,
    nullable: true,
    notice: NO_MARKS,
  },
  {
    flag: 'masquerade-all',
    key: 'iptables.masqueradeAll',
    kind: 'bool',
    default: false,
    shared: true,
    does: MASQUERADE_ALL,
    notice: MASQUERADE_ALL,
  },
  {
    flag: 'iptables-localhost-nodeports',
    key: 'iptables.localhostNodePorts',
    kind: 'bool',
    default: true,
    nullable: true,
    does: 'whether nodePorts are served on loopback addresses, to the node itself; here of both families, and whatever the mode',
  },
  {
    flag: 'iptables-sync-period',
    key: 'iptables.syncPeriod',
    kind: 'duration',
    default: 30_000_000_000n,
    does: RETRY,
  },
  {
    flag: 'iptables-min-sync-period',
    key: 'iptables.minSyncPeriod',
    kind: 'duration',
    default: 1_000_000_000n,
    notice: AT_ONCE,
  },
  {
    key: 'nftables.masqueradeBit',
    kind: 'int32',
    default: 14,
    nullable: true,
    notice: NO_MARKS,
  },
  {
    key: 'nftables.masqueradeAll',
    kind: 'bool',
    default: false,
    does: `with mode nftables: ${MASQUERADE_ALL}`,
    notice: MASQUERADE_ALL,
  },
  {
    key: 'nftables.syncPeriod',
    kind: 'duration',
    default: 30_000_000_000n,
    does: `with mode nftables: ${RETRY}`,
  },
  {
    key: 'nftables.minSyncPeriod',
    kind: 'duration',
    default: 1_000_000_000n,
    notice: AT_ONCE,
  },
  {
    flag: 'ipvs-sync-period',
    key: 'ipvs.syncPeriod',
    kind: 'duration',
    default: 30_000_000_000n,
    does: `with mode ipvs: ${RETRY}`,
  },
  {
    flag: 'ipvs-min-sync-period',
    key: 'ipvs.minSyncPeriod',
    kind: 'duration',
    default: 0n,
    notice: AT_ONCE,
  },
  {
    flag: 'ipvs-scheduler',
    key: 'ipvs.scheduler',
    kind: 'string',
    default: '',
    placeholder: 'name',
    notice: `${NO_IPVS}; annotations of Services choose how backends are picked`,
  },
  {
    flag: 'ipvs-exclude-cidrs',
    key: 'ipvs.excludeCIDRs',
    kind: 'strings',
    default: [],
    placeholder: 'cidrs',
    notice: NO_IPVS,
  },
  {
    flag: 'ipvs-strict-arp',
    key: 'ipvs.strictARP',
    kind: 'bool',
    default: false,
    notice: `${NO_IPVS}: no address of Services is on a device, so that none is answered for in ARP`,
  },
  {
    flag: 'ipvs-tcp-timeout',
    key: 'ipvs.tcpTimeout',
    kind: 'duration',
    default: 0n,
    notice: NO_IPVS,
  },
  {
    flag: 'ipvs-tcpfin-timeout',
    key: 'ipvs.tcpFinTimeout',
    kind: 'duration',
    default: 0n,
    notice: NO_IPVS,
  },
  {
    flag: 'ipvs-udp-timeout',
    key: 'ipvs.udpTimeout',
    kind: 'duration',
    default: 0n,
    notice: NO_IPVS,
  },
  { key: 'winkernel.networkName', kind: 'string', default: '', notice: NO_WINDOWS },
  { key: 'winkernel.sourceVip', kind: 'string', default: '', notice: NO_WINDOWS },
  { key: 'winkernel.enableDSR', kind: 'bool', default: false, notice: NO_WINDOWS },
  { key: 'winkernel.rootHnsEndpointName', kind: 'string', default: '', notice: NO_WINDOWS },
  { key: 'winkernel.forwardHealthCheckVip', kind: 'bool', default: false, notice: NO_WINDOWS },
  { key: 'windowsRunAsService', kind: 'bool', default: false, notice: NO_WINDOWS },
] as const satisfies readonly KubeProxyOption[];
