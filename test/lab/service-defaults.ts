// SPDX-License-Identifier: Apache-2.0
// The defaults of a Service's spec that need no allocation (Kubernetes 1.36, core/v1 defaulting). Pure.

import {
  isExternallyAccessible,
  type ServicePort,
  type ServiceSpecObject,
} from './service-spec.ts';

interface AffinityConfig {
  readonly clientIP?: { readonly timeoutSeconds?: number };
}

const AFFINITY_SECONDS = 10_800;

/** `spec` with every default filled in. Without affinity there is nothing to configure of it. */
export function withDefaults(given: Partial<ServiceSpecObject>): ServiceSpecObject {
  const { sessionAffinityConfig, ...spec } = given;
  const type = spec.type || 'ClusterIP';
  const sessionAffinity = spec.sessionAffinity || 'None';
  const hasAffinity = sessionAffinity !== 'None';
  return {
    ...spec,
    type,
    ...(spec.ports && { ports: spec.ports.map(portWithDefaults) }),
    sessionAffinity,
    ...(hasAffinity && { sessionAffinityConfig: affinityConfig(sessionAffinityConfig) }),
    ...(type !== 'ExternalName' && {
      internalTrafficPolicy: spec.internalTrafficPolicy || 'Cluster',
    }),
    ...(isExternallyAccessible({ ...spec, type }) && {
      externalTrafficPolicy: spec.externalTrafficPolicy || 'Cluster',
    }),
    ...(type === 'LoadBalancer' && {
      allocateLoadBalancerNodePorts: spec.allocateLoadBalancerNodePorts ?? true,
    }),
  };
}

function affinityConfig(given: unknown): AffinityConfig {
  const { clientIP } = (given ?? {}) as AffinityConfig;
  return { clientIP: { timeoutSeconds: clientIP?.timeoutSeconds ?? AFFINITY_SECONDS } };
}

function portWithDefaults(port: ServicePort): ServicePort {
  return { ...port, protocol: port.protocol || 'TCP', targetPort: port.targetPort || port.port };
}
