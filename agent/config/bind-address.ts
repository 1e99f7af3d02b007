// SPDX-License-Identifier: Apache-2.0
// `address:port` of the agent's servers, as kube-proxy takes it. Pure.

import { parseAddressSloppily } from '../model/address.ts';
import type { ServerAddress } from './agent-config.ts';

/** Where kube-proxy has its two servers, and whoever asks it expects them. */
export const SERVER_PORTS = { healthz: 10_256, metrics: 10_249 } as const;

const PARTS = /^(?:\[(?<bracketed>[^[\]]*)\]|(?<plain>[^:[\]]*)):(?<port>[^:]*)$/;

/** Puts `port` behind an address that has none. What is no address stays: validation is what names it. */
export function withPort(text: string, port: number): string {
  if (PARTS.test(text) || parseAddressSloppily(text) === undefined) return text;
  return text.includes(':') ? `[${text}]:${port}` : `${text}:${port}`;
}

/** Whether a flag may say it: an address, with a port or without. */
export function isServerAddress(text: string): boolean {
  return !('wrong' in parseServerAddress(withPort(text, 1)));
}

/** @returns the address, or what would be right. */
export function parseServerAddress(text: string): ServerAddress | { readonly wrong: string } {
  const { bracketed, plain, port = '' } = text.match(PARTS)?.groups ?? {};
  const host = parseAddressSloppily(bracketed ?? plain ?? '');
  // Go's Atoi takes a sign and any number of zeros.
  const isPort = /^\+?\d+$/.test(port) && Number(port) >= 1 && Number(port) <= 65_535;
  if (host === undefined || !isPort) {
    return { wrong: 'must be an IP address and a port, as 127.0.0.1:10249 or [::1]:10249' };
  }
  return { host, port: Number(port) };
}
