// SPDX-License-Identifier: Apache-2.0
// The tables whose size can be chosen, for docs/capacity.md: what they hold by themselves is in the BPF programs.

import { MAPS } from '../../agent/sys/layout.gen.ts';

interface Row {
  readonly map: { readonly name: string; readonly maxEntries: number };
  readonly holds: string;
  /** Bytes that the kernel allocates for each entry more that there may be, and for one that is written. */
  readonly bytes: readonly [atOnce: number, written: number];
  readonly atTheBound: string;
}

const FAILS = 'a Service that does not fit fails, by name, and is tried again; all others go on';
const OLDEST_GOES = 'what was not used for longest makes room';

const ROWS: readonly Row[] = [
  {
    map: MAPS.frontends,
    holds: 'an address, port and protocol that clients dial',
    bytes: [16, 128],
    atTheBound: FAILS,
  },
  {
    map: MAPS.members,
    holds:
      'an endpoint of a service port that asks for it: UDP, affinity, nodePorts, load-balancer and external addresses, endpoints of this node',
    bytes: [16, 96],
    atTheBound: FAILS,
  },
  {
    map: MAPS.servicePorts,
    holds: 'a port of a Service, by name',
    bytes: [16, 256],
    atTheBound: FAILS,
  },
  {
    map: MAPS.sourceRanges,
    holds: 'a CIDR of `loadBalancerSourceRanges`, of one service port',
    bytes: [0, 64],
    atTheBound: FAILS,
  },
  {
    map: MAPS.flows,
    holds:
      'a direction of a connection from outside: two of each, four when the stack carries its packets in between',
    bytes: [16, 192],
    atTheBound: 'packets of new connections are dropped, and counted; what is there goes on',
  },
  {
    map: MAPS.affinities,
    holds: 'a client with session affinity',
    bytes: [144, 0],
    atTheBound: OLDEST_GOES,
  },
  {
    map: MAPS.udpBackends,
    holds: 'a UDP socket without a connection, and where it sends to besides the first service',
    bytes: [280, 0],
    atTheBound: OLDEST_GOES,
  },
];

/** @returns a table of Markdown. */
export function tableSizes(): string {
  const lines = ROWS.map(({ map, holds, bytes: [atOnce, written], atTheBound }) => {
    const entries = map.maxEntries.toLocaleString('en-US');
    const cost = [
      ...(atOnce ? [`${atOnce} at once`] : []),
      ...(written ? [`${written} when it is used`] : []),
    ].join(', ');
    return `| \`${map.name}\` | ${holds} | ${entries} | ${cost} | ${atTheBound} |`;
  });
  return [
    '| table | an entry is | entries at most | bytes of one more | at the bound |',
    '|---|---|---|---|---|',
    ...lines,
  ].join('\n');
}
