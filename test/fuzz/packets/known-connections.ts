// SPDX-License-Identifier: Apache-2.0
// Whether packets of connections that are known become what those before them became. Called by judge.ts.

import type { Entry } from './flow-table.ts';
import type { Case, Knowledge } from './knowledge.ts';
import { becomes, connectionText, isEnding, type Known } from './ledger.ts';
import { judgeNew, judgeNotServed } from './new-connections.ts';
import { translationProblems } from './rewritten.ts';
import {
  isOpening,
  isSame,
  readFrame,
  reverse,
  TCP,
  type Tuple,
  tupleKey,
  type Wire,
  wireKey,
} from './wire.ts';

/** A packet that came out translated. @throws Violation, as all here. */
export function judgeTranslation(
  knowledge: Knowledge,
  found: Case,
  wire: Wire,
  tuple: Tuple,
): void {
  const { before, after, outcome, hook } = found;
  // What is on its way out has lost its hop already.
  const hops = outcome.endsWith('_redirected') && hook === 'ingress' ? 1 : 0;
  knowledge.exercise.none('translations', translationProblems(before, after, wire, hops));
  const out = readFrame(after);
  if (!out) return;
  // A later fragment has no ports that would tell.
  const become = wire.place === 'later' ? undefined : out.tuple;
  if (outcome === 'forwarded_out') judgeForwardedOut(knowledge, tuple, out);
  else if (outcome.startsWith('request_')) judgeRequest(knowledge, found, wire, tuple, out, become);
  else judgeReply(knowledge, found, wire, tuple, out);
  if (wire.place === 'first') knowledge.noteFragment(wire, tuple);
}

function judgeForwardedOut(knowledge: Knowledge, tuple: Tuple, out: Wire): void {
  const middle = knowledge.ledger.middle(tuple);
  knowledge.exercise.holds(
    'stack',
    !!middle && isSame(out, middle.becomes),
    () => `expected ${middle ? tupleKey(middle.becomes) : 'nothing'}, found ${wireKey(out)}`,
  );
}

function judgeRequest(
  knowledge: Knowledge,
  found: Case,
  wire: Wire,
  tuple: Tuple,
  out: Wire,
  become: Tuple | undefined,
): void {
  const known = knowledge.ledger.find(tuple);
  const isNew = found.counts.some((name) => /^flow_(created|replaced)$/.test(name));
  const isForwarded = found.outcome === 'request_forwarded';
  if (isNew && become) {
    const translated = isForwarded ? wholeOf(found, tuple) : become;
    judgeNew(knowledge, found, wire, tuple, translated);
  } else {
    judgeGoingOn(knowledge, wire, tuple, known);
  }
  const now = knowledge.ledger.find(tuple);
  if (!now) return;
  knowledge.ledger.use(now, wire.flags);
  if (isForwarded) judgeFirstHalf(knowledge, now, out);
  else expectTuple(knowledge, 'staying', out, now.connection.translated);
}

/** The client with the port that the backend sees. */
function judgeFirstHalf(knowledge: Knowledge, known: Known, out: Wire): void {
  const { request, translated } = known.connection;
  const client = { address: request.source.address, port: translated.source.port };
  const there: Tuple = {
    protocol: request.protocol,
    source: client,
    destination: translated.destination,
  };
  const expected = known.direction === 'request' ? there : reverse(there);
  expectTuple(knowledge, 'stack', out, expected);
  knowledge.ledger.addMiddle(expected, known);
}

function judgeGoingOn(
  knowledge: Knowledge,
  wire: Wire,
  tuple: Tuple,
  known: Known | undefined,
): void {
  knowledge.exercise.holds(
    'staying',
    known?.direction === 'request',
    () => `nothing is known of ${tupleKey(tuple)}, and no connection was counted`,
  );
  if (!known || known.connection.isBroken) return;
  const { connection } = known;
  const isNewOnOld =
    tuple.protocol === TCP &&
    isOpening(wire) &&
    (isEnding(connection) || !knowledge.isServed(connection));
  knowledge.exercise.holds(
    'staying',
    !isNewOnOld && knowledge.ledger.age(connection) !== 'over',
    () => `went on with what was over: ${connectionText(connection)}`,
  );
}

function judgeReply(knowledge: Knowledge, found: Case, wire: Wire, tuple: Tuple, out: Wire): void {
  const known = knowledge.ledger.find(tuple);
  knowledge.exercise.holds(
    'inverse',
    known?.direction === 'reply',
    () => `came out as ${wireKey(out)}, of no connection that is known`,
  );
  if (!known) return;
  const { connection } = known;
  knowledge.exercise.holds(
    'inverse',
    connection.isBroken || knowledge.ledger.age(connection) !== 'over',
    () => `was over: ${connectionText(connection)}`,
  );
  knowledge.ledger.use(known, wire.flags);
  if (found.outcome === 'reply_forwarded') judgeFirstHalf(knowledge, known, out);
  else expectTuple(knowledge, 'inverse', out, becomes(known));
}

function expectTuple(
  knowledge: Knowledge,
  check: 'staying' | 'stack' | 'inverse',
  out: Wire,
  expected: Tuple,
): void {
  knowledge.exercise.holds(
    check,
    isSame(out, expected),
    () => `expected ${tupleKey(expected)}, found ${wireKey(out)}`,
  );
}

/** A packet with ports that was passed, refused or dropped. */
export function judgeNotTranslated(
  knowledge: Knowledge,
  found: Case,
  wire: Wire,
  tuple: Tuple,
): void {
  const { hook } = found;
  if (!knowledge.mayBeTouched(found)) return;
  const known = knowledge.ledger.find(tuple);
  if (known) judgeNotGoingOn(knowledge, found, wire, known);
  else if (hook === 'ingress' && wire.place !== 'later')
    judgeNotServed(knowledge, found, wire, tuple);
}

function judgeNotGoingOn(knowledge: Knowledge, found: Case, wire: Wire, known: Known): void {
  const { connection, direction } = known;
  const isReply = direction === 'reply';
  const hook = isReply && !connection.isMasqueraded ? 'egress' : 'ingress';
  if (found.hook !== hook) {
    knowledge.exercise.holds(
      'untouched',
      found.outcome === 'passed',
      () => `${found.outcome} at the other hook`,
    );
    return;
  }
  const isOver = knowledge.ledger.age(connection) !== 'alive';
  knowledge.exercise.holds(
    isReply ? 'inverse' : 'staying',
    connection.isBroken || isOver || (!isReply && knowledge.mayBeReplaced(connection, wire)),
    () => `${found.outcome}, though alive: ${connectionText(connection)}`,
  );
  if (connection.isBroken || hook === 'egress') return;
  knowledge.ledger.forget(connection);
  if (isReply || wire.place === 'later') return;
  judgeNotServed(knowledge, found, wire, connection.request);
}

/** Of a packet that is half translated, what its entry says it will be. */
function wholeOf({ tableAfter }: Case, tuple: Tuple): Tuple {
  const { value } = tableAfter.get(tupleKey(tuple)) as Entry;
  return { protocol: tuple.protocol, source: value.source, destination: value.destination };
}
