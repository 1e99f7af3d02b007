// SPDX-License-Identifier: Apache-2.0
// What a Service says, as kube-proxy reads it (semantics 1.1, 1.3). Used by oracle.ts.

import { canBeExternal, canonical, canonicalSloppily, cidrsOf, familyOf } from './addresses.ts';
import type { Family, Policy, RawService } from './raw-objects.ts';
import { isSoundService } from './sound-objects.ts';

export type Kind = 'clusterIP' | 'externalIP' | 'loadBalancer' | 'nodePort';

/** 1.1 and 1.3: whether the Service asks this proxy for anything. */
export function isProgrammed(service: RawService): boolean {
  const { spec } = service;
  return (
    !isLeftToAnotherProxy(service) &&
    spec.type !== 'ExternalName' &&
    !['', 'None'].includes(spec.clusterIP ?? '') &&
    isSoundService(service)
  );
}

/** 1.1: by the label, whatever its value. */
export function isLeftToAnotherProxy({ metadata }: RawService): boolean {
  return Object.hasOwn(metadata.labels ?? {}, 'service.kubernetes.io/service-proxy-name');
}

/** 1.3: without a clusterIP of the family the Service does not exist in it. */
export function existsIn(family: Family, service: RawService): boolean {
  return clusterIPsOf(service).some((address) => familyOf(address) === family);
}

/** Which of the Service's addresses `address` is. The same one twice counts as the first of these. */
export function kindOf(service: RawService, address: string): Kind | undefined {
  if (clusterIPsOf(service).includes(address)) return 'clusterIP';
  if (loadBalancerIPsOf(service).includes(address)) return 'loadBalancer';
  if (externalIPsOf(service).includes(address)) return 'externalIP';
  return undefined;
}

/** One of each family at most, which sound-objects.ts has made sure of. */
export function clusterIPsOf({ spec }: RawService): string[] {
  return addresses((spec.clusterIPs ?? [spec.clusterIP]).map(canonical));
}

/** What a Service that makes no sense to us may have by the other proxy's lights: all that it names. */
export function namedClusterIPsOf({ spec }: RawService): string[] {
  return addresses([spec.clusterIP, ...(spec.clusterIPs ?? [])].map(canonical));
}

/** Only those that the nodes are to serve: not those with ipMode Proxy. */
export function loadBalancerIPsOf({ status }: RawService): string[] {
  const served = (status?.loadBalancer?.ingress ?? []).filter(
    ({ ipMode }) => (ipMode ?? 'VIP') === 'VIP',
  );
  return addresses(served.map(({ ip }) => canonicalSloppily(ip))).filter(canBeExternal);
}

function externalIPsOf({ spec }: RawService): string[] {
  return addresses((spec.externalIPs ?? []).map(canonicalSloppily)).filter(canBeExternal);
}

/** The source ranges of a family. None: no restriction, and so is a /0. */
export function sourceRangesOf({ spec }: RawService, family: Family): string[] {
  const texts: readonly unknown[] = spec.loadBalancerSourceRanges ?? [];
  const trimmed = texts.map((text) => (typeof text === 'string' ? text.trim() : text));
  const ranges = cidrsOf(family, trimmed);
  return ranges.some((range) => range.endsWith('/0')) ? [] : ranges;
}

/** externalTrafficPolicy counts where something outside can reach the Service by its type. */
export function policyOf({ spec }: RawService, kind: Kind): Policy {
  const { type, internalTrafficPolicy, externalTrafficPolicy, externalIPs } = spec;
  if (kind === 'clusterIP') return internalTrafficPolicy === 'Local' ? 'Local' : 'Cluster';
  const isOpen = type === 'NodePort' || type === 'LoadBalancer' || (externalIPs ?? []).length > 0;
  return isOpen && externalTrafficPolicy === 'Local' ? 'Local' : 'Cluster';
}

/** 1.10. The API server takes one second to one day. @returns undefined without affinity. */
export function affinityTimeoutOf({ spec }: RawService): number | undefined {
  if (spec.sessionAffinity !== 'ClientIP') return undefined;
  const seconds = spec.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? 0;
  return Number.isInteger(seconds) && seconds >= 1 && seconds <= 86_400 ? seconds : 10_800;
}

/** What is no address costs only itself. */
function addresses(texts: readonly (string | undefined)[]): string[] {
  return texts.filter((text) => text !== undefined);
}
