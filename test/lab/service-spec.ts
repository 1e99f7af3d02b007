// SPDX-License-Identifier: Apache-2.0
// What the API server makes of a Service's spec before anything is allocated: defaults, and the
// refusals of what makes no sense. Pure.

import type { KubeObject } from './kube-object.ts';

export interface ServicePort {
  readonly name?: string;
  readonly protocol: string;
  readonly port: number;
  readonly targetPort?: number | string;
  readonly nodePort?: number;
  readonly appProtocol?: string;
}

export interface ServiceSpecObject {
  readonly type: string;
  readonly selector?: Readonly<Record<string, string>>;
  readonly ports?: readonly ServicePort[];
  readonly clusterIP?: string;
  readonly clusterIPs?: readonly string[];
  readonly ipFamilies?: readonly string[];
  readonly ipFamilyPolicy?: string;
  readonly externalName?: string;
  readonly publishNotReadyAddresses?: boolean;
  readonly trafficDistribution?: string;
  readonly healthCheckNodePort?: number;
  readonly externalTrafficPolicy?: string;
  readonly allocateLoadBalancerNodePorts?: boolean;
  readonly [field: string]: unknown;
}

const TYPES = ['ClusterIP', 'NodePort', 'LoadBalancer', 'ExternalName'];
const PROTOCOLS = ['TCP', 'UDP', 'SCTP'];
const AFFINITY_SECONDS = 10_800;

export function serviceSpec(service: KubeObject): ServiceSpecObject {
  return (service.spec ?? {}) as ServiceSpecObject;
}

export function isHeadless(spec: ServiceSpecObject): boolean {
  return (spec.clusterIP ?? spec.clusterIPs?.[0]) === 'None';
}

/** NodePort and LoadBalancer Services are reachable on node ports. */
export function wantsNodePorts(spec: ServiceSpecObject): boolean {
  if (spec.type === 'NodePort') return true;
  return spec.type === 'LoadBalancer' && spec.allocateLoadBalancerNodePorts !== false;
}

/** Health-check node ports exist for load balancers that keep to local endpoints. */
export function wantsHealthCheckNodePort(spec: ServiceSpecObject): boolean {
  return spec.type === 'LoadBalancer' && spec.externalTrafficPolicy === 'Local';
}

/** `spec` with every default filled in that does not need an allocation. */
export function withDefaults(spec: Partial<ServiceSpecObject>): ServiceSpecObject {
  const type = spec.type || 'ClusterIP';
  const external = type === 'NodePort' || type === 'LoadBalancer';
  const affinity = spec.sessionAffinity ?? 'None';
  const timeout = { clientIP: { timeoutSeconds: AFFINITY_SECONDS } };
  return {
    ...spec,
    type,
    ...(spec.ports && { ports: spec.ports.map(portWithDefaults) }),
    sessionAffinity: affinity,
    ...(affinity === 'ClientIP' && {
      sessionAffinityConfig: spec.sessionAffinityConfig ?? timeout,
    }),
    ...(type !== 'ExternalName' && {
      internalTrafficPolicy: spec.internalTrafficPolicy ?? 'Cluster',
    }),
    ...(external && { externalTrafficPolicy: spec.externalTrafficPolicy ?? 'Cluster' }),
    ...(type === 'LoadBalancer' && {
      allocateLoadBalancerNodePorts: spec.allocateLoadBalancerNodePorts ?? true,
    }),
  };
}

/** @returns why the API server refuses `spec` (already with defaults), as `field: problem`; undefined when it is fine. */
export function serviceProblem(spec: ServiceSpecObject): string | undefined {
  if (!TYPES.includes(spec.type)) return `spec.type: Unsupported value: "${spec.type}"`;
  if (spec.type === 'ExternalName') {
    return spec.externalName ? undefined : 'spec.externalName: Required value';
  }
  const ports = spec.ports ?? [];
  if (ports.length === 0 && !isHeadless(spec)) return 'spec.ports: Required value';
  if (isHeadless(spec) && spec.type !== 'ClusterIP') {
    return `spec.clusterIPs[0]: Invalid value: "None": may not be set to 'None' for ${spec.type} services`;
  }
  const names = new Set<string>();
  const numbers = new Set<string>();
  for (const [index, port] of ports.entries()) {
    const at = `spec.ports[${index}]`;
    if (!isPort(port.port))
      return `${at}.port: Invalid value: ${port.port}: must be between 1 and 65535`;
    if (!PROTOCOLS.includes(port.protocol)) {
      return `${at}.protocol: Unsupported value: "${port.protocol}"`;
    }
    if (typeof port.targetPort === 'number' && !isPort(port.targetPort)) {
      return `${at}.targetPort: Invalid value: ${port.targetPort}: must be between 1 and 65535`;
    }
    if (ports.length > 1 && !port.name) return `${at}.name: Required value`;
    if (port.name && names.has(port.name)) return `${at}.name: Duplicate value: "${port.name}"`;
    if (numbers.has(`${port.protocol}/${port.port}`)) {
      return `${at}: Duplicate value: ${port.protocol}/${port.port}`;
    }
    names.add(port.name ?? '');
    numbers.add(`${port.protocol}/${port.port}`);
  }
  return undefined;
}

function portWithDefaults(port: ServicePort): ServicePort {
  return { ...port, protocol: port.protocol ?? 'TCP', targetPort: port.targetPort ?? port.port };
}

function isPort(value: unknown): boolean {
  return Number.isInteger(value) && (value as number) >= 1 && (value as number) <= 65_535;
}
