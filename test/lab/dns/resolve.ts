// SPDX-License-Identifier: Apache-2.0
// The Kubernetes DNS specification, version 1.1.0: from a question to its answer. Pure.

import type { Answer, Question, SoaAnswer } from 'dns-packet';
import { familyOf, type IpAddress } from '../../../agent/model/address.ts';
import type { DnsView, EndpointRecord, PortRecord, ServiceRecord } from './dns-view.ts';
import { addressOfDashed, addressOfReverseName, isReverseName } from './reverse-name.ts';

export interface Resolution {
  readonly rcode: 'NOERROR' | 'NXDOMAIN' | 'REFUSED';
  readonly answers: readonly Answer[];
  readonly authorities: readonly Answer[];
  readonly additionals: readonly Answer[];
}

/** Seconds. Short, so that a resolver soon asks again after a change. */
export const TTL = 5;
const SCHEMA_VERSION = '1.1.0';
const SRV_TOTAL_WEIGHT = 100;
/** ExternalName Services may name each other, in circles too. */
const MAX_ALIASES = 8;

/** Everything recorded under one name; undefined where a name does not exist. */
interface Name {
  readonly addresses?: readonly IpAddress[];
  readonly alias?: string;
  readonly srv?: readonly Answer[];
  readonly additionals?: readonly Answer[];
  readonly text?: string;
  readonly isApex?: boolean;
}

/** A name that exists only because there are names below it. */
const EMPTY: Name = {};

export function resolve(question: Question, view: DnsView): Resolution {
  const name = question.name.toLowerCase().replace(/\.$/, '');
  if (isReverseName(name)) return resolveReverse(question, name, view);
  if (!isWithin(name, view.domain)) {
    return { rcode: 'REFUSED', answers: [], authorities: [], additionals: [] };
  }
  const soa = soaOf(view.domain);
  const found = lookUp(name, question.name, view);
  if (!found) return { rcode: 'NXDOMAIN', answers: [], authorities: [soa], additionals: [] };
  const aliases: Answer[] = [];
  let target = found;
  let owner = question.name;
  while (target.alias && aliases.length < MAX_ALIASES) {
    const { alias } = target;
    aliases.push({ type: 'CNAME', name: owner, ttl: TTL, class: 'IN', data: alias });
    owner = alias;
    // What is outside the cluster is for the client's resolver to find.
    const lower = alias.toLowerCase();
    target = (isWithin(lower, view.domain) && lookUp(lower, alias, view)) || EMPTY;
    if (question.type === 'CNAME') break;
  }
  const answers = [...aliases, ...recordsOf(target, owner, question.type, soa)];
  return {
    rcode: 'NOERROR',
    answers,
    authorities: answers.length > 0 ? [] : [soa],
    additionals: question.type === 'SRV' ? (target.additionals ?? []) : [],
  };
}

function recordsOf(found: Name, owner: string, type: string, soa: SoaAnswer): Answer[] {
  const { addresses = [], srv = [], text, isApex } = found;
  if (type === 'A' || type === 'AAAA') return addressRecords(owner, addresses, type);
  if (type === 'SRV') return [...srv];
  if (type === 'TXT' && text)
    return [{ type: 'TXT', name: owner, ttl: TTL, class: 'IN', data: text }];
  return type === 'SOA' && isApex ? [soa] : [];
}

/** @param owner `name` as it was asked for: answers repeat the asker's upper and lower case. */
function lookUp(name: string, owner: string, view: DnsView): Name | undefined {
  const relative = name.slice(0, -view.domain.length).replace(/\.$/, '');
  if (relative === '') return { isApex: true };
  const labels = relative.split('.');
  if (relative === 'dns-version') return { text: SCHEMA_VERSION };
  const top = labels.pop();
  if (top === 'svc') return lookUpService(labels, owner, view);
  if (top === 'pod') return lookUpPod(labels, view);
  return undefined;
}

/** @param labels those before `svc`: `[[port, protocol] or hostname] service namespace`. */
function lookUpService(labels: string[], owner: string, view: DnsView): Name | undefined {
  const namespace = labels.pop();
  if (namespace === undefined) return EMPTY;
  const name = labels.pop();
  if (name === undefined) return view.hasNamespace(namespace) ? EMPTY : undefined;
  const service = view.service(namespace, name);
  if (!service) return undefined;
  const [first] = labels;
  if (labels.length === 0) return serviceName(service, owner, view.domain);
  if (labels.length === 1 && first?.startsWith('_')) return protocolName(service, first.slice(1));
  if (labels.length === 1) {
    const hosts = service.endpoints.filter((each) => each.hostname.toLowerCase() === first);
    return hosts.length > 0 ? { addresses: hosts.map((each) => each.address) } : undefined;
  }
  const [port, protocol] = labels.map((label) => (label.startsWith('_') ? label.slice(1) : ''));
  if (labels.length > 2 || !port || !protocol) return undefined;
  return portName(service, owner, port, protocol, view.domain);
}

function serviceName(service: ServiceRecord, owner: string, domain: string): Name | undefined {
  const { externalName, clusterIPs, endpoints, ports } = service;
  if (externalName) return { alias: externalName.replace(/\.$/, '') };
  if (clusterIPs.length > 0) {
    return { addresses: clusterIPs, ...clusterServers(service, owner, ports, domain) };
  }
  // A headless Service without ready endpoints does not exist (2.4.1).
  if (endpoints.length === 0) return undefined;
  const servers = endpointServers(service, owner, () => true, domain);
  return { addresses: endpoints.map((each) => each.address), ...servers };
}

