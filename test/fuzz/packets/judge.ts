// SPDX-License-Identifier: Apache-2.0
// Shows packets to the programs and judges what becomes of each, by what was seen before (ledger.ts) and what
// the Services allow (random-services.ts). Knows nothing of how the programs decide.

import { OUTCOMES } from '../../../agent/sys/packet-tables.ts';
import { type Device, ethernetTo } from '../../prog/network.ts';
import { macText } from '../../prog/packet/bytes.ts';
import type { Hook, Outcome, PacketNode } from '../../prog/packet-node.ts';
import { addressOf } from '../../prog/places.ts';
import type { Exercise } from './checks.ts';
import {
  changedKeys,
  type Entry,
  entryText,
  type FlowTable,
  hasBothHalves,
  isForwarded,
  otherOf,
  type Snapshot,
} from './flow-table.ts';
import {
  becomes,
  type Connection,
  connectionText,
  hasEnded,
  isEnding,
  type Known,
  Ledger,
} from './ledger.ts';
import { frameText } from './packet-text.ts';
import {
  allowedBackends,
  backendsText,
  findDialled,
  isOnNode,
  isServiceAddress,
  masqueradeAddress,
  type Offer,
  type RandomCluster,
  serves,
} from './random-services.ts';
import { refusalProblems } from './refusal.ts';
import { echoProblems, errorProblems, translationProblems } from './rewritten.ts';
import {
  type End,
  ETHERNET_SIZE,
  endKey,
  ICMP,
  isFromHost,
  isOpening,
  readFrame,
  readQuoted,
  reverse,
  SCTP,
  TCP,
  type Tuple,
  tupleKey,
  UDP,
  type Wire,
} from './wire.ts';

/** Ports of masqueraded flows: so few that they run out. */
export const PORTS = { first: 50_000, count: 4 } as const;

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

interface Case {
  readonly hook: Hook;
  readonly device: Device;
  readonly before: Buffer;
  readonly after: Buffer;
  readonly wire: Wire | undefined;
  /** Of a later fragment, that of the first one. */
  readonly tuple: Tuple | undefined;
  readonly outcome: string;
  readonly verdict: string;
  readonly counts: readonly string[];
  readonly tableBefore: Snapshot;
  readonly tableAfter: Snapshot;
}

export class Judge {
  readonly ledger = new Ledger();
  /** What happened, a line each. */
  readonly trace: string[] = [];
  /** The last packet, as it came and as it came out. */
  last: { readonly before: Buffer; readonly after: Buffer } | undefined;
  cluster: RandomCluster = {};
  readonly #node: PacketNode;
  readonly #table: FlowTable;
  readonly #exercise: Exercise;
  readonly #fragments = new Map<string, Tuple>();
  /** By service port and client: the backend, and when it was last asked for. */
  readonly #affinities = new Map<string, { backend: string; usedAt: number }>();
  #snapshot: Snapshot;

  constructor(node: PacketNode, table: FlowTable, exercise: Exercise) {
    this.#node = node;
    this.#table = table;
    this.#exercise = exercise;
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
    const one = this.#oneOutcome(outcome);
    const found: Case = {
      hook,
      device,
      before,
      after,
      wire,
      tuple: wire && this.#tupleOf(wire),
      outcome: one,
      verdict: outcome.verdict,
      counts: outcome.counts,
      tableBefore: this.#snapshot,
      tableAfter: this.#table.read(),
    };
    this.#snapshot = found.tableAfter;
    this.#judge(found);
    return { bytes: after, verdict: outcome.verdict, outcome: one, wire: readFrame(after) };
  }

  age(seconds: number): void {
    this.trace.push(`${seconds} s pass`);
    this.#table.age(seconds);
    this.#snapshot = this.#table.read();
    this.ledger.now += seconds;
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
    for (const known of [this.ledger.find(entry.key), this.ledger.find(otherOf(entry))]) {
      if (known) known.connection.isBroken = true;
    }
  }

