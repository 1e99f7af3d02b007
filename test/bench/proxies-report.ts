// SPDX-License-Identifier: Apache-2.0
// What each proxy took, for people: one line a proxy, also for those that were not there to measure.

import { printTable } from '../../agent/commands/table.ts';
import type { KubeProxyMode } from '../lab/kube-proxy-config.ts';
import type { ProxyMemory } from './proxy-memory.ts';

const HEAD = ['PROXY', 'START TO LAST SERVICE', 'RSS MIB', 'PEAK', 'NOT SHARED', 'IN KERNEL MIB'];

export function printProxies(
  proxies: readonly ProxyMemory[],
  modes: readonly KubeProxyMode[],
): void {
  printTable(HEAD, proxyRows(proxies, modes));
}

/** @param modes of kube-proxy that the reader may have wanted. Pure. */
export function proxyRows(
  proxies: readonly ProxyMemory[],
  modes: readonly KubeProxyMode[],
): string[][] {
  const missing = modes
    .map(kubeProxyName)
    .filter((name) => !proxies.some((proxy) => proxy.name === name));
  return [
    ...proxies.map(({ name, programmedMs, rssMiB, peakRssMiB, anonymousMiB, kernelMiB }) => [
      name,
      `${programmedMs.toFixed(0)} ms`,
      ...[rssMiB, peakRssMiB, anonymousMiB].map((value) => value.toFixed(0)),
      kernelMiB?.toFixed(1) ?? 'not counted here',
    ]),
    ...missing.map((name) => [name, 'not measured: --kube-proxy FILE', '', '', '', '']),
  ];
}

export function kubeProxyName(mode: KubeProxyMode): string {
  return `kube-proxy, ${mode}`;
}
