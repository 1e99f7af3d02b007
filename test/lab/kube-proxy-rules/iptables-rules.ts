// SPDX-License-Identifier: Apache-2.0
// Rules like those of kube-proxy in its mode iptables, for iptables-restore: chains, jumps and what they do, of
// everything that a connection to a Service meets. Beside them kubelet's own chains, which are not kube-proxy's. Pure.

import type { IpFamily } from '../../../agent/model/address.ts';
import { type RuleService, shortHash } from './rule-services.ts';

/** What is masqueraded carries it. */
const MARK = '0x4000/0x4000';

const NAT_CHAINS = [
  'KUBE-SERVICES',
  'KUBE-NODEPORTS',
  'KUBE-POSTROUTING',
  'KUBE-MARK-MASQ',
  'KUBE-PROXY-CANARY',
];
const FILTER_CHAINS = [
  'KUBE-SERVICES',
  'KUBE-EXTERNAL-SERVICES',
  'KUBE-FORWARD',
  'KUBE-NODEPORTS',
  'KUBE-PROXY-FIREWALL',
  'KUBE-PROXY-CANARY',
];

const IS_NEW = '-m conntrack --ctstate NEW';

export interface IptablesContext {
  readonly family: IpFamily;
  /** Clients in it are masqueraded for no clusterIP. */
  readonly clusterCidr: string;
}

/** For iptables-restore --noflush: what was there of kube-proxy is replaced. */
export function iptablesScript(services: readonly RuleService[], context: IptablesContext): string {
  return [...mangleTable(), ...filterTable(services), ...natTable(services, context), ''].join(
    '\n',
  );
}

/** kubelet's chains, and its rule against what comes to loopback addresses from elsewhere. */
export function kubeletScript(family: IpFamily): string {
  const drop =
    '-A KUBE-FIREWALL ! -s 127.0.0.0/8 -d 127.0.0.0/8 -m comment --comment "block incoming localnet connections" ' +
    '-m conntrack ! --ctstate RELATED,ESTABLISHED,DNAT -j DROP';
  return [
    '*mangle',
    ...declare(['KUBE-IPTABLES-HINT', 'KUBE-KUBELET-CANARY']),
    'COMMIT',
    '*filter',
    ...declare(['KUBE-FIREWALL', 'KUBE-KUBELET-CANARY']),
    '-A INPUT -j KUBE-FIREWALL',
    '-A OUTPUT -j KUBE-FIREWALL',
    ...(family === 'IPv4' ? [drop] : []),
    'COMMIT',
    '*nat',
    ...declare(['KUBE-KUBELET-CANARY', 'KUBE-MARK-DROP']),
    'COMMIT',
    '',
  ].join('\n');
}

function mangleTable(): string[] {
  return ['*mangle', ...declare(['KUBE-PROXY-CANARY']), 'COMMIT'];
}

function filterTable(services: readonly RuleService[]): string[] {
  const firewall = `${IS_NEW} ${comment('kubernetes load balancer firewall')} -j KUBE-PROXY-FIREWALL`;
  const portals = `${IS_NEW} ${comment('kubernetes service portals')} -j KUBE-SERVICES`;
  const outside = `${IS_NEW} ${comment('kubernetes externally-visible service portals')} -j KUBE-EXTERNAL-SERVICES`;
  return [
    '*filter',
    ...declare(FILTER_CHAINS),
    ...['INPUT', 'FORWARD', 'OUTPUT'].map((hook) => `-A ${hook} ${firewall}`),
    ...['FORWARD', 'OUTPUT'].map((hook) => `-A ${hook} ${portals}`),
    ...['INPUT', 'FORWARD'].map((hook) => `-A ${hook} ${outside}`),
    `-A INPUT ${comment('kubernetes health check service ports')} -j KUBE-NODEPORTS`,
    `-A FORWARD ${comment('kubernetes forwarding rules')} -j KUBE-FORWARD`,
    '-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP',
    `-A KUBE-FORWARD ${comment('kubernetes forwarding rules')} -m mark --mark ${MARK} -j ACCEPT`,
    `-A KUBE-FORWARD ${comment('kubernetes forwarding conntrack rule')} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT`,
    ...services
      .filter(({ backends }) => backends.length === 0)
      .map(
        ({ name, protocol, clusterIP, port }) =>
          `-A KUBE-SERVICES -d ${clusterIP} ${matching(protocol, port)} ${comment(`${name} has no endpoints`)} -j REJECT`,
      ),
    'COMMIT',
  ];
}

