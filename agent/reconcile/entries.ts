// SPDX-License-Identifier: Apache-2.0
// Between the plan's words and the entries of the kernel's tables, both ways.

import { type IpPrefix, prefixAddress, prefixBits, prefixFromBits } from '../model/address.ts';
import { protocolName, protocolNumber } from '../model/protocol.ts';
import type {
  Frontend,
  FrontendKind,
  FrontendScope as ScopeName,
  ServicePort,
} from '../model/service-port.ts';
import type { FrontendEntry } from '../plan/actual-tables.ts';
import { KINDS } from '../plan/plan.ts';
import {
  type FrontendKey,
  FrontendScope,
  type FrontendValue,
  type IpPrefix as IpPrefixKey,
  type Presence,
  type ServicePortName,
  type SourceRangeKey,
} from '../sys/layout.gen.ts';

/** The value of a table in which it only counts whether a key is there. */
export const PRESENT: Presence = { present: 1 };

/** Of an address in a ServiceCIDR that another proxy serves. */
export const LEFT_ALONE: Presence = { present: 0 };

/** Bits of a source range's key that stand before the address: the service port id. */
const ID_BITS = 32;

const SCOPES: Readonly<Record<ScopeName, FrontendScope>> = {
  address: FrontendScope.AT_ADDRESS,
  node: FrontendScope.AT_NODE,
  otherPorts: FrontendScope.AT_OTHER_PORTS,
  echo: FrontendScope.AT_ECHO,
};
const SCOPE_NAMES = new Map(
  Object.entries(SCOPES).map(([name, scope]) => [scope, name as ScopeName]),
);

const KIND_NAMES = new Map<number, FrontendKind>(
  Object.entries(KINDS).map(([name, kind]) => [kind, name as FrontendKind]),
);

export function frontendEntryKey({ scope, address, port, protocol }: Frontend): FrontendKey {
  return { address, port, protocol: protocolNumber(protocol), scope: SCOPES[scope] };
}

export function frontendEntryValue(entry: FrontendEntry): FrontendValue {
  const { servicePortId, kind, flags, affinityTimeoutSeconds, inside, outside } = entry;
  return {
    servicePortId,
    kind,
    flags,
    affinityTimeoutSeconds,
    inside: inside.run,
    outside: outside.run,
  };
}

/** @returns undefined for a protocol or a scope that this agent never writes. */
export function frontendOf({ address, port, protocol, scope }: FrontendKey): Frontend | undefined {
  const name = protocolName(protocol);
  const scopeName = SCOPE_NAMES.get(scope);
  return name && scopeName && { scope: scopeName, address, port, protocol: name };
}

/** @returns undefined for a kind that this agent never writes. */
export function frontendKindOf(kind: number): FrontendKind | undefined {
  return KIND_NAMES.get(kind);
}

export function servicePortName({ service, portName, protocol }: ServicePort): ServicePortName {
  const [namespaceName = '', serviceName = ''] = service.split('/');
  return { namespaceName, serviceName, portName, protocol: protocolNumber(protocol) };
}

/** @returns undefined for a protocol number that this agent never writes. */
export function servicePortOf(name: ServicePortName): ServicePort | undefined {
  const protocol = protocolName(name.protocol);
  if (protocol === undefined || protocol === 'any') return undefined;
  return {
    service: `${name.namespaceName}/${name.serviceName}`,
    portName: name.portName,
    protocol,
  };
}

export function prefixKey(prefix: IpPrefix): IpPrefixKey {
  return { bits: prefixBits(prefix), address: prefixAddress(prefix) };
}

export function prefixOfKey({ address, bits }: IpPrefixKey): IpPrefix {
  return prefixFromBits(address, bits);
}

export function sourceRangeKey(servicePortId: number, range: IpPrefix): SourceRangeKey {
  const { bits, address } = prefixKey(range);
  return { bits: ID_BITS + bits, servicePortId, address };
}

export function sourceRangeOf({ bits, address }: SourceRangeKey): IpPrefix {
  return prefixOfKey({ bits: bits - ID_BITS, address });
}
