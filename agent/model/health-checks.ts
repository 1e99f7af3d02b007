// SPDX-License-Identifier: Apache-2.0
// What a node answers to the health checks of load balancers, Service by Service (semantics 1.11): which port, at which
// addresses, and with how many endpoints. Pure; used by the servers that answer.
//
// Each family is counted and served by itself, as kube-proxy does since 1.36: who asks by IPv6 hears of IPv6 endpoints.

import {
  familyOf,
  type IpAddress,
  type IpFamily,
  LOOPBACK_ADDRESSES,
  prefixContains,
  prefixFamily,
  prefixLength,
  unspecifiedAddress,
} from './address.ts';
import { candidates, isLocal, type NodeTraits } from './endpoint-selection.ts';
import { type NodeFacts, nodePortAddressesOf } from './node-facts.ts';
import type { EndpointSliceSpec, ServiceSpec } from './objects.ts';

export interface HealthCheck {
  readonly namespace: string;
  readonly name: string;
  readonly port: number;
  /** How many endpoints of each of the Service's families are ready on this node; see {@link localEndpoints}. */
  readonly localEndpoints: ReadonlyMap<IpFamily, number>;
}

/** @returns undefined when the Service has no port for health checks. */
export function healthCheckOf(
  service: ServiceSpec,
  slices: readonly EndpointSliceSpec[],
  node: Pick<NodeTraits, 'name'>,
): HealthCheck | undefined {
  const { namespace, name, healthCheckNodePort: port } = service;
  if (port === undefined) return undefined;
  const families = service.clusterIPs.map(familyOf);
  return {
    namespace,
    name,
    port,
    localEndpoints: new Map(
      families.map((family) => [family, localEndpoints(slices, family, node)]),
    ),
  };
}

/**
 * Different addresses that are ready on `node`, over all ports of the slices, as kube-proxy counts them. One that
 * terminates is not ready, also while it is served for want of another: so a load balancer learns to go elsewhere.
 */
function localEndpoints(
  slices: readonly EndpointSliceSpec[],
  family: IpFamily,
  node: Pick<NodeTraits, 'name'>,
): number {
  const ports = new Map(
    slices.flatMap((slice) => slice.ports.map((port) => [`${port.name}/${port.protocol}`, port])),
  );
  const addresses = [...ports.values()].flatMap((port) =>
    candidates(slices, family, port)
      .found.filter((candidate) => candidate.endpoint.ready && isLocal(candidate, node))
      .map(({ backend }) => backend.address),
  );
  return new Set(addresses).size;
}

/**
 * Where to listen for health checks of `family`: at every address, or at those of the node that
 * --nodeport-addresses names; loopback among them when a CIDR has it.
 */
export function healthCheckHosts(
  facts: Pick<NodeFacts, 'localAddresses' | 'nodePortAddresses' | 'nodeIPs'>,
  family: IpFamily,
): readonly IpAddress[] {
  const { nodePortAddresses: rule } = facts;
  const isOfFamily = (address: IpAddress) => familyOf(address) === family;
  if (rule === 'primary') return nodePortAddressesOf(facts).filter(isOfFamily);
  const prefixes = rule.filter((prefix) => prefixFamily(prefix) === family);
  if (!prefixes.length || prefixes.some((prefix) => prefixLength(prefix) === 0))
    return [unspecifiedAddress(family)];
  const loopback = LOOPBACK_ADDRESSES.filter((address) =>
    prefixes.some((prefix) => prefixContains(prefix, address)),
  );
  return [...nodePortAddressesOf(facts).filter(isOfFamily), ...loopback];
}