function protocolName({ ports }: ServiceRecord, protocol: string): Name | undefined {
  return ports.some((port) => port.name !== '' && port.protocol === protocol) ? EMPTY : undefined;
}

function portName(
  service: ServiceRecord,
  owner: string,
  port: string,
  protocol: string,
  domain: string,
): Name | undefined {
  const isAsked = (each: PortRecord) => each.name === port && each.protocol === protocol;
  const ports = service.ports.filter(isAsked);
  if (ports.length === 0) return undefined;
  if (service.clusterIPs.length > 0) return clusterServers(service, owner, ports, domain);
  const servers = endpointServers(service, owner, isAsked, domain);
  return servers.srv?.length ? servers : undefined;
}

/** Of a Service's own name too, as widely used servers do: a client finds all ports without knowing their names. */
function clusterServers(
  service: ServiceRecord,
  owner: string,
  ports: readonly PortRecord[],
  domain: string,
): Name {
  const target = fullName(service, domain);
  return {
    srv: ports.map(({ port }) => srvRecord(owner, target, port, ports.length)),
    additionals: targetRecords(target, service.clusterIPs),
  };
}

function endpointServers(
  service: ServiceRecord,
  owner: string,
  isAsked: (port: PortRecord) => boolean,
  domain: string,
): Name {
  const pairs = service.endpoints.flatMap((endpoint) =>
    endpoint.ports.filter(isAsked).map((port) => ({ endpoint, port })),
  );
  const targetOf = (endpoint: EndpointRecord) =>
    `${endpoint.hostname}.${fullName(service, domain)}`;
  // A dual-stack endpoint is one server with two addresses.
  const servers = new Map(
    pairs.map(({ endpoint, port }) => [`${endpoint.hostname} ${port.port}`, { endpoint, port }]),
  );
  const hosts = new Set(pairs.map(({ endpoint }) => endpoint));
  return {
    srv: [...servers.values()].map(({ endpoint, port }) =>
      srvRecord(owner, targetOf(endpoint), port.port, servers.size),
    ),
    additionals: [...hosts].flatMap((host) => targetRecords(targetOf(host), [host.address])),
  };
}

/** Deprecated, but part of the specification (2.6): the address is in the name, whatever Pods there are. */
function lookUpPod(labels: readonly string[], view: DnsView): Name | undefined {
  const [label = '', namespace = ''] = labels;
  if (labels.length === 0) return EMPTY;
  if (labels.length === 1) return view.hasNamespace(label) ? EMPTY : undefined;
  const address = labels.length === 2 ? addressOfDashed(label) : undefined;
  return address && view.hasNamespace(namespace) ? { addresses: [address] } : undefined;
}

function resolveReverse(question: Question, name: string, view: DnsView): Resolution {
  const address = addressOfReverseName(name);
  const services = address ? view.servicesAt(address) : [];
  const targets = services.flatMap((service) => {
    const own = fullName(service, view.domain);
    const hosts = service.endpoints.filter((endpoint) => endpoint.address === address);
    return hosts.length > 0 ? hosts.map((host) => `${host.hostname}.${own}`) : [own];
  });
  const records = targets.map(
    (data): Answer => ({ type: 'PTR', name: question.name, ttl: TTL, class: 'IN', data }),
  );
  const answers = question.type === 'PTR' ? records : [];
  return {
    rcode: targets.length > 0 ? 'NOERROR' : 'NXDOMAIN',
    answers,
    authorities: answers.length > 0 ? [] : [soaOf(view.domain)],
    additionals: [],
  };
}

function addressRecords(
  name: string,
  addresses: readonly IpAddress[],
  type: 'A' | 'AAAA',
): Answer[] {
  const family = type === 'A' ? 'IPv4' : 'IPv6';
  return addresses
    .filter((address) => familyOf(address) === family)
    .map((data) => ({ type, name, ttl: TTL, class: 'IN', data }));
}

function targetRecords(name: string, addresses: readonly IpAddress[]): Answer[] {
  return [...addressRecords(name, addresses, 'A'), ...addressRecords(name, addresses, 'AAAA')];
}

function srvRecord(name: string, target: string, port: number, servers: number): Answer {
  const weight = Math.max(1, Math.floor(SRV_TOTAL_WEIGHT / servers));
  return { type: 'SRV', name, ttl: TTL, class: 'IN', data: { priority: 0, weight, port, target } };
}

function fullName({ name, namespace }: ServiceRecord, domain: string): string {
  return `${name}.${namespace}.svc.${domain}`;
}

function soaOf(domain: string): SoaAnswer {
  return {
    type: 'SOA',
    name: domain,
    ttl: TTL,
    class: 'IN',
    data: {
      mname: `ns.dns.${domain}`,
      rname: `hostmaster.${domain}`,
      serial: 1,
      refresh: 7200,
      retry: 1800,
      expire: 86_400,
      minimum: TTL,
    },
  };
}

function isWithin(name: string, domain: string): boolean {
  return name === domain || name.endsWith(`.${domain}`);
}
