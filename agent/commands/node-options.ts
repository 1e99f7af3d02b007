// SPDX-License-Identifier: Apache-2.0
// Options that say what this node is, shared by `agent` and `explain`: both must see one node.

import os from 'node:os';
import { type Command, Option } from 'commander';
import { wordsOf } from '../config/words.ts';
import { UsageError } from '../errors.ts';
import { type IpAddress, type IpPrefix, parseAddress, parsePrefix } from '../model/address.ts';
import { type NodeConfig, parseNodePortAddresses } from '../model/node-facts.ts';
import {
  DEFAULT_MASQUERADE_PORTS,
  formatPortRange,
  type PortRange,
  parsePortRange,
} from '../model/port-ranges.ts';

export interface NodeOptions {
  readonly nodeName?: string;
  readonly hostnameOverride?: string;
  readonly nodeIp?: readonly IpAddress[];
  readonly clusterCidr?: readonly IpPrefix[];
  readonly serviceCidr?: readonly IpPrefix[];
  /** Empty: none is served. */
  readonly externalIpCidrs?: readonly IpPrefix[];
  readonly nodeportAddresses?: string;
  readonly masqueradeAll?: boolean;
  readonly masqueradePorts?: PortRange;
}

export function addNodeOptions(command: Command): Command {
  return addOwnNodeOptions(command)
    .addOption(
      new Option('--hostname-override <name>', 'as --node-name; kube-proxy calls it so').conflicts(
        'nodeName',
      ),
    )
    .addOption(
      new Option(
        '--cluster-cidr <cidrs>',
        'where pods have their addresses (default: the Node object’s podCIDRs)',
      ).argParser((text) => prefixList('--cluster-cidr', text)),
    )
    .addOption(
      new Option(
        '--nodeport-addresses <cidrs>',
        'where nodePorts are served: CIDRs, or the word primary (default: on all of the node’s addresses)',
      ).argParser((text, before: string | undefined) => (before ? `${before},${text}` : text)),
    )
    .option(
      '--masquerade-all',
      'explain tells of kube-proxy’s SNAT as with this option; packets here do not change by it',
    );
}

/** Those that kube-proxy does not have: the agent reads the others as kube-proxy does (config/options.ts). */
export function addOwnNodeOptions(command: Command): Command {
  return command
    .option('--node-name <name>', 'name of this node (default: the host’s name)')
    .addOption(
      new Option(
        '--node-ip <addresses>',
        'this node’s addresses, one of a family (default: the Node object’s)',
      ).argParser(listed((text) => addressList('--node-ip', text))),
    )
    .addOption(
      new Option(
        '--service-cidr <cidrs>',
        'what clusterIPs are taken from (default: the ServiceCIDR objects)',
      ).argParser(listed((text) => prefixList('--service-cidr', text))),
    )
    .addOption(
      new Option(
        '--external-ip-cidrs <cidrs>',
        "where externalIPs of Services are served; '' for none of them (default: wherever a Service says)",
      ).argParser(listed((text) => prefixList('--external-ip-cidrs', text))),
    )
    .addOption(
      new Option(
        '--masquerade-ports <first-last>',
        `source ports of packets that get an address of the node (default: ${formatPortRange(DEFAULT_MASQUERADE_PORTS)})`,
      ).argParser(masqueradePorts),
    );
}

/** @param defaultName what the node is called when no option says it. @throws UsageError */
export function nodeConfig(options: NodeOptions, defaultName = os.hostname()): NodeConfig {
  const nodeName = (options.nodeName ?? options.hostnameOverride ?? defaultName)
    .trim()
    .toLowerCase();
  if (!nodeName) throw new UsageError('--node-name is empty');
  const nodePortAddresses = parseNodePortAddresses(options.nodeportAddresses ?? '');
  if (typeof nodePortAddresses === 'object' && 'invalid' in nodePortAddresses) {
    throw new UsageError(
      `--nodeport-addresses ${options.nodeportAddresses}: ${nodePortAddresses.invalid}`,
    );
  }
  return {
    nodeName,
    nodeIPs: options.nodeIp ?? [],
    clusterCIDRs: options.clusterCidr ?? [],
    serviceCIDRs: options.serviceCidr ?? [],
    ...(options.externalIpCidrs && { externalIpCidrs: options.externalIpCidrs }),
    nodePortAddresses,
    masqueradeAll: options.masqueradeAll ?? false,
    masqueradePorts: options.masqueradePorts ?? DEFAULT_MASQUERADE_PORTS,
  };
}

/** @throws UsageError */
function masqueradePorts(text: string): PortRange {
  const range = parsePortRange(text);
  if (range === undefined) {
    throw new UsageError(`--masquerade-ports ${text}: not a range of ports, as 49152-65535`);
  }
  return range;
}

/** Of an option that stands several times every value counts, as kube-proxy reads lists. */
export function listed<T>(read: (text: string) => readonly T[]) {
  return (text: string, before: readonly T[] | undefined) => [...(before ?? []), ...read(text)];
}

/** Addresses with commas between them. @throws UsageError */
export function addressList(option: string, text: string): IpAddress[] {
  return wordsOf(text).map((word) => {
    const address = parseAddress(word);
    if (address === undefined) throw new UsageError(`${option}: ${word} is not an IP address`);
    return address;
  });
}

function prefixList(option: string, text: string): IpPrefix[] {
  return wordsOf(text).map((word) => {
    const prefix = parsePrefix(word);
    if (prefix === undefined) {
      throw new UsageError(`${option}: ${word} is not a CIDR, as 10.244.0.0/16`);
    }
    return prefix;
  });
}
