// SPDX-License-Identifier: Apache-2.0
// Which objects make no sense as a whole, so that none of them counts. An API server refuses them (its
// validation is what is written here), but manifests pass none.

import { canonical, familyOf } from './addresses.ts';
import type { RawEndpoint, RawEndpointSlice, RawService, RawServicePort } from './raw-objects.ts';

const DNS_LABEL = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;
const PROTOCOLS = ['TCP', 'UDP', 'SCTP'];

export function isSoundService({ metadata, spec }: RawService): boolean {
  const ports = spec.ports ?? [];
  return (
    isLabel(metadata.name) &&
    isLabel(metadata.namespace ?? 'default') &&
    areSoundClusterIPs(spec) &&
    ports.length > 0 &&
    ports.every(isSoundPort) &&
    areDistinct(ports.map(({ protocol, port }) => `${protocol ?? 'TCP'} ${port}`)) &&
    areDistinct(ports.map(({ protocol, name }) => `${protocol ?? 'TCP'} ${name ?? ''}`))
  );
}

/** One of each family at most, as ipFamilies says, and clusterIP is the first. */
function areSoundClusterIPs({ clusterIP, clusterIPs, ipFamilies }: RawService['spec']): boolean {
  const addresses = (clusterIPs ?? [clusterIP]).map(canonical);
  const families = addresses.map((address) => address && familyOf(address));
  return (
    !families.includes(undefined) &&
    areDistinct(families) &&
    canonical(clusterIP) === addresses[0] &&
    families.every((family, i) => !ipFamilies?.length || ipFamilies[i] === family)
  );
}

function isSoundPort({ name, protocol, port, nodePort }: RawServicePort): boolean {
  return (
    (!name || isLabel(name)) &&
    isProtocol(protocol) &&
    isPortNumber(port) &&
    (!nodePort || isPortNumber(nodePort))
  );
}

export function isSoundSlice({ addressType, ports }: RawEndpointSlice): boolean {
  return (
    ['IPv4', 'IPv6'].includes(addressType) &&
    (ports ?? []).every(
      ({ protocol, port }) => isProtocol(protocol) && (!port || isPortNumber(port)),
    )
  );
}

/** One endpoint that makes no sense costs its slice nothing else. */
export function isSoundEndpoint(endpoint: RawEndpoint, addressType: string): boolean {
  const address = canonical(endpoint.addresses?.[0]);
  const { ready, serving, terminating } = endpoint.conditions ?? {};
  return (
    address !== undefined &&
    familyOf(address) === addressType &&
    [ready, serving, terminating].every((flag) => typeof (flag ?? true) === 'boolean')
  );
}

function isProtocol(protocol: unknown): boolean {
  return PROTOCOLS.includes((protocol as string) ?? 'TCP');
}

function isPortNumber(port: unknown): boolean {
  return Number.isInteger(port) && (port as number) >= 1 && (port as number) <= 65535;
}

function isLabel(text: unknown): boolean {
  return typeof text === 'string' && DNS_LABEL.test(text);
}

function areDistinct(values: readonly unknown[]): boolean {
  return new Set(values).size === values.length;
}
