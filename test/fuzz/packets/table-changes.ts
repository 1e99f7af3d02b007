// SPDX-License-Identifier: Apache-2.0
// Whether a packet changes in the table what is its own, and nothing else. Called by judge.ts.

import {
  changedKeys,
  type Entry,
  entryText,
  hasBothHalves,
  isForwarded,
  middleOf,
  otherOf,
} from './flow-table.ts';
import { type Case, hasPorts, type Knowledge } from './knowledge.ts';
import { connectionText, hasEnded } from './ledger.ts';
import { readFrame, reverse, TCP, type Tuple, tupleKey } from './wire.ts';

/** Nothing else in the table has changed, and what lives has both halves. */
export function judgeTable(
  knowledge: Knowledge,
  { tuple, tableBefore, tableAfter, outcome, after }: Case,
): void {
  const own = new Set<string>();
  const add = (each: Tuple) => own.add(tupleKey(each)).add(tupleKey(reverse(each)));
  const addMiddle = (entry: Entry | undefined) => {
    const middle = entry && middleOf(entry);
    if (middle) add(middle);
  };
  const addWhole = (entry: Entry | undefined) => {
    if (entry) own.add(tupleKey(entry.key)).add(tupleKey(otherOf(entry)));
    addMiddle(entry);
  };
  if (tuple && hasPorts(tuple)) {
    own.add(tupleKey(tuple));
    for (const table of [tableBefore, tableAfter]) {
      const entry = table.get(tupleKey(tuple));
      if (!entry || isForwarded(entry)) continue;
      own.add(tupleKey(otherOf(entry)));
      addMiddle(entry);
      // What had its place before went with its other half.
      addWhole(tableBefore.get(tupleKey(otherOf(entry))));
    }
    if (knowledge.isDirect(tuple)) addWhole(tableBefore.get(tupleKey(reverse(tuple))));
    const out = outcome.endsWith('_forwarded') && readFrame(after);
    if (out) add(translatedByHalf(knowledge, tuple) ?? out.tuple);
  }
  const foreign = changedKeys(tableBefore, tableAfter).filter((key) => !own.has(key));
  knowledge.exercise.none(
    'tables',
    foreign.map((key) => {
      const [had, has] = [tableBefore.get(key), tableAfter.get(key)].map((entry) =>
        entry ? entryText(entry) : 'nothing',
      );
      return `an entry of another connection changed: ${had} to ${has}`;
    }),
  );
  for (const connection of knowledge.ledger.connections) {
    const { request, translated } = connection;
    const isWhole = hasBothHalves(tableAfter, request, translated);
    const hasMadeRoom = request.protocol === TCP && hasEnded(connection);
    if (connection.isBroken || hasMadeRoom) connection.isBroken = !isWhole;
    else if (knowledge.ledger.age(connection) === 'alive') {
      knowledge.exercise.holds(
        'tables',
        isWhole,
        () => `a half is missing: ${connectionText(connection)}`,
      );
    }
  }
}

/** Of a later fragment, whose own ports cannot be read. */
function translatedByHalf(knowledge: Knowledge, tuple: Tuple): Tuple | undefined {
  const known = knowledge.ledger.find(tuple);
  if (!known) return undefined;
  const { request, translated } = known.connection;
  const client = { address: request.source.address, port: translated.source.port };
  return { protocol: tuple.protocol, source: client, destination: translated.destination };
}
