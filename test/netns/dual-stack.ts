// SPDX-License-Identifier: Apache-2.0
// One number plan for both families: every IPv4 address of the tests has an IPv6 twin, so that a test says
// once what must hold for both. Pure.

import type { EndpointSketch } from './kube-service.ts';

/** The IPv6 address that stands for the same thing: 10.244.1.2 and fd00:10:244:1::2. */
export function twinOf(ipv4: string): string {
  const [a, b, c, d] = ipv4.split('.');
  if (ipv4 === '0.0.0.0') return '::';
  if (a === '127') return '::1';
  return c === '0' ? `fd00:${a}:${b}::${d}` : `fd00:${a}:${b}:${c}::${d}`;
}

/** `ip:port` in the words of IPv4: that of its twin, when it is one. What is no address stays as it is. */
export function inIpv4Words(text: string): string {
  if (text.startsWith('[::1]:')) return `127.0.0.1:${text.slice(6)}`;
  const mapped = /^\[::ffff:([\d.]+)\](:\d+)$/.exec(text);
  if (mapped) return `${mapped[1]}${mapped[2]}`;
  const twin = /^\[fd00:(\d+):(\d+):(?:(\d+):)?:(\d*)\](:\d+)$/.exec(text);
  if (!twin) return text;
  const [, a, b, c = '0', d, port] = twin;
  return `${a}.${b}.${c}.${d || 0}${port}`;
}

/** Addresses of IPv4, and then their twins. */
export function inBothFamilies(...addresses: readonly string[]): string[] {
  return [...addresses, ...addresses.map(twinOf)];
}

/** Endpoints with an address of IPv4, and then the same with its twin. */
export function endpointsInBothFamilies(...endpoints: readonly EndpointSketch[]): EndpointSketch[] {
  const twins = endpoints.map((each) => ({ ...each, address: twinOf(each.address) }));
  return [...endpoints, ...twins];
}