function natTable(services: readonly RuleService[], context: IptablesContext): string[] {
  const served = services.filter(({ backends }) => backends.length > 0);
  const chains = served.flatMap((service) => [
    chainOf('SVC', service),
    chainOf('EXT', service),
    ...service.backends.map((_, i) => endpointChain(service, i)),
  ]);
  const portals = `${comment('kubernetes service portals')} -j KUBE-SERVICES`;
  return [
    '*nat',
    ...declare([...NAT_CHAINS, ...chains]),
    `-A PREROUTING ${portals}`,
    `-A OUTPUT ${portals}`,
    `-A POSTROUTING ${comment('kubernetes postrouting rules')} -j KUBE-POSTROUTING`,
    '-A KUBE-MARK-MASQ -j MARK --or-mark 0x4000',
    `-A KUBE-POSTROUTING -m mark ! --mark ${MARK} -j RETURN`,
    '-A KUBE-POSTROUTING -j MARK --xor-mark 0x4000',
    `-A KUBE-POSTROUTING ${comment('kubernetes service traffic requiring SNAT')} -j MASQUERADE --random-fully`,
    ...served.flatMap((service) => rulesOf(service, context)),
    `-A KUBE-SERVICES ${comment('kubernetes service nodeports; NOTE: this must be the last rule in this chain')} -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS`,
    'COMMIT',
  ];
}

function rulesOf(service: RuleService, { clusterCidr }: IptablesContext): string[] {
  const { name, protocol, clusterIP, port, nodePort, externalIPs, backends } = service;
  const [inside, outside] = [chainOf('SVC', service), chainOf('EXT', service)];
  const dialled = `-d ${clusterIP} ${matching(protocol, port)} ${comment(`${name} cluster IP`)}`;
  return [
    `-A KUBE-SERVICES ${dialled} -j ${inside}`,
    ...externalIPs.map(
      (ip) =>
        `-A KUBE-SERVICES -d ${ip} ${matching(protocol, port)} ${comment(`${name} external IP`)} -j ${outside}`,
    ),
    ...(nodePort
      ? [`-A KUBE-NODEPORTS ${matching(protocol, nodePort)} ${comment(name)} -j ${outside}`]
      : []),
    `-A ${outside} ${comment(`masquerade traffic for ${name} external destinations`)} -j KUBE-MARK-MASQ`,
    `-A ${outside} -j ${inside}`,
    `-A ${inside} ! -s ${clusterCidr} ${dialled} -j KUBE-MARK-MASQ`,
    ...backends.map((_, i) => {
      const left = backends.length - i;
      const chance = left > 1 ? `-m statistic --mode random --probability ${1 / left} ` : '';
      return `-A ${inside} ${chance}-j ${endpointChain(service, i)}`;
    }),
    ...backends.flatMap(({ address, port: targetPort }, i) => {
      const chain = endpointChain(service, i);
      const target = address.includes(':')
        ? `[${address}]:${targetPort}`
        : `${address}:${targetPort}`;
      return [
        `-A ${chain} -s ${address} -j KUBE-MARK-MASQ`,
        `-A ${chain} -p ${protocol} -m ${protocol} -j DNAT --to-destination ${target}`,
      ];
    }),
  ];
}

/** A line for a chain makes it, and empties it when it is there. */
function declare(chains: readonly string[]): string[] {
  return chains.map((chain) => `:${chain} - [0:0]`);
}

function chainOf(kind: 'SVC' | 'EXT', { name, protocol }: RuleService): string {
  return `KUBE-${kind}-${shortHash(name, protocol)}`;
}

function endpointChain({ name, protocol, backends }: RuleService, index: number): string {
  const { address = '', port = 0 } = backends[index] ?? {};
  return `KUBE-SEP-${shortHash(name, protocol, address, port)}`;
}

function matching(protocol: string, port: number): string {
  return `-p ${protocol} -m ${protocol} --dport ${port}`;
}

function comment(text: string): string {
  return `-m comment --comment "${text}"`;
}