  serve(cluster: RandomCluster): void {
    this.trace.push(`served: ${JSON.stringify(cluster)}`);
    this.cluster = cluster;
    // What remembers a choice is of a port that there is.
    for (const key of this.#affinities.keys()) {
      const name = key.split(' ')[1] as keyof RandomCluster;
      if (!cluster[name]) this.#affinities.delete(key);
    }
  }

  get flows(): string[] {
    return [...this.#snapshot.values()].map(entryText).sort();
  }

  #oneOutcome({ verdict, counts }: Outcome): string {
    const outcomes = counts.filter((name) => ONE_OF.has(name));
    const [outcome = ''] = outcomes;
    const verdicts = VERDICTS.find(([pattern]) => pattern.test(outcome))?.[1] ?? [];
    this.#exercise.holds(
      'verdicts',
      outcomes.length === 1 && verdicts.includes(verdict),
      () => `${verdict} with ${outcomes.join(', ') || 'no outcome'}`,
    );
    for (const name of counts) this.#exercise.met(name);
    return outcome;
  }

  #tupleOf(wire: Wire): Tuple | undefined {
    return wire.place === 'later' ? this.#fragments.get(fragmentKey(wire)) : wire.tuple;
  }

  #judge(found: Case): void {
    const { outcome, wire, tuple } = found;
    if (!this.#mayBeTouched(found)) {
      this.#exercise.holds(
        'untouched',
        outcome === 'passed' && found.after.equals(found.before),
        () => `of no service, and yet ${outcome}`,
      );
    }
    if (outcome === 'passed') {
      this.#exercise.holds(
        'untouched',
        found.after.equals(found.before),
        () => 'passed, but not as it came',
      );
    }
    if (wire && outcome === 'icmp_error_translated') this.#judgeError(found, wire);
    else if (wire && outcome === 'echo_answered' && found.verdict === 'redirect') {
      this.#exercise.none('answers', echoProblems(found.before, found.after, wire));
    } else if (wire && outcome.startsWith('refused_') && found.verdict === 'redirect') {
      this.#exercise.none('answers', refusalProblems(found.before, found.after, wire));
    } else if (wire && tuple && TRANSLATED.test(outcome))
      this.#judgeTranslation(found, wire, tuple);
    if (wire && isError(found)) this.#judgeMissedError(found, wire);
    if (wire && tuple && hasPorts(tuple) && !TRANSLATED.test(outcome)) {
      this.#judgeNotTranslated(found, wire, tuple);
    }
    this.#judgeTable(found);
  }

  /** Whether anything may have come of the packet, by what is known of services. */
  #mayBeTouched({ hook, device, before, wire, tuple }: Case): boolean {
    if (!wire || wire.isMapped) return false;
    const isHost = macText(before.subarray(0, 6)) === ethernetTo(device).destination;
    const isMulticast = ((before[0] as number) & 1) !== 0;
    if (hook === 'ingress' && !isHost && (device !== 'pod' || isMulticast)) return false;
    const { family } = wire;
    if (wire.place !== 'later' && wire.tuple.protocol === ICMP[family])
      return this.#mayTouchIcmp(hook, before, wire);
    if (!tuple || !hasPorts(tuple)) return false;
    if (this.ledger.find(tuple) || this.ledger.middle(tuple)) return true;
    if (this.#isDirect(tuple)) return true;
    if (hook === 'egress') return false;
    const { address, port } = tuple.destination;
    const isOfNode = (['node', 'narrowNode'] as const).some(
      (place) => addressOf(place, family) === address,
    );
    const isPort = port >= PORTS.first && port < PORTS.first + PORTS.count;
    if (isOfNode && isPort && tuple.protocol === TCP) return true;
    return isServiceAddress(address) || findDialled(this.cluster, family, tuple).kind !== 'nothing';
  }

  /**
   * Whether it is sent to a backend itself, and would look to it like those of a connection by a service: so
   * that its answers would be taken for that one's.
   */
  #isDirect(tuple: Tuple): boolean {
    const known = this.ledger.find(reverse(tuple));
    return known?.direction === 'reply' && !known.connection.isMasqueraded;
  }

  #mayTouchIcmp(hook: Hook, before: Buffer, wire: Wire): boolean {
    if (wire.place !== 'whole') return false;
    const type = before[wire.transport];
    if (isErrorType(wire, type)) {
      const quoted = readQuoted(before, wire);
      if (!quoted || quoted.place === 'later') return false;
      const counterpart = reverse(quoted.tuple);
      return !!(this.ledger.find(counterpart) ?? this.ledger.middle(counterpart));
    }
    if (type !== (wire.family === 'IPv4' ? 8 : 128)) return false;
    const { address } = wire.tuple.destination;
    if (isServiceAddress(address)) return true;
    const places = hook === 'egress' ? [] : (['loadBalancer', 'external'] as const);
    return places.some((place) => addressOf(place, wire.family) === address);
  }

  #judgeTranslation(found: Case, wire: Wire, tuple: Tuple): void {
    const { before, after, outcome } = found;
    const hops = outcome.endsWith('_redirected') ? 1 : 0;
    this.#exercise.none('translations', translationProblems(before, after, wire, hops));
    const out = readFrame(after);
    if (!out) return;
    // A later fragment has no ports that would tell.
    const become = wire.place === 'later' ? undefined : out.tuple;
    if (outcome === 'forwarded_out') this.#judgeForwardedOut(tuple, out);
    else if (outcome.startsWith('request_')) this.#judgeRequest(found, wire, tuple, out, become);
    else this.#judgeReply(found, wire, tuple, out);
    if (wire.place === 'first') this.#fragments.set(fragmentKey(wire), tuple);
  }

  #judgeForwardedOut(tuple: Tuple, out: Wire): void {
    const middle = this.ledger.middle(tuple);
    this.#exercise.holds(
      'stack',
      !!middle && isSame(out, middle.becomes),
      () => `expected ${middle ? tupleKey(middle.becomes) : 'nothing'}, found ${wireKey(out)}`,
    );
  }

  #judgeRequest(found: Case, wire: Wire, tuple: Tuple, out: Wire, become: Tuple | undefined): void {
    const known = this.ledger.find(tuple);
    const isNew = found.counts.some((name) => /^flow_(created|replaced)$/.test(name));
    const isForwarded = found.outcome === 'request_forwarded';
    if (isNew && become) {
      const translated = isForwarded ? this.#wholeOf(found, tuple) : become;
      this.#judgeNew(found, wire, tuple, translated);
    } else {
      this.#judgeGoingOn(wire, tuple, known);
    }
    const now = this.ledger.find(tuple);
    if (!now) return;
    this.ledger.use(now, wire.flags);
    if (isForwarded) this.#judgeFirstHalf(now, out);
    else this.#expectTuple('staying', out, now.connection.translated);
  }

  /** Of a packet that is half translated, what its entry says it will be. */
  #wholeOf({ tableAfter }: Case, tuple: Tuple): Tuple {
    const { value } = tableAfter.get(tupleKey(tuple)) as Entry;
    return { protocol: tuple.protocol, source: value.source, destination: value.destination };
  }

  /** The client with the port that the backend sees. */
  #judgeFirstHalf(known: Known, out: Wire): void {
    const { request, translated } = known.connection;
    const client = { address: request.source.address, port: translated.source.port };
    const there: Tuple = {
      protocol: request.protocol,
      source: client,
      destination: translated.destination,
    };
    const expected = known.direction === 'request' ? there : reverse(there);
    this.#expectTuple('stack', out, expected);
    this.ledger.addMiddle(expected, known);
  }

  #judgeNew(found: Case, wire: Wire, tuple: Tuple, translated: Tuple): void {
    const known = this.ledger.find(tuple);
    if (known && !known.connection.isBroken && known.direction === 'request') {
      this.#exercise.holds(
        'staying',
        this.#mayBeReplaced(known.connection, wire),
        () => `was given up, though alive: ${connectionText(known.connection)}`,
      );
    }
    const { family } = wire;
    const finding = findDialled(this.cluster, family, tuple);
    const offer = finding.kind === 'service' ? finding.offer : undefined;
    const direct = this.#isDirect(tuple) ? [tuple.destination] : [];
    const allowed = offer ? this.#allowed(found, family, tuple, offer) : direct;
    const backend = translated.destination;
    this.#exercise.holds(
      'backends',
      allowed !== 'denied' && allowed.some((one) => endKey(one) === endKey(backend)),
      () => `got ${endKey(backend)}, allowed are ${backendsText(allowed)}`,
    );
    const isHidden = offer !== undefined && isMasqueraded(found, tuple, backend);
    this.#judgeSource(wire, tuple, translated, isHidden);
    this.ledger.add({
      family,
      servicePort: offer?.servicePort,
      request: tuple,
      translated,
      isMasqueraded: isHidden,
      usedAt: this.ledger.now,
      hasReplied: false,
      hasAcknowledged: false,
      requestFin: false,
      replyFin: false,
      isReplyFinFirst: false,
      isReset: false,
      isBroken: false,
    });
    if (!offer?.service.affinitySeconds) return;
    const affinity = affinityKey(offer, tuple);
    this.#affinities.set(affinity, { backend: endKey(backend), usedAt: this.ledger.now });
  }

  /** Those of the policy, or the one that the client had. */
  #allowed(found: Case, family: Wire['family'], tuple: Tuple, offer: Offer) {
    const client = tuple.source.address;
    const isInside = found.device === 'pod' || isPod(client, family);
    const allowed = allowedBackends(offer, family, { address: client, isInside });
    const kept = this.#affinities.get(affinityKey(offer, tuple));
    const { affinitySeconds } = offer.service;
    if (allowed === 'denied' || !kept || !affinitySeconds) return allowed;
    if (this.ledger.now - kept.usedAt > affinitySeconds - 2) return allowed;
    const same = allowed.filter((one) => endKey(one) === kept.backend);
    return same.length ? same : allowed;
  }

  #judgeSource({ family }: Wire, tuple: Tuple, translated: Tuple, isHidden: boolean): void {
    const { source, destination } = translated;
    const address = isHidden
      ? masqueradeAddress(family, destination.address)
      : tuple.source.address;
    const isOwnPort = source.port === tuple.source.port;
    const isInRange = source.port >= PORTS.first && source.port < PORTS.first + PORTS.count;
    const isPort = tuple.protocol === SCTP ? isOwnPort : isInRange || (!isHidden && isOwnPort);
    this.#exercise.holds(
      'sources',
      source.address === address && isPort,
      () => `the source is ${endKey(source)}, of ${address} and ports from ${PORTS.first}`,
    );
    const holder = this.ledger.holder(translated);
    const isFree =
      !holder ||
      holder.isBroken ||
      tupleKey(holder.request) === tupleKey(tuple) ||
      this.ledger.age(holder) !== 'alive' ||
      (tuple.protocol === TCP && hasEnded(holder));
    this.#exercise.holds(
      'sources',
      isFree,
      () => `looks the same to the backend: ${holder && connectionText(holder)}`,
    );
  }

  #judgeGoingOn(wire: Wire, tuple: Tuple, known: Known | undefined): void {
    this.#exercise.holds(
      'staying',
      known?.direction === 'request',
      () => `nothing is known of ${tupleKey(tuple)}, and no connection was counted`,
    );
    if (!known || known.connection.isBroken) return;
    const { connection } = known;
    const isNewOnOld =
      tuple.protocol === TCP &&
      isOpening(wire) &&
      (isEnding(connection) || !this.#isServed(connection));
    this.#exercise.holds(
      'staying',
      !isNewOnOld && this.ledger.age(connection) !== 'over',
      () => `went on with what was over: ${connectionText(connection)}`,
    );
  }

  #mayBeReplaced(connection: Connection, wire: Wire): boolean {
    if (this.ledger.age(connection) !== 'alive') return true;
    const { protocol } = connection.request;
    if (protocol === TCP) {
      return isOpening(wire) && (isEnding(connection) || !this.#isServed(connection));
    }
    return protocol === UDP && !this.#isServed(connection);
  }

  #isServed({ servicePort, family, translated }: Connection): boolean {
    if (servicePort === undefined) return true;
    return serves(this.cluster, servicePort, family, translated.destination);
  }

  #judgeReply(found: Case, wire: Wire, tuple: Tuple, out: Wire): void {
    const known = this.ledger.find(tuple);
    this.#exercise.holds(
      'inverse',
      known?.direction === 'reply',
      () => `came out as ${wireKey(out)}, of no connection that is known`,
    );
    if (!known) return;
    const { connection } = known;
    this.#exercise.holds(
      'inverse',
      connection.isBroken || this.ledger.age(connection) !== 'over',
      () => `was over: ${connectionText(connection)}`,
    );
    this.ledger.use(known, wire.flags);
    if (found.outcome === 'reply_forwarded') this.#judgeFirstHalf(known, out);
    else this.#expectTuple('inverse', out, becomes(known));
  }

  #expectTuple(check: 'staying' | 'stack' | 'inverse', out: Wire, expected: Tuple): void {
    this.#exercise.holds(
      check,
      isSame(out, expected),
      () => `expected ${tupleKey(expected)}, found ${wireKey(out)}`,
    );
  }

  /** A packet with ports that was passed, refused or dropped. */
  #judgeNotTranslated(found: Case, wire: Wire, tuple: Tuple): void {
    const { hook } = found;
    if (!this.#mayBeTouched(found)) return;
    const known = this.ledger.find(tuple);
    if (known) this.#judgeNotGoingOn(found, wire, known);
    else if (hook === 'ingress' && wire.place !== 'later') this.#judgeNotServed(found, wire, tuple);
  }

  #judgeNotGoingOn(found: Case, wire: Wire, known: Known): void {
    const { connection, direction } = known;
    const isReply = direction === 'reply';
    const hook = isReply && !connection.isMasqueraded ? 'egress' : 'ingress';
    if (found.hook !== hook) {
      this.#exercise.holds(
        'untouched',
        found.outcome === 'passed',
        () => `${found.outcome} at the other hook`,
      );
      return;
    }
    const isOver = this.ledger.age(connection) !== 'alive';
    this.#exercise.holds(
      isReply ? 'inverse' : 'staying',
      connection.isBroken || isOver || (!isReply && this.#mayBeReplaced(connection, wire)),
      () => `${found.outcome}, though alive: ${connectionText(connection)}`,
    );
    if (connection.isBroken || hook === 'egress') return;
    this.ledger.forget(connection);
    if (isReply || wire.place === 'later') return;
    this.#judgeNotServed(found, wire, connection.request);
  }

  /** A packet of no connection at an address of a service. */
  #judgeNotServed(found: Case, wire: Wire, tuple: Tuple): void {
    const { outcome, tableAfter } = found;
    const finding = findDialled(this.cluster, wire.family, tuple);
    if (finding.kind !== 'service' || (tuple.protocol === TCP && !isOpening(wire))) return;
    if (!isFromHost(wire)) return;
    const allowed = this.#allowed(found, wire.family, tuple, finding.offer);
    const isDenied = allowed === 'denied';
    this.#exercise.holds(
      'served',
      (outcome === 'dropped_source_not_allowed') === isDenied,
      () => `${outcome}; allowed are ${backendsText(allowed)}`,
    );
    if (isDenied || allowed.length === 0) return;
    const unreachable = addressOf('unreachablePod', wire.family);
    const isTaken = () => allowed.every((one) => isExhausted(tableAfter, wire, tuple, one));
    const isSctpClash = () =>
      tuple.protocol === SCTP &&
      (tuple.source.port === 0 ||
        tuple.destination.port !== finding.offer.target ||
        allowed.some((one) => isSctpTaken(found, wire, tuple, one)));
    const reasons: Record<string, () => boolean> = {
      dropped_no_route: () => allowed.some(({ address }) => address === unreachable),
      dropped_masquerade_ports_exhausted: isTaken,
      dropped_sctp_port: isSctpClash,
    };
    this.#exercise.holds(
      'served',
      reasons[outcome]?.() ?? false,
      () => `${outcome}, although there is ${backendsText(allowed)}`,
    );
  }

  #judgeError(found: Case, wire: Wire): void {
    const { before, after, verdict } = found;
    const hops = verdict === 'redirect' ? 1 : 0;
    this.#exercise.none('errors', errorProblems(before, after, wire, hops));
    const quoted = readQuoted(before, wire);
    const out = readFrame(after);
    const outQuoted = out && readQuoted(after, out);
    if (!quoted || !outQuoted) return;
    const counterpart = reverse(quoted.tuple);
    const known = this.ledger.find(counterpart);
    const become = known ? becomes(known) : this.ledger.middle(counterpart)?.becomes;
    const expected = become && reverse(become);
    this.#exercise.holds(
      'errors',
      !!expected && isSame(outQuoted, expected),
      () => `is about ${wireKey(outQuoted)}, not ${expected ? tupleKey(expected) : 'known'}`,
    );
    if (!expected) return;
    const sources = [wire.tuple.source.address, expected.destination.address];
    const { source, destination } = out.tuple;
    this.#exercise.holds(
      'errors',
      destination.address === expected.source.address && sources.includes(source.address),
      () => `goes from ${source.address} to ${destination.address}`,
    );
  }

  /** An ICMP error that was not translated. */
  #judgeMissedError(found: Case, wire: Wire): void {
    const { outcome, hook } = found;
    const quoted = readQuoted(found.before, wire);
    const known = quoted && this.ledger.find(reverse(quoted.tuple));
    if (!known || !this.#mayBeTouched(found) || outcome === 'icmp_error_translated') return;
    const { connection, direction } = known;
    const isHere =
      (direction === 'reply' && !connection.isMasqueraded ? 'egress' : 'ingress') === hook;
    if (!isHere || connection.isBroken || this.ledger.age(connection) !== 'alive') return;
    const isCut = found.before.length < quoted.transport + 8;
    const isLast = outcome === 'dropped_no_route' && wire.ttl <= 1;
    this.#exercise.holds(
      'errors',
      isCut || isLast,
      () => `${outcome}, though it is about ${connectionText(connection)}`,
    );
  }

  /** Nothing else in the table has changed, and what lives has both halves. */
  #judgeTable({ tuple, tableBefore, tableAfter, outcome, after }: Case): void {
    const own = new Set<string>();
    const add = (each: Tuple) => own.add(tupleKey(each)).add(tupleKey(reverse(each)));
    const addWhole = (entry: Entry | undefined) => {
      if (entry) own.add(tupleKey(entry.key)).add(tupleKey(otherOf(entry)));
    };
    if (tuple && hasPorts(tuple)) {
      own.add(tupleKey(tuple));
      for (const table of [tableBefore, tableAfter]) {
        const entry = table.get(tupleKey(tuple));
        if (!entry || isForwarded(entry)) continue;
        own.add(tupleKey(otherOf(entry)));
        // What had its place before went with its other half.
        addWhole(tableBefore.get(tupleKey(otherOf(entry))));
      }
      if (this.#isDirect(tuple)) addWhole(tableBefore.get(tupleKey(reverse(tuple))));
      const out = outcome.endsWith('_forwarded') && readFrame(after);
      if (out) add(this.#middleOf(tuple) ?? out.tuple);
    }
    const foreign = changedKeys(tableBefore, tableAfter).filter((key) => !own.has(key));
    this.#exercise.none(
      'tables',
      foreign.map((key) => {
        const [had, has] = [tableBefore.get(key), tableAfter.get(key)].map((entry) =>
          entry ? entryText(entry) : 'nothing',
        );
        return `an entry of another connection changed: ${had} to ${has}`;
      }),
    );
    for (const connection of this.ledger.connections) {
      const { request, translated } = connection;
      const isWhole = hasBothHalves(tableAfter, request, translated);
      if (connection.isBroken) connection.isBroken = !isWhole;
      else if (this.ledger.age(connection) === 'alive') {
        const isThere = isWhole || (request.protocol === TCP && hasEnded(connection));
        this.#exercise.holds(
          'tables',
          isThere,
          () => `a half is missing: ${connectionText(connection)}`,
        );
      }
    }
  }

  /** Of a later fragment, whose own ports cannot be read. */
  #middleOf(tuple: Tuple): Tuple | undefined {
    const known = this.ledger.find(tuple);
    if (!known) return undefined;
    const { request, translated } = known.connection;
    const client = { address: request.source.address, port: translated.source.port };
    return { protocol: tuple.protocol, source: client, destination: translated.destination };
  }
}

