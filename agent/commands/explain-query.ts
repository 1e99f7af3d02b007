// SPDX-License-Identifier: Apache-2.0
// What `explain` is asked, in text: FROM and TO as people write them. Used by the command for its arguments and
// for each line of a batch, and by the agent's socket.

import { UsageError } from '../errors.ts';
import { formatEndpoint, parseAddress } from '../model/address.ts';
import type { Destination, Query } from '../model/explanation.ts';
import type { Protocol } from '../model/objects.ts';

const PROTOCOLS = new Map<string, Protocol>([
  ['tcp', 'TCP'],
  ['udp', 'UDP'],
  ['sctp', 'SCTP'],
]);

/** @throws UsageError */
export function parseQuery(from: string, to: string): Query {
  return { from: parseFrom(from), to: parseTo(to) };
}

/** A line of a batch: `FROM TO`. @throws UsageError */
export function parseQueryLine(line: string): Query {
  const [from, to, ...more] = line.trim().split(/\s+/);
  if (from === undefined || to === undefined || more.length) {
    throw new UsageError('a query is two words, FROM and TO, as host tcp/10.96.0.10:53');
  }
  return parseQuery(from, to);
}

/** Inverse of {@link parseQuery} for its second argument: `tcp/10.96.0.10:53`. */
export function formatDestination({ protocol, address, port }: Destination): string {
  return `${protocol.toLowerCase()}/${formatEndpoint(address, port)}`;
}

function parseFrom(text: string): Query['from'] {
  const word = text.toLowerCase();
  if (word === 'host' || word === 'external') return word;
  const address = parseAddress(text);
  if (address !== undefined) return address;
  throw new UsageError(`FROM ${text}: not an IP address, nor the word host or external`);
}

function parseTo(text: string): Destination {
  const [, protocolText = '', bracketed, plain, digits = ''] =
    text.match(/^([a-z]+)\/(?:\[(.+)\]|([^[\]:]+)):(\d{1,5})$/i) ?? [];
  const protocol = PROTOCOLS.get(protocolText.toLowerCase());
  const address = parseAddress(bracketed ?? plain ?? '');
  const port = Number(digits);
  if (protocol === undefined || address === undefined || port < 1 || port > 65535) {
    throw new UsageError(
      `TO ${text}: not PROTOCOL/ADDRESS:PORT, as tcp/10.96.0.10:53 or udp/[fd00::a]:53`,
    );
  }
  return { protocol, address, port };
}
