// SPDX-License-Identifier: Apache-2.0
// How long connections on the packet path live: the same answers that the programs give (flow_timeout in
// bpf/flow.bpf.h), from the same numbers (bpf/abi.h). Used by the sweeper and by what shows flows. Pure.

import { protocolNumber } from '../model/protocol.ts';
import { FlowFlags, FlowTimeoutSeconds as Seconds } from '../sys/layout.gen.ts';

/** Of TCP the first four, of other protocols the last two. */
export const FLOW_STATES = [
  'opening',
  'established',
  'closing',
  'closed',
  'unanswered',
  'answered',
] as const;
export type FlowState = (typeof FLOW_STATES)[number];

/**
 * In place of a service port id: a connection to no Service, which is translated only because its packets would look
 * like those of one (admit_direct in bpf/admit.bpf.h).
 */
export const NO_SERVICE_PORT = 0;

const [TCP, UDP] = [protocolNumber('TCP'), protocolNumber('UDP')];
const BOTH_FINS = FlowFlags.REQUEST_FIN | FlowFlags.REPLY_FIN;

/**
 * Where a connection stands: `closing` when one end has closed its direction, `closed` when both have or
 * either has reset it.
 *
 * @param protocol as in IP headers.
 */
export function flowState(protocol: number, flags: FlowFlags): FlowState {
  if (protocol !== TCP) {
    return flags & (FlowFlags.ANSWERED | FlowFlags.CONFIRMED) ? 'answered' : 'unanswered';
  }
  const fins = flags & BOTH_FINS;
  if (flags & FlowFlags.RESET || fins === BOTH_FINS) return 'closed';
  if (fins) return 'closing';
  return flags & FlowFlags.CONFIRMED ? 'established' : 'opening';
}

/** How long a connection stays that nothing uses. What is neither TCP nor UDP is SCTP. */
export function flowTimeoutSeconds(protocol: number, flags: FlowFlags): number {
  switch (flowState(protocol, flags)) {
    case 'opening':
      return Seconds.TIMEOUT_TCP_OPENING;
    case 'established':
      return Seconds.TIMEOUT_TCP_ESTABLISHED;
    case 'closing':
      return Seconds.TIMEOUT_TCP_CLOSING;
    case 'closed':
      if (flags & FlowFlags.RESET) return Seconds.TIMEOUT_TCP_RESET;
      return flags & FlowFlags.REPLY_FIN_FIRST
        ? Seconds.TIMEOUT_TCP_TIME_WAIT
        : Seconds.TIMEOUT_TCP_CLOSED;
    case 'unanswered':
    case 'answered':
      if (flags & FlowFlags.CONFIRMED) {
        return protocol === UDP ? Seconds.TIMEOUT_UDP_STREAM : Seconds.TIMEOUT_SCTP_ESTABLISHED;
      }
      return protocol === UDP ? Seconds.TIMEOUT_UDP_SINGLE : Seconds.TIMEOUT_SCTP_OPENING;
  }
}

/** Seconds since `usedNs`; what was used after `nowNs` was read is used now. */
export function idleSeconds(usedNs: bigint, nowNs: bigint): number {
  return Math.max(0, Number(nowNs - usedNs) / 1e9);
}

/** Whether an entry stands for a whole connection: that of the client's packets, and not the half of one. */
export function isRequest(flags: FlowFlags): boolean {
  return (flags & (FlowFlags.REQUEST | FlowFlags.FORWARDED)) === FlowFlags.REQUEST;
}
