// SPDX-License-Identifier: Apache-2.0
// The environment variables by which a container finds the Services that exist when it starts, as the
// kubelet sets them. Pure.

import { formatHostPort } from './host-port.ts';
import type { KubeObject } from './kube-object.ts';
import { type ServiceSpecObject, serviceSpec } from './service-spec.ts';

/** @returns variables for the Services of `namespace`, and for `kubernetes` in `default`. */
export function serviceEnvironment(
  services: readonly KubeObject[],
  namespace: string,
): Record<string, string> {
  const variables: Record<string, string> = {};
  // Own namespace last: its Service named `kubernetes` would win.
  for (const service of services.filter(isApiServer)) Object.assign(variables, of(service));
  for (const service of services.filter((each) => each.metadata.namespace === namespace)) {
    Object.assign(variables, of(service));
  }
  return variables;
}

function isApiServer({ metadata }: KubeObject): boolean {
  return metadata.namespace === 'default' && metadata.name === 'kubernetes';
}

function of(service: KubeObject): Record<string, string> {
  const { clusterIP, ports = [] }: Partial<ServiceSpecObject> = serviceSpec(service);
  const [first] = ports;
  if (!clusterIP || clusterIP === 'None' || first === undefined) return {};
  const name = variableName(service.metadata.name);
  const url = (protocol: string, port: number) =>
    `${protocol.toLowerCase()}://${formatHostPort(clusterIP, port)}`;
  const variables: Record<string, string> = {
    [`${name}_SERVICE_HOST`]: clusterIP,
    [`${name}_SERVICE_PORT`]: String(first.port),
    [`${name}_PORT`]: url(first.protocol, first.port),
  };
  for (const port of ports) {
    if (port.name) variables[`${name}_SERVICE_PORT_${variableName(port.name)}`] = String(port.port);
    const link = `${name}_PORT_${port.port}_${port.protocol}`;
    variables[link] = url(port.protocol, port.port);
    variables[`${link}_PROTO`] = port.protocol.toLowerCase();
    variables[`${link}_PORT`] = String(port.port);
    variables[`${link}_ADDR`] = clusterIP;
  }
  return variables;
}

function variableName(name: string): string {
  return name.toUpperCase().replaceAll('-', '_');
}
