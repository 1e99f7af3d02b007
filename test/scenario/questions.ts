// SPDX-License-Identifier: Apache-2.0
// What to ask about some tables: every kind of client, of whatever is in them.

import { familyOf } from '../../agent/model/address.ts';
import { isOfOneFamily, type Query } from '../../agent/model/explanation.ts';
import { protocolName } from '../../agent/model/protocol.ts';
import type { KernelTables } from '../../agent/reconcile/kernel-tables.ts';
import { FrontendScope } from '../../agent/sys/layout.gen.ts';
import { address } from '../helpers/objects.ts';

/** Each kind and family. */
const CLIENTS: readonly Query['from'][] = [
  'host',
  'external',
  ...['10.244.1.100', 'fd01::1:100', '203.0.113.9', '2001:db8:9::9'].map(address),
];

const LOOPBACK = ['127.0.0.1', '::1'].map(address);

/** A port that nobody has. */
const CLOSED_PORT = 65_534;

type Dialled = Pick<KernelTables, 'frontends' | 'nodePortAddresses'>;

/** @param asked questions whose clients and destinations are asked about crosswise. */
export function questionsAbout(tables: Dialled, asked: readonly Query[]): Query[] {
  const clients = [...new Set([...CLIENTS, ...asked.map(({ from }) => from)])];
  return [...destinationsIn(tables), ...asked.map(({ to }) => to)].flatMap((to) =>
    clients.map((from) => ({ from, to })).filter(isOfOneFamily),
  );
}

/** What stands in the tables, a nodePort on every address; and a port of each clusterIP that does not. */
function destinationsIn({ frontends, nodePortAddresses }: Dialled): Query['to'][] {
  const ofNode = [...nodePortAddresses.entries().map(([{ address }]) => address), ...LOOPBACK];
  return frontends.entries().flatMap(([key]): Query['to'][] => {
    const { address, port, scope } = key;
    const protocol = protocolName(key.protocol);
    if (!protocol || protocol === 'any') return [{ protocol: 'TCP', address, port: CLOSED_PORT }];
    if (scope !== FrontendScope.AT_NODE) return [{ protocol, address, port }];
    return ofNode
      .filter((one) => familyOf(one) === familyOf(address))
      .map((one) => ({ protocol, address: one, port }));
  });
}
