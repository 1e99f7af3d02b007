// SPDX-License-Identifier: Apache-2.0
// The tables that the rows of test/helpers/table-view.ts leave out, as text: what the programs know of the node,
// and of which backends a choice may be remembered.

import { formatEndpoint, unspecifiedAddress } from '../../agent/model/address.ts';
import { protocolName } from '../../agent/model/protocol.ts';
import { prefixOfKey } from '../../agent/reconcile/entries.ts';
import type { KernelTables } from '../../agent/reconcile/kernel-tables.ts';
import {
  FrontendFlags,
  FrontendScope,
  MemberFlags,
  NodeFlags,
} from '../../agent/sys/layout.gen.ts';
import type { View } from '../helpers/table-view.ts';

const UNKNOWN = [unspecifiedAddress('IPv4'), unspecifiedAddress('IPv6')];

/** `node IP 192.168.0.1`, `nodePorts on 192.168.0.1`, `nodePorts on loopback`, `service CIDR 10.96.0.0/12`, `pod CIDR 10.244.0.0/16`. */
export function nodeRows(
  tables: Pick<KernelTables, 'nodes' | 'nodePortAddresses' | 'serviceCidrs' | 'clusterCidrs'>,
): string[] {
  const [[, node] = []] = tables.nodes.entries();
  const nodeIPs = node ? [node.ipv4, node.ipv6].filter((ip) => !UNKNOWN.includes(ip)) : [];
  const hasLoopback = node && node.flags & NodeFlags.LOOPBACK_NODE_PORTS;
  return [
    ...nodeIPs.map((ip) => `node IP ${ip}`),
    ...tables.nodePortAddresses.entries().map(([{ address }]) => `nodePorts on ${address}`),
    ...(hasLoopback ? ['nodePorts on loopback'] : []),
    ...tables.serviceCidrs.entries().map(([key]) => `service CIDR ${prefixOfKey(key)}`),
    ...tables.clusterCidrs.entries().map(([key]) => `pod CIDR ${prefixOfKey(key)}`),
  ].sort();
}

/**
 * `default/dns:dns UDP 10.244.1.2:53 cluster local here`: in which of the lists that its service port uses the backend
 * is, `draining` when it is in none of them, and keeps what it has; `here` when it is on this node.
 */
export function memberRows(tables: Pick<View, 'members' | 'servicePorts' | 'frontends'>): string[] {
  const names = new Map(tables.servicePorts.entries());
  const uses = listsInUse(tables);
  return tables.members
    .entries()
    .map(([{ servicePortId, backend }, { flags }]) => {
      const name = names.get(servicePortId);
      if (!name) return `a member of id ${servicePortId}, which has no name`;
      const used = flags & (uses.get(servicePortId) ?? 0);
      const lists = [
        ...(used & MemberFlags.IN_CLUSTER ? ['cluster'] : []),
        ...(used & MemberFlags.IN_LOCAL ? ['local'] : []),
      ];
      return [
        `${name.namespaceName}/${name.serviceName}:${name.portName}`,
        protocolName(name.protocol) ?? name.protocol,
        formatEndpoint(backend.address, backend.port),
        lists.join(' ') || 'draining',
        ...(flags & MemberFlags.ON_NODE ? ['here'] : []),
      ].join(' ');
    })
    .sort();
}

/** `192.0.2.7 of default/quote`: what answers to a ping, for which Service; `only some` when that restricts it. */
export function echoRows({
  frontends,
  servicePorts,
}: Pick<View, 'frontends' | 'servicePorts'>): string[] {
  const names = new Map(servicePorts.entries());
  return frontends
    .entries()
    .filter(([{ scope }]) => scope === FrontendScope.AT_ECHO)
    .map(([{ address }, { servicePortId, flags }]) => {
      const { namespaceName, serviceName } = names.get(servicePortId) ?? {};
      const restriction = flags & FrontendFlags.RESTRICTED ? '; only some' : '';
      return `${address} of ${namespaceName}/${serviceName}${restriction}`;
    })
    .sort();
}

/** By the id of a service port, the lists that its frontends lead to. */
function listsInUse({ frontends }: Pick<View, 'frontends'>): Map<number, number> {
  const uses = new Map<number, number>();
  for (const [{ scope }, { servicePortId, flags }] of frontends.entries()) {
    if (scope === FrontendScope.AT_OTHER_PORTS || scope === FrontendScope.AT_ECHO) continue;
    const lists = [FrontendFlags.LOCAL_INSIDE, FrontendFlags.LOCAL_OUTSIDE].map((isLocal) =>
      flags & isLocal ? MemberFlags.IN_LOCAL : MemberFlags.IN_CLUSTER,
    );
    for (const list of lists) uses.set(servicePortId, (uses.get(servicePortId) ?? 0) | list);
  }
  return uses;
}
