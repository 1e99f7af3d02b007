// SPDX-License-Identifier: Apache-2.0
// Which settings of the host kube-proxy would write (pkg/proxy/conntrack/sysctls.go), for sys/host-settings.ts to write.
// Pure. Signalbox needs none of them: its connections have no entry in conntrack's table. Others on the node have.

import { SECOND_NS } from './go-duration.ts';
import type { Settings } from './options.ts';

/** One number in a file of /proc or /sys. */
export interface HostSetting {
  /** Of a sysctl, with dots; of conntrack's hash table, which is no sysctl: `hashsize`. */
  readonly name: string;
  readonly value: number;
  /** What is larger already stays. */
  readonly raiseOnly: boolean;
}

/** Of a host with many CPUs, kube-proxy asks for no more than this many connections. */
const MOST_CONNECTIONS = 1_048_576;

export const HASH_SIZE = 'hashsize';

/** @param cpus that are online. In the order in which kube-proxy writes them. */
export function hostPlan(settings: Settings, cpus: number): HostSetting[] {
  const plan: HostSetting[] = [];
  const max = conntrackMax(settings, cpus);
  if (max > 0) {
    plan.push({ name: sysctl('max'), value: max, raiseOnly: true });
    plan.push({ name: HASH_SIZE, value: Math.floor(max / 4), raiseOnly: true });
  }
  const timeout = (name: string, ns: bigint) => {
    if (ns <= 0n) return;
    plan.push({ name: sysctl(name), value: Number(ns / SECOND_NS), raiseOnly: false });
  };
  timeout('tcp_timeout_established', settings['conntrack.tcpEstablishedTimeout']);
  timeout('tcp_timeout_close_wait', settings['conntrack.tcpCloseWaitTimeout']);
  if (settings['conntrack.tcpBeLiberal']) {
    plan.push({ name: sysctl('tcp_be_liberal'), value: 1, raiseOnly: false });
  }
  timeout('udp_timeout', settings['conntrack.udpTimeout']);
  timeout('udp_timeout_stream', settings['conntrack.udpStreamTimeout']);
  return plan;
}

/** 0: to be left alone. The limit is on what CPUs make of it, and comes before the least, as in kube-proxy. */
function conntrackMax(settings: Settings, cpus: number): number {
  const perCore = settings['conntrack.maxPerCore'];
  if (perCore <= 0) return 0;
  const scaled = perCore * cpus;
  return scaled > MOST_CONNECTIONS ? MOST_CONNECTIONS : Math.max(scaled, settings['conntrack.min']);
}

function sysctl(name: string): string {
  return `net.netfilter.nf_conntrack_${name}`;
}
