// SPDX-License-Identifier: Apache-2.0
// Rules like those of kube-proxy in its mode nftables, for nft -f: one table for each family, with maps that lead from
// what is dialled to a chain for each service port. Pure.

import type { IpFamily } from '../../../agent/model/address.ts';
import { type RuleService, shortHash } from './rule-services.ts';

const MARK = '0x4000';

export interface NftablesContext {
  readonly family: IpFamily;
  readonly clusterCidr: string;
  readonly serviceCidr: string;
  /** `50000-50001`: what is masqueraded gets one of them. Default: any. */
  readonly masqueradePorts?: string | undefined;
}

/** In place of a table that was there. */
export function nftablesScript(services: readonly RuleService[], context: NftablesContext): string {
  const { family, clusterCidr, serviceCidr, masqueradePorts } = context;
  const [ip, type, loopback] =
    family === 'IPv4' ? ['ip', 'ipv4_addr', '127.0.0.0/8'] : ['ip6', 'ipv6_addr', '::1'];
  const served = services.filter(({ backends }) => backends.length > 0);
  const unserved = services.filter(({ backends }) => backends.length === 0);
  const mark = `mark set mark or ${MARK}`;
  const to = masqueradePorts ? `meta l4proto tcp masquerade to :${masqueradePorts}` : 'masquerade';
  return `
table ${ip} kube-proxy {}
delete table ${ip} kube-proxy
table ${ip} kube-proxy {
  comment "rules for kube-proxy"
  set cluster-ips { type ${type}; ${elements(unique(services.map(({ clusterIP }) => clusterIP)))} }
  map service-ips { type ${type} . inet_proto . inet_service : verdict; ${elements(firstOfKey(served.flatMap(addressElements)))} }
  map service-nodeports { type inet_proto . inet_service : verdict; ${elements(served.flatMap(nodePortElements))} }
  map no-endpoint-services { type ${type} . inet_proto . inet_service : verdict; ${elements(unserved.map(refusedElement))} }
  set hairpin-connections { type ${type} . ${type} . inet_proto . inet_service; ${elements(unique(served.flatMap(hairpinElements)))} }

  chain reject-chain { reject; }
  ${served.map((service) => serviceChains(service, ip, mark)).join('\n')}

  chain services {
    ${ip} daddr @cluster-ips ${ip} saddr != ${clusterCidr} ${mark}
    ${ip} daddr . meta l4proto . th dport vmap @service-ips
    fib daddr type local ${ip} daddr != ${loopback} meta l4proto . th dport vmap @service-nodeports
  }
  chain service-endpoints-check { ${ip} daddr . meta l4proto . th dport vmap @no-endpoint-services; }
  chain cluster-ips-check {
    ${ip} daddr @cluster-ips reject
    ${ip} daddr ${serviceCidr} drop
  }
  chain masquerading {
    mark and ${MARK} != 0 mark set mark xor ${MARK} ${to} fully-random
    ct status dnat ${ip} saddr . ${ip} daddr . meta l4proto . th dport @hairpin-connections masquerade fully-random
  }

  chain filter-input {
    type filter hook input priority 0;
    ct state new jump service-endpoints-check
  }
  chain filter-forward {
    type filter hook forward priority 0;
    ct state new jump service-endpoints-check
    ct state new jump cluster-ips-check
  }
  chain filter-output {
    type filter hook output priority 0;
    ct state new jump service-endpoints-check
    ct state new jump cluster-ips-check
  }
  chain nat-prerouting { type nat hook prerouting priority -100; jump services; }
  chain nat-output { type nat hook output priority -100; jump services; }
  chain nat-postrouting { type nat hook postrouting priority 100; jump masquerading; }
}
`;
}

function serviceChains(service: RuleService, ip: string, mark: string): string {
  const { protocol, backends } = service;
  const targets = backends.map(({ address, port }, i) => `${i} : ${address} . ${port}`);
  return `
  chain ${chainOf('service', service)} {
    meta l4proto ${protocol} dnat ${ip} addr . port to numgen random mod ${backends.length} map { ${targets.join(', ')} }
  }
  chain ${chainOf('external', service)} {
    ${mark}
    goto ${chainOf('service', service)}
  }`;
}

function addressElements(service: RuleService): string[] {
  const { protocol, clusterIP, port, externalIPs } = service;
  const external = externalIPs.map(
    (ip) => `${ip} . ${protocol} . ${port} : goto ${chainOf('external', service)}`,
  );
  return [
    `${clusterIP} . ${protocol} . ${port} : goto ${chainOf('service', service)}`,
    ...external,
  ];
}

function nodePortElements(service: RuleService): string[] {
  const { protocol, nodePort } = service;
  return nodePort ? [`${protocol} . ${nodePort} : goto ${chainOf('external', service)}`] : [];
}

function refusedElement({ clusterIP, protocol, port }: RuleService): string {
  return `${clusterIP} . ${protocol} . ${port} : goto reject-chain`;
}

function hairpinElements({ protocol, backends }: RuleService): string[] {
  return backends.map(({ address, port }) => `${address} . ${address} . ${protocol} . ${port}`);
}

function chainOf(kind: 'service' | 'external', { name, protocol }: RuleService): string {
  return `${kind}-${shortHash(name, protocol)}/${name.replaceAll(/[/:]/g, '-')}`.replace('/', '-');
}

function elements(list: readonly string[]): string {
  return list.length ? `elements = { ${list.join(', ')} };` : '';
}

/** Of Services that claim the same address and port one is served, as with kube-proxy: a map takes no key twice. */
function firstOfKey(list: readonly string[]): string[] {
  const byKey = new Map<string, string>();
  for (const element of list) {
    const [key = ''] = element.split(' : ');
    if (!byKey.has(key)) byKey.set(key, element);
  }
  return [...byKey.values()];
}

function unique<T>(list: readonly T[]): T[] {
  return [...new Set(list)];
}
