// SPDX-License-Identifier: Apache-2.0
// Which externalIPs of Services are served: whoever may write a Service may claim any address by them, also one that
// everybody uses (CVE-2020-8554). Pure. Used by cluster-state.ts, for whatever source.

import { type IpAddress, type IpPrefix, prefixContains } from './address.ts';
import type { ServiceSpec } from './objects.ts';

/** @param allowed undefined: all of them are; empty: none. @returns those of `spec` that are not, mostly none. */
export function forbiddenExternalIps(
  { externalIPs }: ServiceSpec,
  allowed: readonly IpPrefix[] | undefined,
): readonly IpAddress[] {
  if (allowed === undefined) return NONE;
  return externalIPs.filter((ip) => !allowed.some((range) => prefixContains(range, ip)));
}

/** Why they are not served, naming each: by that explain finds it. */
export function forbiddenReason(forbidden: readonly IpAddress[]): string {
  const named = forbidden.slice(0, NAMED).join(', ');
  const others = forbidden.length - NAMED;
  return `spec.externalIPs: ${named}${others > 0 ? ` and ${others} more` : ''}: in no range of --external-ip-cidrs`;
}

const NONE: readonly IpAddress[] = [];
const NAMED = 32;
