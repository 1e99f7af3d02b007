// SPDX-License-Identifier: Apache-2.0
// A Service's status on its way into the store: only load balancers have one, and each of their addresses
// has a mode (Kubernetes 1.36; KEP-1860). Pure.

import { parseAddressSloppily } from '../../agent/model/address.ts';

interface Ingress {
  readonly ip?: string;
  readonly hostname?: string;
  readonly ipMode?: string;
  readonly [field: string]: unknown;
}

export interface ServiceStatus {
  readonly loadBalancer?: { readonly ingress?: readonly Ingress[] };
  readonly [field: string]: unknown;
}

const MODES = ['Proxy', 'VIP'];

/** A load balancer's status is not that of the type that comes after it. */
export function withoutLoadBalancer(status: ServiceStatus): ServiceStatus {
  return { ...status, loadBalancer: {} };
}

/** An address without a mode is a VIP. */
export function withStatusDefaults(status: ServiceStatus): ServiceStatus {
  const { loadBalancer = {} } = status;
  const ingress = loadBalancer.ingress?.map((each) =>
    each.ip ? { ...each, ipMode: each.ipMode ?? 'VIP' } : each,
  );
  return { ...status, loadBalancer: { ...loadBalancer, ...(ingress && { ingress }) } };
}

/** @returns why the API server refuses it, as `field: problem`; undefined when it is fine. */
export function statusProblem({ loadBalancer }: ServiceStatus, type: string): string | undefined {
  const ingress = loadBalancer?.ingress ?? [];
  if (ingress.length > 0 && type !== 'LoadBalancer') {
    return 'status.loadBalancer.ingress: Forbidden: may only be used when `spec.type` is "LoadBalancer"';
  }
  for (const [index, { ip, ipMode }] of ingress.entries()) {
    const at = `status.loadBalancer.ingress[${index}]`;
    if (ip && !parseAddressSloppily(ip)) {
      return `${at}.ip: Invalid value: "${ip}": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)`;
    }
    if (ipMode !== undefined && !ip) {
      return `${at}.ipMode: Forbidden: may not be specified when \`ip\` is not set`;
    }
    if (ipMode !== undefined && !MODES.includes(ipMode)) {
      return `${at}.ipMode: Unsupported value: "${ipMode}": supported values: "Proxy", "VIP"`;
    }
  }
  return undefined;
}
