// SPDX-License-Identifier: Apache-2.0
// Whether ICMP errors reach whom they are for, about what that one sent. Called by judge.ts.

import { type Case, isErrorType, type Knowledge } from './knowledge.ts';
import { becomes, connectionText } from './ledger.ts';
import { errorProblems } from './rewritten.ts';
import {
  ICMP,
  isSame,
  readFrame,
  readQuoted,
  reverse,
  tupleKey,
  type Wire,
  wireKey,
} from './wire.ts';

export function judgeError(knowledge: Knowledge, found: Case, wire: Wire): void {
  const { before, after, verdict } = found;
  const hops = verdict === 'redirect' ? 1 : 0;
  knowledge.exercise.none('errors', errorProblems(before, after, wire, hops));
  const quoted = readQuoted(before, wire);
  const out = readFrame(after);
  const outQuoted = out && readQuoted(after, out);
  if (!quoted || !outQuoted) return;
  const counterpart = reverse(quoted.tuple);
  const known = knowledge.ledger.find(counterpart);
  const become = known ? becomes(known) : knowledge.ledger.middle(counterpart)?.becomes;
  const expected = become && reverse(become);
  knowledge.exercise.holds(
    'errors',
    !!expected && isSame(outQuoted, expected),
    () => `is about ${wireKey(outQuoted)}, not ${expected ? tupleKey(expected) : 'known'}`,
  );
  if (!expected) return;
  const sources = [wire.tuple.source.address, expected.destination.address];
  const { source, destination } = out.tuple;
  knowledge.exercise.holds(
    'errors',
    destination.address === expected.source.address && sources.includes(source.address),
    () => `goes from ${source.address} to ${destination.address}`,
  );
}

/** An ICMP error that was not translated. */
export function judgeMissedError(knowledge: Knowledge, found: Case, wire: Wire): void {
  const { outcome, hook } = found;
  const quoted = readQuoted(found.before, wire);
  const known = quoted && knowledge.ledger.find(reverse(quoted.tuple));
  if (!known || !knowledge.mayBeTouched(found) || outcome === 'icmp_error_translated') return;
  const { connection, direction } = known;
  const isHere =
    (direction === 'reply' && !connection.isMasqueraded ? 'egress' : 'ingress') === hook;
  if (!isHere || connection.isBroken || knowledge.ledger.age(connection) !== 'alive') return;
  const isCut = found.before.length < quoted.transport + 8;
  const isLast = outcome === 'dropped_no_route' && wire.ttl <= 1;
  knowledge.exercise.holds(
    'errors',
    isCut || isLast,
    () => `${outcome}, though it is about ${connectionText(connection)}`,
  );
}

export function isError({ wire, before }: Case): boolean {
  return (
    !!wire &&
    wire.tuple.protocol === ICMP[wire.family] &&
    wire.place === 'whole' &&
    isErrorType(wire, before[wire.transport])
  );
}
