// SPDX-License-Identifier: Apache-2.0
// The end of a draining (commands/cleanup-drain.ts), of flows; sockets are told by markHandedOver(). What still goes on
// is left to others with its next packet. What has been sent to a backend by then is still answered, for as long as the
// programs stay: an answer that nobody translates back is lost, and of UDP nobody sends it again.
//
// Invariant: entries of replies are marked as ended before those of requests go: else the next answer would make the
// latter anew (flow_use in bpf/flow.bpf.h).

import { isRequest } from '../plan/flow-life.ts';
import type { RefusedEntry } from '../sys/kernel-map.ts';
import { FlowFlags, type FlowKey, type FlowValue } from '../sys/layout.gen.ts';
import { isPlaceholder } from './foreign-connections.ts';

export interface HandedOverTables {
  readonly flows: {
    batches(size: number): Iterable<[FlowKey, FlowValue][]>;
    put(entries: readonly (readonly [FlowKey, FlowValue])[]): RefusedEntry[];
    delete(keys: readonly FlowKey[]): RefusedEntry[];
  };
}

/** Entries read in one go: some tenths of a millisecond. */
const BATCH = 1000;
const BOTH_FINS = FlowFlags.REQUEST_FIN | FlowFlags.REPLY_FIN;

/** For a node that drains: else the next packet would begin all of it anew. @throws KernelError */
export function* handOver({ flows }: HandedOverTables): Generator<void, void> {
  for (const piece of flows.batches(BATCH)) {
    throwFirst(flows.put(piece.filter(isReply).map(ended)));
    yield;
  }
  for (const piece of flows.batches(BATCH)) {
    const requests = piece.filter(([, { flags }]) => isRequest(flags));
    throwFirst(flows.delete(requests.map(([key]) => key)));
    yield;
  }
}

function isReply([key, value]: readonly [FlowKey, FlowValue]): boolean {
  return (
    (value.flags & (FlowFlags.REQUEST | FlowFlags.FORWARDED)) === 0 && !isPlaceholder(key, value)
  );
}

function ended([key, value]: readonly [FlowKey, FlowValue]): [FlowKey, FlowValue] {
  return [key, { ...value, flags: (value.flags | BOTH_FINS) as FlowFlags }];
}

function throwFirst([refused]: readonly RefusedEntry[]): void {
  if (refused) throw refused.error;
}
