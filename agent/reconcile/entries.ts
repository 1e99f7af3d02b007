// SPDX-License-Identifier: Apache-2.0
// Between the plan's words and the entries of the kernel's tables, both ways.

import { protocolName, protocolNumber } from '../model/protocol.ts';
import type { Frontend, ServicePort } from '../model/service-port.ts';
import type { FrontendKey, ServicePortName } from '../sys/layout.gen.ts';

export function frontendEntryKey({ address, port, protocol }: Frontend): FrontendKey {
  return { address, port, protocol: protocolNumber(protocol) };
}

/** @returns undefined for a protocol number that this agent never writes. */
export function frontendOf({ address, port, protocol }: FrontendKey): Frontend | undefined {
  const name = protocolName(protocol);
  return name && { address, port, protocol: name };
}

export function servicePortName({ service, portName, protocol }: ServicePort): ServicePortName {
  const [namespaceName = '', serviceName = ''] = service.split('/');
  return { namespaceName, serviceName, portName, protocol: protocolNumber(protocol) };
}

/** @returns undefined for a protocol number that this agent never writes. */
export function servicePortOf(name: ServicePortName): ServicePort | undefined {
  const protocol = protocolName(name.protocol);
  return (
    protocol && {
      service: `${name.namespaceName}/${name.serviceName}`,
      portName: name.portName,
      protocol,
    }
  );
}
