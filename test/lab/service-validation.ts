// SPDX-License-Identifier: Apache-2.0
// What the API server refuses of a Service before it allocates anything (Kubernetes 1.36, validation of
// core/v1 Services). Not all of it: what a test or a demo may get wrong. Pure.

import { parseAddressSloppily, parsePrefix, specialUseOf } from '../../agent/model/address.ts';
import {
  hasAddresses,
  hasHealthCheckNodePort,
  isExternallyAccessible,
  isHeadless,
  type ServicePort,
  type ServiceSpecObject,
} from './service-spec.ts';

type Spec = ServiceSpecObject;

/** Why something is refused, as `field: problem`; undefined when it is fine. */
type Problem = string | undefined;

const TYPES = ['ClusterIP', 'NodePort', 'LoadBalancer', 'ExternalName'];
const PROTOCOLS = ['TCP', 'UDP', 'SCTP'];
const POLICIES = ['Cluster', 'Local'];
const DISTRIBUTIONS = ['PreferClose', 'PreferSameZone', 'PreferSameNode'];
const MAX_AFFINITY_SECONDS = 86_400;
const FOR_LOAD_BALANCERS = "Forbidden: may only be used when `type` is 'LoadBalancer'";

/**
 * @param spec with defaults.
 * @param before the spec that it replaces, when this is an update.
 * @returns the first problem.
 */
export function serviceProblem(spec: Spec, before?: Spec): Problem {
  return (
    unsupported('spec.type', spec.type, TYPES) ??
    (hasAddresses(spec) ? undefined : externalNameProblem(spec)) ??
    portsProblem(spec) ??
    headlessProblem(spec) ??
    affinityProblem(spec) ??
    externalAddressProblem(spec) ??
    loadBalancerProblem(spec, before) ??
    policyProblem(spec)
  );
}

function externalNameProblem(spec: Spec): Problem {
  if (!spec.externalName) return 'spec.externalName: Required value';
  const given = [...(spec.clusterIPs ?? []), ...(spec.clusterIP ? [spec.clusterIP] : [])];
  if (given.length > 0)
    return 'spec.clusterIPs: Forbidden: may not be set for ExternalName services';
  if (spec.ipFamilies?.length) {
    return 'spec.ipFamilies: Forbidden: may not be set for ExternalName services';
  }
  if (!spec.ipFamilyPolicy) return undefined;
  return 'spec.ipFamilyPolicy: Forbidden: may not be set for ExternalName services';
}

function portsProblem(spec: Spec): Problem {
  const { ports = [] } = spec;
  if (ports.length === 0 && !isHeadless(spec) && hasAddresses(spec)) {
    return 'spec.ports: Required value';
  }
  const names = new Set<string>();
  const numbers = new Set<string>();
  const nodePorts = new Set<string>();
  for (const [index, port] of ports.entries()) {
    const at = `spec.ports[${index}]`;
    const { name = '', protocol, nodePort } = port;
    const number = `${protocol}/${port.port}`;
    const problem = portProblem(at, port);
    if (problem) return problem;
    if (ports.length > 1 && !name) return `${at}.name: Required value`;
    if (name && names.has(name)) return `${at}.name: Duplicate value: "${name}"`;
    if (numbers.has(number)) return `${at}: Duplicate value: ${number}`;
    if (nodePort && nodePorts.has(`${protocol}/${nodePort}`)) {
      return `${at}.nodePort: Duplicate value: ${nodePort}`;
    }
    if (nodePort && spec.type === 'ClusterIP') {
      return `${at}.nodePort: Forbidden: may not be used when \`type\` is 'ClusterIP'`;
    }
    names.add(name);
    numbers.add(number);
    nodePorts.add(`${protocol}/${nodePort}`);
  }
  return undefined;
}

function portProblem(at: string, { port, protocol, targetPort }: ServicePort): Problem {
  const range = 'must be between 1 and 65535, inclusive';
  if (!isPort(port)) return `${at}.port: Invalid value: ${port}: ${range}`;
  if (typeof targetPort === 'number' && !isPort(targetPort)) {
    return `${at}.targetPort: Invalid value: ${targetPort}: ${range}`;
  }
  return unsupported(`${at}.protocol`, protocol, PROTOCOLS);
}

