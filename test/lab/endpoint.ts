// SPDX-License-Identifier: Apache-2.0
// One Pod as one endpoint of a Service: its address, ports, conditions and hints, by the rules of
// Kubernetes' EndpointSlice controller. Pure.

import { familyOf, type IpFamily, parseAddress } from '../../agent/model/address.ts';
import type { KubeObject } from './kube-object.ts';
import { type ServicePort, serviceSpec } from './service-spec.ts';

export interface SlicePort {
  readonly name: string;
  readonly protocol: string;
  readonly port: number;
  readonly appProtocol?: string;
}

export interface Endpoint {
  readonly addresses: readonly [string];
  readonly conditions: {
    readonly ready: boolean;
    readonly serving: boolean;
    readonly terminating: boolean;
  };
  readonly hostname?: string;
  readonly nodeName?: string;
  readonly zone?: string;
  readonly hints?: {
    readonly forZones?: readonly { readonly name: string }[];
    readonly forNodes?: readonly { readonly name: string }[];
  };
  readonly targetRef: Readonly<Record<string, string>>;
}

interface ContainerPort {
  readonly name?: string;
  readonly containerPort: number;
  readonly protocol?: string;
}
interface Container {
  readonly ports?: readonly ContainerPort[];
  readonly restartPolicy?: string;
}
interface PodFields {
  readonly spec?: {
    readonly nodeName?: string;
    readonly hostname?: string;
    readonly subdomain?: string;
    readonly containers?: readonly Container[];
    readonly initContainers?: readonly Container[];
  };
  readonly status?: {
    readonly phase?: string;
    readonly podIP?: string;
    readonly podIPs?: readonly { readonly ip: string }[];
    readonly conditions?: readonly { readonly type: string; readonly status: string }[];
  };
}

/** @param zoneOf the topology zone of a node. */
export function endpointOf(
  service: KubeObject,
  pod: KubeObject,
  address: string,
  zoneOf: (nodeName: string) => string | undefined,
): Endpoint {
  const { spec = {} } = pod as PodFields;
  const { publishNotReadyAddresses = false, trafficDistribution } = serviceSpec(service);
  const { name, namespace = '', uid = '' } = pod.metadata;
  const serving = isReady(pod);
  const terminating = pod.metadata.deletionTimestamp !== undefined;
  const ready = publishNotReadyAddresses || (serving && !terminating);
  const zone = spec.nodeName ? zoneOf(spec.nodeName) : undefined;
  const hints = ready ? hintsFor(trafficDistribution, zone, spec.nodeName) : undefined;
  return {
    addresses: [address],
    conditions: { ready, serving, terminating },
    ...(spec.hostname && spec.subdomain === service.metadata.name && { hostname: spec.hostname }),
    ...(spec.nodeName && { nodeName: spec.nodeName }),
    ...(zone && { zone }),
    ...(hints && { hints }),
    targetRef: { kind: 'Pod', namespace, name, uid },
  };
}

function hintsFor(
  distribution: string | undefined,
  zone: string | undefined,
  nodeName: string | undefined,
): Endpoint['hints'] {
  const forZones = zone ? { forZones: [{ name: zone }] } : undefined;
  if (distribution === 'PreferClose' || distribution === 'PreferSameZone') return forZones;
  if (distribution !== 'PreferSameNode' || !nodeName) return undefined;
  return { ...forZones, forNodes: [{ name: nodeName }] };
}

/** The Service's ports on this Pod. A port whose named target the Pod does not have is left out. */
export function portsFor(service: KubeObject, pod: KubeObject): SlicePort[] {
  return (serviceSpec(service).ports ?? []).flatMap((port) => {
    const number = targetPort(port, pod);
    if (number === undefined) return [];
    const { name = '', protocol, appProtocol } = port;
    return [{ name, protocol, port: number, ...(appProtocol && { appProtocol }) }];
  });
}

function targetPort(
  { targetPort: target, protocol, port }: ServicePort,
  pod: KubeObject,
): number | undefined {
  if (target === undefined || target === '') return port;
  if (typeof target === 'number') return target;
  const { containers = [], initContainers = [] } = (pod as PodFields).spec ?? {};
  const sidecars = initContainers.filter((container) => container.restartPolicy === 'Always');
  const ports = [...containers, ...sidecars].flatMap((container) => container.ports ?? []);
  return ports.find((each) => each.name === target && (each.protocol ?? 'TCP') === protocol)
    ?.containerPort;
}

function isReady(pod: KubeObject): boolean {
  const conditions = (pod as PodFields).status?.conditions ?? [];
  return conditions.some(({ type, status }) => type === 'Ready' && status === 'True');
}

/** Its containers have ended for good: it is nobody's endpoint. */
export function isOver(pod: KubeObject): boolean {
  return ['Failed', 'Succeeded'].includes((pod as PodFields).status?.phase ?? '');
}

/** The Pod's own address of a family; undefined before it has one. */
export function addressOf(pod: KubeObject, family: IpFamily): string | undefined {
  const { podIP, podIPs = podIP ? [{ ip: podIP }] : [] } = (pod as PodFields).status ?? {};
  return podIPs
    .flatMap(({ ip }) => parseAddress(ip) ?? [])
    .find((address) => familyOf(address) === family);
}
