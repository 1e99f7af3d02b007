// SPDX-License-Identifier: Apache-2.0
// What `status` says of another proxy on the node, and what to do about it. Pure.

import type { KubeProxyStatus } from '../telemetry/status.ts';

/** One line each; none when nothing of it is there. */
export function kubeProxyLines(kubeProxy: KubeProxyStatus | undefined): string[] {
  if (!kubeProxy) return [];
  const { rules, hasIpvs, problems } = kubeProxy;
  return [
    ...(hasIpvs ? ['serves by IPVS: drain the node and remove it before (docs/migrating.md)'] : []),
    ...(rules && !hasIpvs
      ? [`its rules are still here: ${rules}. Next: end it, then signalbox cleanup --kube-proxy`]
      : []),
    ...connectionLines(kubeProxy),
    ...problems,
  ];
}

function connectionLines({ rules, connections }: KubeProxyStatus): string[] {
  const counts = Object.entries(connections).map(([protocol, count]) => `${count} ${protocol}`);
  if (counts.length === 0) return rules ? ['none of its connections go on'] : [];
  const next = rules ? '' : '; nothing to do, they end by themselves';
  return [`connections that it has translated go on: ${counts.join(', ')}${next}`];
}