function headlessProblem(spec: Spec): Problem {
  const [first] = spec.clusterIPs ?? [];
  if (hasAddresses(spec) && spec.clusterIP && first && first !== spec.clusterIP) {
    return `spec.clusterIPs: Invalid value: ${JSON.stringify(spec.clusterIPs)}: first value must match \`clusterIP\``;
  }
  if (!isHeadless(spec) || spec.type === 'ClusterIP') return undefined;
  return `spec.clusterIPs[0]: Invalid value: "None": may not be set to 'None' for ${spec.type} services`;
}

function affinityProblem(spec: Spec): Problem {
  const { sessionAffinity, sessionAffinityConfig } = spec;
  const problem = unsupported('spec.sessionAffinity', sessionAffinity, ['ClientIP', 'None']);
  if (problem || sessionAffinity === 'None') return problem;
  const { clientIP } = sessionAffinityConfig as { clientIP?: { timeoutSeconds?: number } };
  const seconds = clientIP?.timeoutSeconds ?? 0;
  if (seconds > 0 && seconds <= MAX_AFFINITY_SECONDS) return undefined;
  return `spec.sessionAffinityConfig.clientIP.timeoutSeconds: Invalid value: ${seconds}: must be greater than 0 and less than ${MAX_AFFINITY_SECONDS}`;
}

function externalAddressProblem({ externalIPs = [] }: Spec): Problem {
  for (const [index, text] of externalIPs.entries()) {
    const at = `spec.externalIPs[${index}]: Invalid value: "${text}"`;
    const address = parseAddressSloppily(text);
    if (!address) return `${at}: must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)`;
    const use = specialUseOf(address);
    if (use) return `${at}: may not be ${use}`;
  }
  return undefined;
}

function loadBalancerProblem(spec: Spec, before?: Spec): Problem {
  const { loadBalancerSourceRanges: ranges = [], healthCheckNodePort } = spec;
  const isLoadBalancer = spec.type === 'LoadBalancer';
  if (ranges.length > 0 && !isLoadBalancer) {
    return `spec.LoadBalancerSourceRanges: ${FOR_LOAD_BALANCERS}`;
  }
  const [index, range] = [...ranges.entries()].find(([, text]) => !parsePrefix(text)) ?? [];
  if (range !== undefined) {
    return `spec.LoadBalancerSourceRanges[${index}]: Invalid value: "${range}": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)`;
  }
  for (const field of ['allocateLoadBalancerNodePorts', 'loadBalancerClass']) {
    if (spec[field] !== undefined && !isLoadBalancer) return `spec.${field}: ${FOR_LOAD_BALANCERS}`;
  }
  if (healthCheckNodePort && !hasHealthCheckNodePort(spec)) {
    return `spec.healthCheckNodePort: Invalid value: ${healthCheckNodePort}: may only be set when \`type\` is 'LoadBalancer' and \`externalTrafficPolicy\` is 'Local'`;
  }
  const isMoved =
    before &&
    hasHealthCheckNodePort(before) &&
    hasHealthCheckNodePort(spec) &&
    healthCheckNodePort !== before.healthCheckNodePort;
  return isMoved ? 'spec.healthCheckNodePort: Forbidden: field is immutable' : undefined;
}

function policyProblem(spec: Spec): Problem {
  const { externalTrafficPolicy: external, internalTrafficPolicy: internal } = spec;
  if (external && !isExternallyAccessible(spec)) {
    return `spec.externalTrafficPolicy: Invalid value: "${external}": may only be set for externally-accessible services`;
  }
  return (
    unsupported('spec.externalTrafficPolicy', external, POLICIES) ??
    unsupported('spec.internalTrafficPolicy', internal, POLICIES) ??
    unsupported('spec.trafficDistribution', spec.trafficDistribution, DISTRIBUTIONS)
  );
}

function unsupported(field: string, value: unknown, supported: readonly string[]): Problem {
  if (value === undefined || value === null || supported.includes(value as string))
    return undefined;
  const names = supported.map((name) => `"${name}"`).join(', ');
  return `${field}: Unsupported value: "${value}": supported values: ${names}`;
}

function isPort(value: unknown): boolean {
  return Number.isInteger(value) && (value as number) >= 1 && (value as number) <= 65_535;
}
