// SPDX-License-Identifier: Apache-2.0
// Which families of addresses the kernel has. Asked by who opens sockets of both.

import { existsSync } from 'node:fs';
import type { IpFamily } from '../model/address.ts';

/** Not there when the kernel has no IPv6, or was started with ipv6.disable=1. */
const IPV6_ADDRESSES = '/proc/net/if_inet6';

/** As kube-proxy finds it out (semantics 1.2). */
export function kernelFamilies(): readonly IpFamily[] {
  return existsSync(IPV6_ADDRESSES) ? ['IPv4', 'IPv6'] : ['IPv4'];
}
