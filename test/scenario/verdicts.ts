// SPDX-License-Identifier: Apache-2.0
// Verdicts as a scenario writes them, a line each:
// `10.244.1.7 tcp/192.0.2.7:80 -> forward 10.244.1.2:8080 10.244.2.3:8080; snat; affinity 10800`. Behind it may
// stand who is left out, `; without 10.244.2.4:8080 (not ready), ...`, or what decided, `; because closed-port`:
// what is not written is not looked at.

import { formatEndpoint } from '../../agent/model/address.ts';
import type { Explanation, Query } from '../../agent/model/explanation.ts';
import type { Protocol } from '../../agent/model/objects.ts';
import type { Backend } from '../../agent/model/service-port.ts';
import { address } from '../helpers/objects.ts';

export interface ExpectedVerdict {
  readonly line: string;
  readonly query: Query;
  readonly namesLeftOut: boolean;
  readonly namesCause: boolean;
}

const LINE = /^(?<from>\S+) (?<protocol>tcp|udp|sctp)\/(?<ip>\S+):(?<port>\d+) -> \S/;

/** @throws Error when `line` is no verdict. */
export function readVerdict(line: string): ExpectedVerdict {
  const { from = '', protocol = '', ip = '', port = '' } = line.match(LINE)?.groups ?? {};
  if (!from) throw new Error(`${line} is no verdict`);
  return {
    line,
    query: {
      from: from === 'host' || from === 'external' ? from : address(from),
      to: {
        protocol: protocol.toUpperCase() as Protocol,
        address: address(ip.replace(/^\[(.*)\]$/, '$1')),
        port: Number(port),
      },
    },
    namesLeftOut: line.includes('; without '),
    namesCause: line.includes('; because '),
  };
}

/** What `explanation` says, as `expected` would have to be written. */
export function verdictLine(
  explanation: Explanation,
  { query, namesLeftOut, namesCause }: ExpectedVerdict,
): string {
  const { verdict, cause, backends, masquerade, affinityTimeoutSeconds, excluded } = explanation;
  const isServed = verdict === 'forward';
  const chosen = backends.map(({ backend }) => endpointText(backend));
  const leftOut = excluded.map(
    ({ candidate, exclusion }) => `${endpointText(candidate.backend)} (${exclusion})`,
  );
  return [
    `${queryText(query)} -> ${[verdict, ...chosen].join(' ')}`,
    isServed && masquerade ? '; snat' : '',
    isServed && affinityTimeoutSeconds ? `; affinity ${affinityTimeoutSeconds}` : '',
    namesLeftOut ? `; without ${leftOut.sort().join(', ')}` : '',
    namesCause ? `; because ${cause}` : '',
  ].join('');
}

/** `external tcp/10.96.0.1:80` */
export function queryText({ from, to }: Query): string {
  return `${from} ${to.protocol.toLowerCase()}/${endpointText(to)}`;
}

/** `10.244.1.2:8080` */
export function endpointText({ address, port }: Backend): string {
  return formatEndpoint(address, port);
}
