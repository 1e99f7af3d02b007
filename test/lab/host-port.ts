// SPDX-License-Identifier: Apache-2.0
// A host and a port as one text, for what comes from sockets, URLs and people. What the agent makes of an
// address it parsed is agent/model/address.ts's.

/** `10.96.0.10:53`, `[fd00::a]:53`; the host stays as it is written: an IPv4-mapped address too. */
export function formatHostPort(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
