// SPDX-License-Identifier: Apache-2.0
// What the flow table adds up to: connections by protocol and state, and how near the busiest backend is to the
// last of its masquerade ports. Fed by the sweeper, and by `status` without one. Pure.

import { protocolName } from '../model/protocol.ts';
import { FlowFlags, type FlowKey, type FlowValue } from '../sys/layout.gen.ts';
import { type FlowState, flowState, isRequest } from './flow-life.ts';

export interface FlowCount {
  readonly protocol: string;
  readonly state: FlowState;
  readonly flows: number;
}

export interface FlowTotals {
  /** Of the table, whose entries are two for a connection, or more. */
  readonly entries: number;
  readonly flows: readonly FlowCount[];
  /**
   * Most source ports that connections to one backend use on one address of this node. Those to another backend
   * may use the same ports.
   */
  readonly masqueradePortsInUse: number;
}

export class FlowCensus {
  #entries = 0;
  readonly #flows = new Map<string, FlowCount>();
  readonly #ports = new Map<string, number>();

  add({ protocol }: FlowKey, { source, destination, flags }: FlowValue): void {
    this.#entries++;
    if (!isRequest(flags)) return;
    const state = flowState(protocol, flags);
    const name = protocolName(protocol) ?? String(protocol);
    const key = `${name} ${state}`;
    const flows = (this.#flows.get(key)?.flows ?? 0) + 1;
    this.#flows.set(key, { protocol: name, state, flows });
    if (!(flags & FlowFlags.MASQUERADED)) return;
    // A port is taken for one address of this node, one backend and one protocol.
    const among = `${protocol} ${source.address} ${destination.address} ${destination.port}`;
    this.#ports.set(among, (this.#ports.get(among) ?? 0) + 1);
  }

  totals(): FlowTotals {
    let masqueradePortsInUse = 0;
    for (const ports of this.#ports.values()) {
      masqueradePortsInUse = Math.max(masqueradePortsInUse, ports);
    }
    const flows = [...this.#flows].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, count]) => count);
    return { entries: this.#entries, flows, masqueradePortsInUse };
  }
}
