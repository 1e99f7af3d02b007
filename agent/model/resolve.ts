// SPDX-License-Identifier: Apache-2.0
// The one function in which Service semantics live: a Service and its EndpointSlices to frontends and the
// backends that each may use.

import { familyOf, formatEndpoint, type IpFamily } from './address.ts';
import {
  type EndpointPortSpec,
  type EndpointSliceSpec,
  type EndpointSpec,
  objectKey,
  type ServicePortSpec,
  type ServiceSpec,
} from './objects.ts';
import type { Backend, BackendSet, Frontend, ServicePort } from './service-port.ts';

export interface ResolvedFrontend {
  readonly frontend: Frontend;
  readonly servicePort: ServicePort;
  /** Empty: nothing serves it, clients are refused. */
  readonly backends: BackendSet;
}

/** An endpoint of one service port: an endpoint of a slice, with the port that the slice names for it. */
interface Candidate {
  readonly backend: Backend;
  readonly endpoint: EndpointSpec;
}

/** Every frontend of `service`, in the order of its addresses and ports. Pure. */
export function resolve(
  service: ServiceSpec,
  slices: readonly EndpointSliceSpec[],
): ResolvedFrontend[] {
  const key = objectKey(service);
  return service.clusterIPs.flatMap((address) =>
    service.ports.map((port) => ({
      frontend: { address, port: port.port, protocol: port.protocol },
      servicePort: { service: key, portName: port.name, protocol: port.protocol },
      backends: eligible(candidates(slices, familyOf(address), port)),
    })),
  );
}

/**
 * The union over all slices, each address and port once: a pod network may give an address away while its
 * old pod still terminates, so an entry that does not terminate wins (semantics 1.4). Among the others the
 * more useful one does: which slice came first must not matter.
 */
function candidates(
  slices: readonly EndpointSliceSpec[],
  family: IpFamily,
  port: ServicePortSpec,
): Candidate[] {
  const found = new Map<string, Candidate>();
  for (const slice of slices) {
    if (slice.addressType !== family) continue;
    for (const endpointPort of slice.ports.filter((candidate) => isSamePort(candidate, port))) {
      for (const endpoint of slice.endpoints) {
        const id = formatEndpoint(endpoint.address, endpointPort.port);
        const known = found.get(id);
        if (known && standing(known.endpoint) >= standing(endpoint)) continue;
        found.set(id, {
          backend: { address: endpoint.address, port: endpointPort.port },
          endpoint,
        });
      }
    }
  }
  return [...found].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, candidate]) => candidate);
}

function standing({ ready, serving, terminating }: EndpointSpec): number {
  return (terminating ? 0 : 4) + (ready ? 2 : 0) + (serving ? 1 : 0);
}

/** Slices join a service port by name and protocol; the number is the slice's own. */
function isSamePort(endpointPort: EndpointPortSpec, port: ServicePortSpec): boolean {
  return endpointPort.name === port.name && endpointPort.protocol === port.protocol;
}

/** Ready ones; when there are none, those that still serve while they terminate (KEP-1669). */
function eligible(found: readonly Candidate[]): BackendSet {
  const ready = found.filter(({ endpoint }) => endpoint.ready);
  const usable = ready.length
    ? ready
    : found.filter(({ endpoint }) => endpoint.serving && endpoint.terminating);
  return usable.map(({ backend }) => backend);
}
