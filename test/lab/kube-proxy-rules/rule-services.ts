// SPDX-License-Identifier: Apache-2.0
// What rules like those of kube-proxy are made of: service ports of one family with their backends, from Services and
// EndpointSlices. Only what those rules need to be whole: endpoints that are ready, policy Cluster, no affinity. Pure.

import { createHash } from 'node:crypto';
import { familyOf, type IpFamily, parseAddress } from '../../../agent/model/address.ts';
import type { KubeObject } from '../kube-object.ts';

export interface RuleBackend {
  readonly address: string;
  readonly port: number;
}

export interface RuleService {
  /** `default/quote:http` */
  readonly name: string;
  readonly protocol: 'tcp' | 'udp';
  readonly clusterIP: string;
  readonly port: number;
  readonly nodePort: number | undefined;
  /** External and load-balancer addresses. */
  readonly externalIPs: readonly string[];
  readonly backends: readonly RuleBackend[];
}

interface ServiceSpec {
  readonly clusterIPs?: readonly string[];
  readonly externalIPs?: readonly string[];
  readonly ports?: readonly {
    readonly name?: string;
    readonly protocol?: string;
    readonly port: number;
    readonly nodePort?: number;
  }[];
}

interface SliceFields {
  readonly addressType: IpFamily;
  readonly ports?: readonly {
    readonly name?: string;
    readonly protocol?: string;
    readonly port?: number;
  }[];
  readonly endpoints?: readonly {
    readonly addresses: readonly string[];
    readonly conditions?: { readonly ready?: boolean };
  }[];
}

const SERVICE_LABEL = 'kubernetes.io/service-name';

/** @param objects Services and EndpointSlices, among whatever else. */
export function ruleServices(objects: readonly KubeObject[], family: IpFamily): RuleService[] {
  const slices = Map.groupBy(
    objects.filter(({ kind }) => kind === 'EndpointSlice'),
    ({ metadata: { namespace, labels } }) => `${namespace}/${labels?.[SERVICE_LABEL]}`,
  );
  return objects
    .filter(({ kind }) => kind === 'Service')
    .flatMap((service) => {
      const { namespace, name } = service.metadata;
      return portsOf(service, slices.get(`${namespace}/${name}`) ?? [], family);
    });
}

function portsOf(
  { metadata, spec, status }: KubeObject,
  slices: readonly KubeObject[],
  family: IpFamily,
): RuleService[] {
  const { clusterIPs = [], externalIPs = [], ports = [] } = spec as ServiceSpec;
  const clusterIP = clusterIPs.find((ip) => isOf(family, ip));
  if (clusterIP === undefined) return [];
  const { loadBalancer } = (status ?? {}) as { loadBalancer?: { ingress?: { ip?: string }[] } };
  const ingress = (loadBalancer?.ingress ?? []).flatMap(({ ip }) => ip ?? []);
  return ports.map(({ name = '', protocol = 'TCP', port, nodePort }) => ({
    name: `${metadata.namespace}/${metadata.name}${name && `:${name}`}`,
    protocol: protocol.toLowerCase() as RuleService['protocol'],
    clusterIP,
    port,
    nodePort,
    externalIPs: [...externalIPs, ...ingress].filter((ip) => isOf(family, ip)),
    backends: slices.flatMap((slice) => backendsIn(slice, family, name)),
  }));
}

function backendsIn(slice: KubeObject, family: IpFamily, portName: string): RuleBackend[] {
  const { addressType, ports = [], endpoints = [] } = slice as unknown as SliceFields;
  const port = ports.find(({ name = '' }) => name === portName)?.port;
  if (addressType !== family || port === undefined) return [];
  return endpoints
    .filter(({ conditions }) => conditions?.ready !== false)
    .flatMap(({ addresses: [address] }) => (address === undefined ? [] : { address, port }));
}

function isOf(family: IpFamily, ip: string): boolean {
  const address = parseAddress(ip);
  return address !== undefined && familyOf(address) === family;
}

/** Sixteen letters and digits that stand for something longer, as in the names of kube-proxy's chains. */
export function shortHash(...parts: readonly (string | number)[]): string {
  const digest = createHash('sha256').update(parts.join(' ')).digest('hex');
  return digest.slice(0, 16).toUpperCase();
}
