// SPDX-License-Identifier: Apache-2.0
// What is known when a packet comes: what was seen before (ledger.ts) and what the Services allow
// (random-services.ts). Says of a packet what may become of it; judges nothing.

import { type Device, ethernetTo } from '../../prog/network.ts';
import { macText } from '../../prog/packet/bytes.ts';
import type { Hook } from '../../prog/packet-node.ts';
import { addressOf } from '../../prog/places.ts';
import type { Exercise } from './checks.ts';
import type { Snapshot } from './flow-table.ts';
import { type Connection, isEnding, Ledger } from './ledger.ts';
import {
  allowedBackends,
  findDialled,
  forgetsMembers,
  isOnNode,
  isServiceAddress,
  type Offer,
  type RandomCluster,
  serves,
} from './random-services.ts';
import {
  type End,
  endKey,
  ICMP,
  isOpening,
  readQuoted,
  reverse,
  SCTP,
  TCP,
  type Tuple,
  UDP,
  type Wire,
} from './wire.ts';

/** Ports of masqueraded flows: so few that they run out. */
export const PORTS = { first: 50_000, count: 4 } as const;

/** A packet, and what came of it. */
export interface Case {
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

/** Of one history. */
export class Knowledge {
  readonly exercise: Exercise;
  readonly ledger = new Ledger();
  cluster: RandomCluster = {};
  readonly #fragments = new Map<string, Tuple>();
  /** By service port and client: the backend, and when it was last asked for. */
  readonly #affinities = new Map<string, { backend: string; usedAt: number }>();

  constructor(exercise: Exercise) {
    this.exercise = exercise;
  }

  serve(cluster: RandomCluster): void {
    this.cluster = cluster;
    // A Service that comes again is another one: what was led there by the first has lost its backend.
    for (const connection of this.ledger.connections) {
      const name = connection.servicePort?.includes(' web ') ? 'web' : 'other';
      if (connection.servicePort && !cluster[name]) connection.isOrphaned = true;
    }
    // What remembers a choice is of a port that there is.
    for (const key of this.#affinities.keys()) {
      const name = key.split(' ')[1] as keyof RandomCluster;
      if (!cluster[name]) this.#affinities.delete(key);
    }
  }

  /** What has been known of a packet with its id is of another one. */
  forgetFragment(first: Wire): void {
    this.#fragments.delete(fragmentKey(first));
  }

  noteFragment(first: Wire, tuple: Tuple): void {
    this.#fragments.set(fragmentKey(first), tuple);
  }

  noteAffinity(offer: Offer, tuple: Tuple, backend: End): void {
    if (!offer.service.affinitySeconds) return;
    const chosen = { backend: endKey(backend), usedAt: this.ledger.now };
    this.#affinities.set(affinityKey(offer, tuple), chosen);
  }

  tupleOf(wire: Wire): Tuple | undefined {
    return wire.place === 'later' ? this.#fragments.get(fragmentKey(wire)) : wire.tuple;
  }

  /** Whether anything may have come of the packet, by what is known of services. */
  mayBeTouched({ hook, device, before, wire, tuple }: Case): boolean {
    if (!wire || !isLookedAt(hook, device, before, wire)) return false;
    const { family } = wire;
    if (wire.place !== 'later' && wire.tuple.protocol === ICMP[family])
      return this.#mayTouchIcmp(hook, before, wire);
    if (!tuple || !hasPorts(tuple)) return false;
    if (this.ledger.find(tuple) || this.ledger.middle(tuple)) return true;
    if (this.isDirect(tuple)) return true;
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
  isDirect(tuple: Tuple): boolean {
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

  /** Those of the policy, or the one that the client had. */
  allowed(found: Case, family: Wire['family'], tuple: Tuple, offer: Offer) {
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

  mayBeReplaced(connection: Connection, wire: Wire): boolean {
    if (this.ledger.age(connection) !== 'alive') return true;
    const { protocol } = connection.request;
    if (protocol === TCP) {
      return (
        isOpening(wire) &&
        (isEnding(connection) || connection.isForgotten || !this.isServed(connection))
      );
    }
    return protocol === UDP && !this.isServed(connection);
  }

  /** Whether the client may dial again. Where members are forgotten it may, for as long as the backend answers. */
  isServed({ servicePort, family, translated, isOrphaned, isForgotten }: Connection): boolean {
    if (servicePort === undefined || isForgotten) return true;
    if (isOrphaned) return false;
    const isKept =
      !forgetsMembers(this.cluster, servicePort) || isOnNode(translated.destination.address);
    return isKept && serves(this.cluster, servicePort, family, translated.destination);
  }
}

/** Whether programs read more of a packet than whom it is for. */
export function isLookedAt(hook: Hook, device: Device, before: Buffer, wire: Wire): boolean {
  if (wire.isMapped) return false;
  const isHost = macText(before.subarray(0, 6)) === ethernetTo(device).destination;
  const isMulticast = ((before[0] as number) & 1) !== 0;
  return hook === 'egress' || isHost || (device === 'pod' && !isMulticast);
}

export function hasPorts({ protocol }: Tuple): boolean {
  return protocol === TCP || protocol === UDP || protocol === SCTP;
}

export function isErrorType({ family }: Wire, type: number | undefined): boolean {
  return type !== undefined && (family === 'IPv4' ? [3, 11, 12].includes(type) : type < 128);
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
