// SPDX-License-Identifier: Apache-2.0
// The tables that grow with the cluster or its traffic, for docs/capacity.md: sizes are those of the BPF programs.

import { MAPS } from '../../agent/sys/layout.gen.ts';

interface Row {
  readonly map: { readonly name: string; readonly maxEntries: number };
  readonly holds: string;
  readonly atTheBound: string;
}

const FAILS = 'a Service that does not fit fails, by name, and is tried again; all others go on';
const OLDEST_GOES = 'what was not used for longest makes room';

const ROWS: readonly Row[] = [
  {
    map: MAPS.frontends,
    holds: 'an address, port and protocol that clients dial',
    atTheBound: FAILS,
  },
  { map: MAPS.members, holds: 'a backend of a service port', atTheBound: FAILS },
  { map: MAPS.servicePorts, holds: 'a port of a Service, by name', atTheBound: FAILS },
  {
    map: MAPS.sourceRanges,
    holds: 'a CIDR of `loadBalancerSourceRanges`, of one service port',
    atTheBound: FAILS,
  },
  {
    map: MAPS.flows,
    holds:
      'a direction of a connection from outside: two of each, four when the stack carries its packets in between',
    atTheBound: 'packets of new connections are dropped, and counted; what is there goes on',
  },
  { map: MAPS.affinities, holds: 'a client with session affinity', atTheBound: OLDEST_GOES },
  {
    map: MAPS.udpBackends,
    holds: 'a UDP socket without a connection, and where it sends to besides the first service',
    atTheBound: OLDEST_GOES,
  },
];

/** @returns a table of Markdown. */
export function tableSizes(): string {
  const lines = ROWS.map(({ map, holds, atTheBound }) => {
    const entries = map.maxEntries.toLocaleString('en-US');
    return `| \`${map.name}\` | ${holds} | ${entries} | ${atTheBound} |`;
  });
  return [
    '| table | an entry is | entries at most | at the bound |',
    '|---|---|---|---|',
    ...lines,
  ].join('\n');
}
