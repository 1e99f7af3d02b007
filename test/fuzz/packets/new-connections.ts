// SPDX-License-Identifier: Apache-2.0
// Whether a new connection gets what it may get: a backend, a source, or the refusal that is its due.

import { addressOf } from '../../prog/places.ts';
import type { Snapshot } from './flow-table.ts';
import { type Case, type Knowledge, PORTS } from './knowledge.ts';
import { connectionText, hasEnded } from './ledger.ts';
import {
  backendsText,
  findDialled,
  forgetsMembers,
  isOnNode,
  masqueradeAddress,
} from './random-services.ts';
import {
  type End,
  endKey,
  isFromHost,
  isOpening,
  SCTP,
  TCP,
  type Tuple,
  tupleKey,
  type Wire,
} from './wire.ts';

export function judgeNew(
  knowledge: Knowledge,
  found: Case,
  wire: Wire,
  tuple: Tuple,
  translated: Tuple,
): void {
  const known = knowledge.ledger.find(tuple);
  if (known && !known.connection.isBroken && known.direction === 'request') {
    knowledge.exercise.holds(
      'staying',
      knowledge.mayBeReplaced(known.connection, wire),
      () => `was given up, though alive: ${connectionText(known.connection)}`,
    );
  }
  const { family } = wire;
  const finding = findDialled(knowledge.cluster, family, tuple);
  const offer = finding.kind === 'service' ? finding.offer : undefined;
  const direct = knowledge.isDirect(tuple) ? [tuple.destination] : [];
  const allowed = offer ? knowledge.allowed(found, family, tuple, offer) : direct;
  const backend = translated.destination;
  knowledge.exercise.holds(
    'backends',
    allowed !== 'denied' && allowed.some((one) => endKey(one) === endKey(backend)),
    () => `got ${endKey(backend)}, allowed are ${backendsText(allowed)}`,
  );
  const isHidden = offer !== undefined && isMasqueraded(found, tuple, backend);
  judgeSource(knowledge, wire, tuple, translated, isHidden);
  knowledge.ledger.add({
    family,
    servicePort: offer?.servicePort,
    request: tuple,
    translated,
    isMasqueraded: isHidden,
    isForgotten: offer !== undefined && forgetsMembers(knowledge.cluster, offer.servicePort),
    usedAt: knowledge.ledger.now,
    hasReplied: false,
    isOrphaned: false,
    hasAcknowledged: false,
    requestFin: false,
    replyFin: false,
    isReplyFinFirst: false,
    isReset: false,
    isBroken: false,
  });
  if (offer) knowledge.noteAffinity(offer, tuple, backend);
}

function judgeSource(
  knowledge: Knowledge,
  { family }: Wire,
  tuple: Tuple,
  translated: Tuple,
  isHidden: boolean,
): void {
  const { source, destination } = translated;
  const address = isHidden ? masqueradeAddress(family, destination.address) : tuple.source.address;
  const isOwnPort = source.port === tuple.source.port;
  const isInRange = source.port >= PORTS.first && source.port < PORTS.first + PORTS.count;
  const isPort = tuple.protocol === SCTP ? isOwnPort : isInRange || (!isHidden && isOwnPort);
  knowledge.exercise.holds(
    'sources',
    source.address === address && isPort,
    () => `the source is ${endKey(source)}, of ${address} and ports from ${PORTS.first}`,
  );
  const holder = knowledge.ledger.holder(translated);
  const isFree =
    !holder ||
    holder.isBroken ||
    tupleKey(holder.request) === tupleKey(tuple) ||
    knowledge.ledger.age(holder) !== 'alive' ||
    knowledge.ledger.isIdle(holder) ||
    (tuple.protocol === TCP && hasEnded(holder));
  knowledge.exercise.holds(
    'sources',
    isFree,
    () => `looks the same to the backend: ${holder && connectionText(holder)}`,
  );
}

/** A packet of no connection at an address of a service. */
export function judgeNotServed(knowledge: Knowledge, found: Case, wire: Wire, tuple: Tuple): void {
  const { outcome, tableAfter } = found;
  const finding = findDialled(knowledge.cluster, wire.family, tuple);
  if (finding.kind !== 'service' || (tuple.protocol === TCP && !isOpening(wire))) return;
  if (!isFromHost(wire)) return;
  const allowed = knowledge.allowed(found, wire.family, tuple, finding.offer);
  const isDenied = allowed === 'denied';
  knowledge.exercise.holds(
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
  knowledge.exercise.holds(
    'served',
    reasons[outcome]?.() ?? false,
    () => `${outcome}, although there is ${backendsText(allowed)}`,
  );
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
