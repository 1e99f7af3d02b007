// SPDX-License-Identifier: Apache-2.0
// What an update of a Service's spec means: it keeps what was allocated and is left out, and drops what a
// new type has no use for, unless the client changed that too (Kubernetes 1.36, registry/core/service).
// Pure; the next step is validation.

import { isDeepStrictEqual } from 'node:util';
import {
  hasAddresses,
  hasHealthCheckNodePort,
  hasNodePorts,
  isExternallyAccessible,
  type ServicePort,
  type ServiceSpecObject,
} from './service-spec.ts';

type Spec = ServiceSpecObject;

/** @param spec with defaults. @param before the admitted spec that it replaces. */
export function asUpdate(spec: Spec, before: Spec): Spec {
  return withHeldAddresses(withHeldNodePorts(withoutForeign(spec, before), before), before);
}

/** Fields that only some Services have, and which Services these are. */
const DEPENDENT_FIELDS: readonly (readonly [fields: string[], isFor: (spec: Spec) => boolean])[] = [
  [['clusterIP', 'clusterIPs'], hasAddresses],
  [['ipFamilies'], hasAddresses],
  [['ipFamilyPolicy'], hasAddresses],
  [['healthCheckNodePort'], hasHealthCheckNodePort],
  [['allocateLoadBalancerNodePorts'], isLoadBalancer],
  [['loadBalancerClass'], isLoadBalancer],
  [['externalTrafficPolicy'], isExternallyAccessible],
];

function withoutForeign(spec: Spec, before: Spec): Spec {
  const foreign = DEPENDENT_FIELDS.filter(([, isFor]) => isFor(before) && !isFor(spec))
    .map(([fields]) => fields)
    .filter((fields) => fields.every((field) => isDeepStrictEqual(spec[field], before[field])));
  const dropped = new Set(foreign.flat());
  const left = Object.fromEntries(Object.entries(spec).filter(([field]) => !dropped.has(field)));
  return { ...(left as Spec), ...portsWithoutForeign(spec, before) };
}

function portsWithoutForeign(spec: Spec, before: Spec): { ports?: readonly ServicePort[] } {
  const { ports } = spec;
  if (!ports || hasNodePorts(spec) || !hasNodePorts(before)) return {};
  const held = nodePortsOf(before);
  const isOwn = ({ nodePort }: ServicePort) => !nodePort || held.has(nodePort);
  return ports.every(isOwn) ? { ports: ports.map(({ nodePort: _, ...port }) => port) } : {};
}

/** Ports are the same when they have the same name, whatever else has changed of them. */
function withHeldNodePorts(spec: Spec, before: Spec): Spec {
  const { ports } = spec;
  if (!ports || !hasNodePorts(spec) || !hasNodePorts(before)) return spec;
  const given = nodePortsOf(spec);
  const byName = new Map(before.ports?.map((port) => [port.name ?? '', port.nodePort]));
  const kept = ports.map((port) => {
    const held = byName.get(port.name ?? '');
    return port.nodePort || !held || given.has(held) ? port : { ...port, nodePort: held };
  });
  const { healthCheckNodePort: health } = before;
  const keepsHealth = hasHealthCheckNodePort(before) && hasHealthCheckNodePort(spec) && health;
  return {
    ...spec,
    ports: kept,
    ...(keepsHealth && { healthCheckNodePort: spec.healthCheckNodePort || health }),
  };
}

function withHeldAddresses(spec: Spec, before: Spec): Spec {
  if (!hasAddresses(spec) || !hasAddresses(before)) return spec;
  const clusterIP = spec.clusterIP || before.clusterIP;
  const clusterIPs = spec.clusterIPs?.length ? spec.clusterIPs : before.clusterIPs;
  // Who knows only the one field changes only that one: then it is refused for what it is.
  const isOldClient =
    clusterIP !== before.clusterIP && isDeepStrictEqual(clusterIPs, before.clusterIPs);
  const ipFamilyPolicy = spec.ipFamilyPolicy ?? before.ipFamilyPolicy;
  const ipFamilies = spec.ipFamilies ?? before.ipFamilies;
  return {
    ...spec,
    ...(clusterIP && { clusterIP }),
    ...(clusterIPs && { clusterIPs: isOldClient && clusterIP ? [clusterIP] : clusterIPs }),
    ...(ipFamilyPolicy && { ipFamilyPolicy }),
    ...(ipFamilies && { ipFamilies }),
  };
}

function nodePortsOf({ ports = [] }: Spec): Set<number> {
  return new Set(ports.flatMap(({ nodePort }) => nodePort || []));
}

function isLoadBalancer({ type }: Spec): boolean {
  return type === 'LoadBalancer';
}
