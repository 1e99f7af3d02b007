// SPDX-License-Identifier: Apache-2.0
// Entries of the flow table as a test thinks of them: both halves of a connection, from who talks to whom.

import { protocolNumber } from '../../agent/model/protocol.ts';
import {
  FlowFlags,
  type FlowKey,
  type FlowValue,
  type IpPort,
} from '../../agent/sys/layout.gen.ts';
import { address } from './objects.ts';

export interface FlowText {
  readonly protocol?: 'TCP' | 'UDP' | 'SCTP';
  /** `192.0.2.9 40000`, as the others. */
  readonly client: string;
  readonly dialled: string;
  readonly backend: string;
  /** What the backend sees in place of the client. */
  readonly seenAs?: string;
  readonly servicePortId: number;
  /** Besides those that tell the halves apart. */
  readonly flags?: number;
  /** CLOCK_MONOTONIC. */
  readonly usedNs: bigint;
}

export type FlowEntry = readonly [FlowKey, FlowValue];

/** Its entries: of the request, and of the reply. */
export function flowEntries(flow: FlowText): [FlowEntry, FlowEntry] {
  const { protocol = 'TCP', servicePortId, flags = 0, usedNs } = flow;
  const [client, dialled, backend] = [flow.client, flow.dialled, flow.backend].map(ipPort) as [
    IpPort,
    IpPort,
    IpPort,
  ];
  const source = flow.seenAs === undefined ? client : ipPort(flow.seenAs);
  const isMasqueraded = source.address !== client.address;
  const shared = flags | (isMasqueraded ? FlowFlags.MASQUERADED : 0);
  const number = protocolNumber(protocol);
  const both = { servicePortId, lastUsedNs: usedNs, checkedNs: usedNs };
  return [
    [
      { source: client, destination: dialled, protocol: number },
      { ...both, source, destination: backend, flags: shared | FlowFlags.REQUEST },
    ],
    [
      { source: backend, destination: source, protocol: number },
      {
        ...both,
        source: dialled,
        destination: client,
        flags: shared | (isMasqueraded ? 0 : FlowFlags.AT_EGRESS),
      },
    ],
  ];
}

/** `10.244.1.7 8080` */
export function ipPort(text: string): IpPort {
  const [ip = '', port = ''] = text.split(' ');
  return { address: address(ip), port: Number(port) };
}
