// SPDX-License-Identifier: Apache-2.0
// One way through the flow table: what is over goes, and of UDP what leads to a backend that no longer serves
// (semantics 1.15; TCP is left to its ends). In pieces, so that it can rest between them.
//
// The programs go by the same rules when a packet comes; a sweep makes room, and frees what nobody uses again. An
// entry that is used between the reading and the deleting of its piece is lost with no harm: its other half makes
// it anew (FLOW_CHECK_NS in bpf/abi.h).

import { protocolNumber } from '../model/protocol.ts';
import { FlowCensus, type FlowTotals } from '../plan/flow-census.ts';
import { flowTimeoutSeconds, idleSeconds, NO_SERVICE_PORT } from '../plan/flow-life.ts';
import type { RefusedEntry } from '../sys/kernel-map.ts';
import {
  FlowFlags,
  type FlowKey,
  type FlowValue,
  type MemberKey,
  type MemberValue,
} from '../sys/layout.gen.ts';

export interface SweptTables {
  readonly flows: {
    batches(size: number): Iterable<[FlowKey, FlowValue][]>;
    delete(keys: readonly FlowKey[]): RefusedEntry[];
  };
  readonly members: { get(key: MemberKey): MemberValue | undefined };
}

/** Entries that went, by why. */
export interface SweptEntries {
  readonly timeOver: number;
  readonly backendGone: number;
}

/** With totals of what stayed. */
export interface FlowSweepReport extends FlowTotals, SweptEntries {
  /** What could not be deleted: the first refusal. */
  readonly problem: string | undefined;
}

/** What is read, and deleted, at a time: takes a millisecond or two. */
const PIECE = 1000;

const UDP = protocolNumber('UDP');

/** @param clock CLOCK_MONOTONIC, in nanoseconds. @throws KernelError when the table cannot be read. */
export function* sweepFlows(
  { flows, members }: SweptTables,
  clock: () => bigint = process.hrtime.bigint,
): Generator<void, FlowSweepReport> {
  const census = new FlowCensus();
  let [timeOver, backendGone] = [0, 0];
  let problem: string | undefined;
  for (const piece of flows.batches(PIECE)) {
    const nowNs = clock();
    const serves = memberLookup(members);
    const doomed: FlowKey[] = [];
    for (const [key, value] of piece) {
      const isOver = isTimeOver(key, value, nowNs);
      if (isOver) timeOver++;
      else if (isLeft(key, value, serves)) backendGone++;
      else {
        census.add(key, value);
        continue;
      }
      doomed.push(key);
    }
    const [refused] = flows.delete(doomed);
    problem ??= refused?.error.message;
    yield;
  }
  return { ...census.totals(), timeOver, backendGone, problem };
}

/** The totals alone; what is over is left out, and stays. */
export function* countFlows(
  { flows }: { readonly flows: Pick<SweptTables['flows'], 'batches'> },
  clock: () => bigint = process.hrtime.bigint,
): Generator<void, FlowTotals> {
  const census = new FlowCensus();
  for (const piece of flows.batches(PIECE)) {
    const nowNs = clock();
    for (const [key, value] of piece) {
      if (!isTimeOver(key, value, nowNs)) census.add(key, value);
    }
    yield;
  }
  return census.totals();
}

function isTimeOver({ protocol }: FlowKey, { lastUsedNs, flags }: FlowValue, nowNs: bigint) {
  return idleSeconds(lastUsedNs, nowNs) > flowTimeoutSeconds(protocol, flags);
}

/** Whether the backend no longer serves; what the stack forwards in between does not tell which it is. */
function isLeft(key: FlowKey, value: FlowValue, serves: (key: MemberKey) => boolean): boolean {
  const { servicePortId, flags } = value;
  if (key.protocol !== UDP || servicePortId === NO_SERVICE_PORT) return false;
  if (flags & FlowFlags.FORWARDED) return false;
  const backend = flags & FlowFlags.REQUEST ? value.destination : key.source;
  return !serves({ servicePortId, backend });
}

/** Asks once for each backend: many flows lead to few. For one piece: what is learned gets old. */
function memberLookup(members: SweptTables['members']): (key: MemberKey) => boolean {
  const known = new Map<string, boolean>();
  return (key) => {
    const { servicePortId, backend } = key;
    const text = `${servicePortId} ${backend.address} ${backend.port}`;
    let serves = known.get(text);
    if (serves === undefined) {
      serves = members.get(key) !== undefined;
      known.set(text, serves);
    }
    return serves;
  };
}
