// SPDX-License-Identifier: Apache-2.0
// Shows packets to the programs and has judged what becomes of each. Knows nothing of how the programs decide.

import { OUTCOMES } from '../../../agent/sys/packet-tables.ts';
import type { Device } from '../../prog/network.ts';
import type { Hook, Outcome, PacketNode } from '../../prog/packet-node.ts';
import type { Exercise } from './checks.ts';
import { entryText, type FlowTable, isForwarded, otherOf, type Snapshot } from './flow-table.ts';
import { isError, judgeError, judgeMissedError } from './icmp-errors.ts';
import { type Case, hasPorts, isLookedAt, Knowledge } from './knowledge.ts';
import { judgeNotTranslated, judgeTranslation } from './known-connections.ts';
import { frameText } from './packet-text.ts';
import type { RandomCluster } from './random-services.ts';
import { refusalProblems } from './refusal.ts';
import { echoProblems } from './rewritten.ts';
import { judgeTable } from './table-changes.ts';
import { ETHERNET_SIZE, readFrame, type Wire } from './wire.ts';

/** Outcomes of which each packet counts one (bpf/abi.h); the others come besides. */
const ONE_OF = new Set(OUTCOMES.slice(0, 24));

const VERDICTS: readonly [RegExp, readonly string[]][] = [
  [/^passed$|_delivered$|_forwarded$|^forwarded_out$/, ['pass']],
  [/_redirected$/, ['redirect']],
  [/^icmp_error_translated$/, ['pass', 'redirect']],
  // What cannot be answered is dropped.
  [/^refused_|^echo_/, ['redirect', 'drop']],
  [/^dropped_/, ['drop']],
];

const TRANSLATED = /^(request|reply)_(delivered|redirected|forwarded)$|^forwarded_out$/;

export interface Shown {
  readonly bytes: Buffer;
  readonly verdict: string;
  readonly outcome: string;
  /** As it came out. */
  readonly wire: Wire | undefined;
}

/** Of one history. @throws Violation when a packet breaks an invariant. */
export class Judge {
  readonly knowledge: Knowledge;
  /** What happened, a line each. */
  readonly trace: string[] = [];
  /** The last packet, as it came and as it came out. */
  last: { readonly before: Buffer; readonly after: Buffer } | undefined;
  readonly #node: PacketNode;
  readonly #table: FlowTable;
  #snapshot: Snapshot;

  constructor(node: PacketNode, table: FlowTable, exercise: Exercise) {
    this.#node = node;
    this.#table = table;
    this.knowledge = new Knowledge(exercise);
    this.#snapshot = table.read();
  }

  show(hook: Hook, device: Device, before: Buffer): Shown {
    if (!canBeRun(before)) {
      return { bytes: before, verdict: 'drop', outcome: '', wire: undefined };
    }
    this.trace.push(`${hook} ${device}: ${frameText(before)}`);
    const outcome = this.#node.run(hook, before, device);
    const after = outcome.bytes;
    this.trace.push(
      `   ${outcome.verdict} (${outcome.counts.join(', ')})` +
        (outcome.verdict === 'drop' || after.equals(before) ? '' : `: ${frameText(after)}`),
    );
    this.last = { before, after };
    const wire = readFrame(before);
    if (wire?.place === 'first' && isLookedAt(hook, device, before, wire)) {
      this.knowledge.forgetFragment(wire);
    }
    const one = this.#oneOutcome(outcome);
    const found: Case = {
      hook,
      device,
      before,
      after,
      wire,
      tuple: wire && this.knowledge.tupleOf(wire),
      outcome: one,
      verdict: outcome.verdict,
      counts: outcome.counts,
      tableBefore: this.#snapshot,
      tableAfter: this.#table.read(),
    };
    this.#snapshot = found.tableAfter;
    judge(this.knowledge, found);
    return { bytes: after, verdict: outcome.verdict, outcome: one, wire: readFrame(after) };
  }

  age(seconds: number): void {
    this.trace.push(`${seconds} s pass`);
    this.#table.age(seconds);
    this.#snapshot = this.#table.read();
    this.knowledge.ledger.now += seconds;
  }

  /** Loses an entry of the table. */
  loseHalf(number: number): void {
    const entries = [...this.#snapshot].sort(([a], [b]) => (a < b ? -1 : 1));
    const entry = entries[number % Math.max(1, entries.length)]?.[1];
    if (!entry) return;
    this.trace.push(`lost: ${entryText(entry)}`);
    this.#table.forget(entry);
    this.#snapshot = this.#table.read();
    if (isForwarded(entry)) return;
    for (const known of [
      this.knowledge.ledger.find(entry.key),
      this.knowledge.ledger.find(otherOf(entry)),
    ]) {
      if (known) known.connection.isBroken = true;
    }
  }

  serve(cluster: RandomCluster): void {
    this.trace.push(`served: ${JSON.stringify(cluster)}`);
    this.knowledge.serve(cluster);
  }

  get flows(): string[] {
    return [...this.#snapshot.values()].map(entryText).sort();
  }

  #oneOutcome({ verdict, counts }: Outcome): string {
    const outcomes = counts.filter((name) => ONE_OF.has(name));
    const [outcome = ''] = outcomes;
    const verdicts = VERDICTS.find(([pattern]) => pattern.test(outcome))?.[1] ?? [];
    this.knowledge.exercise.holds(
      'verdicts',
      outcomes.length === 1 && verdicts.includes(verdict),
      () => `${verdict} with ${outcomes.join(', ') || 'no outcome'}`,
    );
    for (const name of counts) this.knowledge.exercise.met(name);
    return outcome;
  }
}

function judge(knowledge: Knowledge, found: Case): void {
  const { outcome, wire, tuple } = found;
  if (!knowledge.mayBeTouched(found)) {
    knowledge.exercise.holds(
      'untouched',
      outcome === 'passed' && found.after.equals(found.before),
      () => `of no service, and yet ${outcome}`,
    );
  }
  if (outcome === 'passed') {
    knowledge.exercise.holds(
      'untouched',
      found.after.equals(found.before),
      () => 'passed, but not as it came',
    );
  }
  if (wire && outcome === 'icmp_error_translated') judgeError(knowledge, found, wire);
  else if (wire && outcome === 'echo_answered' && found.verdict === 'redirect') {
    knowledge.exercise.none('answers', echoProblems(found.before, found.after, wire));
  } else if (wire && outcome.startsWith('refused_') && found.verdict === 'redirect') {
    knowledge.exercise.none('answers', refusalProblems(found.before, found.after, wire));
  } else if (wire && tuple && TRANSLATED.test(outcome))
    judgeTranslation(knowledge, found, wire, tuple);
  if (wire && isError(found)) judgeMissedError(knowledge, found, wire);
  if (wire && tuple && hasPorts(tuple) && !TRANSLATED.test(outcome)) {
    judgeNotTranslated(knowledge, found, wire, tuple);
  }
  judgeTable(knowledge, found);
}

/** The kernel runs no program over less than the IP header that the Ethernet type promises. */
function canBeRun(bytes: Buffer): boolean {
  const type = bytes.length > ETHERNET_SIZE ? bytes.readUInt16BE(12) : 0x86dd;
  const header = type === 0x86dd ? 40 : type === 0x0800 ? 20 : 1;
  return bytes.length >= ETHERNET_SIZE + header;
}