/** The kernel runs no program over less than the IP header that the Ethernet type promises. */
function canBeRun(bytes: Buffer): boolean {
  const type = bytes.length > ETHERNET_SIZE ? bytes.readUInt16BE(12) : 0x86dd;
  const header = type === 0x86dd ? 40 : type === 0x0800 ? 20 : 1;
  return bytes.length >= ETHERNET_SIZE + header;
}

function hasPorts({ protocol }: Tuple): boolean {
  return protocol === TCP || protocol === UDP || protocol === SCTP;
}

/** In IPv6 a later fragment may name another protocol (RFC 8200 4.5). */
function fragmentKey({ family, tuple, id }: Wire): string {
  const { protocol, source, destination } = tuple;
  return `${family === 'IPv4' ? protocol : ''} ${source.address} ${destination.address} ${id}`;
}

function affinityKey({ servicePort }: Offer, { source }: Tuple): string {
  return `${servicePort} ${source.address}`;
}

function isPod(address: string, family: Wire['family']): boolean {
  return address.startsWith(family === 'IPv4' ? '10.244.' : 'fd00:10:244:');
}

/** By the contract of bpf/abi.h: a backend elsewhere, or the client itself, does not see the client. */
function isMasqueraded({ device }: Case, { source }: Tuple, backend: End): boolean {
  return source.address === backend.address || (device !== 'pod' && !isOnNode(backend.address));
}

