// SPDX-License-Identifier: Apache-2.0
// Objects as an API server sends them, made of what random-cluster.ts draws. What the agent's parsers make of them is
// not compared with what was drawn: the expected tables are made by the same parsers. Used by the simulation.

import { HEADLESS_LABEL } from '../../agent/cluster/endpoint-slice.ts';
import { SERVICE_PROXY_NAME_LABEL } from '../../agent/cluster/service.ts';
import type { WatchedKind } from '../../agent/model/cluster-state.ts';
import { type EndpointSliceSpec, objectKey, type ServiceSpec } from '../../agent/model/objects.ts';
import type { Change } from '../helpers/random-cluster.ts';

/** What makes an object none of the agent's business. */
export type Disguise = 'none' | 'foreign' | 'headless';

export interface NodeFields {
  readonly zone: string;
  readonly addresses: readonly string[];
  readonly podCIDRs: readonly string[];
}

export interface Metadata {
  readonly name: string;
  readonly namespace?: string;
  readonly resourceVersion?: string;
  readonly [field: string]: unknown;
}

export interface ApiObject {
  readonly metadata: Metadata;
  readonly [field: string]: unknown;
}

/** An object as it is from now on; without one it is deleted. */
export interface Write {
  readonly kind: WatchedKind;
  readonly key: string;
  readonly object?: ApiObject;
}

export function writeOf(change: Change, disguise: Disguise): Write {
  if ('removedService' in change) return { kind: 'Service', key: change.removedService };
  if ('removedSlice' in change) return { kind: 'EndpointSlice', key: change.removedSlice };
  if ('service' in change) {
    const object = serviceObject(change.service, disguise);
    return { kind: 'Service', key: objectKey(change.service), object };
  }
  const object = sliceObject(change.slice, disguise);
  return { kind: 'EndpointSlice', key: objectKey(change.slice), object };
}

export function nodeObject(name: string, { zone, addresses, podCIDRs }: NodeFields): ApiObject {
  return {
    metadata: { name, ...(zone && { labels: { 'topology.kubernetes.io/zone': zone } }) },
    spec: { podCIDRs },
    status: { addresses: addresses.map((address) => ({ type: 'InternalIP', address })) },
  };
}

export function serviceCidrObject(name: string, cidrs: readonly string[]): ApiObject {
  return { metadata: { name }, spec: { cidrs } };
}

function serviceObject(spec: ServiceSpec, disguise: Disguise): ApiObject {
  const { name, namespace, creationTimestamp, clusterIPs, affinityTimeoutSeconds } = spec;
  const seconds = { clientIP: { timeoutSeconds: affinityTimeoutSeconds } };
  return {
    metadata: {
      name,
      namespace,
      ...(creationTimestamp !== undefined && { creationTimestamp }),
      ...(spec.balancing === 'maglev' && { annotations: { 'signalbox/balancing': 'maglev' } }),
      ...(disguise === 'foreign' && { labels: { [SERVICE_PROXY_NAME_LABEL]: 'other' } }),
    },
    spec: {
      type: 'LoadBalancer',
      clusterIP: disguise === 'headless' ? 'None' : clusterIPs[0],
      clusterIPs: disguise === 'headless' ? ['None'] : clusterIPs,
      externalIPs: spec.externalIPs,
      loadBalancerSourceRanges: spec.loadBalancerSourceRanges,
      internalTrafficPolicy: spec.internalTrafficPolicy,
      externalTrafficPolicy: spec.externalTrafficPolicy,
      ...(affinityTimeoutSeconds > 0 && {
        sessionAffinity: 'ClientIP',
        sessionAffinityConfig: seconds,
      }),
      ports: spec.ports,
    },
    status: { loadBalancer: { ingress: spec.loadBalancerIPs.map((ip) => ({ ip })) } },
  };
}

function sliceObject(spec: EndpointSliceSpec, disguise: Disguise): ApiObject {
  const labels: Record<string, string> = { 'kubernetes.io/service-name': spec.serviceName };
  if (disguise === 'headless') labels[HEADLESS_LABEL] = '';
  return {
    metadata: {
      name: spec.name,
      namespace: spec.namespace,
      labels,
      ...(spec.weight !== undefined && { annotations: { 'signalbox/weight': `${spec.weight}` } }),
    },
    addressType: spec.addressType,
    ports: spec.ports,
    endpoints: spec.endpoints.map(({ address, nodeName, zoneHints, nodeHints, ...conditions }) => ({
      addresses: [address],
      ...(nodeName !== undefined && { nodeName }),
      conditions,
      hints: {
        forZones: (zoneHints ?? []).map((name) => ({ name })),
        forNodes: (nodeHints ?? []).map((name) => ({ name })),
      },
    })),
  };
}