/** Whether each port that could be had at `backend` is another connection's. */
function isExhausted(table: Snapshot, { family }: Wire, tuple: Tuple, backend: End): boolean {
  const addresses = [masqueradeAddress(family, backend.address), tuple.source.address];
  return addresses.some((address) =>
    Array.from({ length: PORTS.count }, (_, i) => PORTS.first + i).every((port) => {
      const destination = { address, port };
      return table.has(tupleKey({ protocol: tuple.protocol, source: backend, destination }));
    }),
  );
}

function isSctpTaken({ tableAfter }: Case, { family }: Wire, tuple: Tuple, backend: End): boolean {
  const addresses = [masqueradeAddress(family, backend.address), tuple.source.address];
  return addresses.some((address) => {
    const destination = { address, port: tuple.source.port };
    return tableAfter.has(tupleKey({ protocol: SCTP, source: backend, destination }));
  });
}

/** A later fragment shows its addresses alone. */
function isSame({ tuple, place }: Wire, expected: Tuple): boolean {
  if (place !== 'later') return tupleKey(tuple) === tupleKey(expected);
  return (
    tuple.source.address === expected.source.address &&
    tuple.destination.address === expected.destination.address
  );
}

function wireKey({ tuple }: Wire): string {
  return tupleKey(tuple);
}

function isErrorType({ family }: Wire, type: number | undefined): boolean {
  return type !== undefined && (family === 'IPv4' ? [3, 11, 12].includes(type) : type < 128);
}

function isError({ wire, before }: Case): boolean {
  return (
    !!wire &&
    wire.tuple.protocol === ICMP[wire.family] &&
    wire.place === 'whole' &&
    isErrorType(wire, before[wire.transport])
  );
}
