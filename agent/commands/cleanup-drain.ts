// SPDX-License-Identifier: Apache-2.0
// The way back to kube-proxy: its rules are there again and get all that is new, while what we have translated goes on
// until it ends; what does not is kube-proxy's at last (reconcile/hand-over.ts). May be interrupted and begun again; an agent that starts calls it off (reconcile/draining.ts).

import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { EnvironmentError, messageOf } from '../errors.ts';
import { protocolName, protocolNumber } from '../model/protocol.ts';
import {
  flowState,
  flowTimeoutSeconds,
  idleSeconds,
  isRequest,
  NO_SERVICE_PORT,
} from '../plan/flow-life.ts';
import { beginDraining, markHandedOver } from '../reconcile/draining.ts';
import { isPlaceholder } from '../reconcile/foreign-connections.ts';
import { handOver } from '../reconcile/hand-over.ts';
import { findKubeProxyRules } from '../reconcile/kube-proxy-rules.ts';
import { inSlices } from '../reconcile/slices.ts';
import { noteConnections } from '../sys/conntrack.ts';
import type { ConntrackTuple } from '../sys/conntrack-messages.ts';
import { openTables, type Tables } from '../sys/datapath.ts';
import { FlowFlags, type FlowKey, type FlowValue } from '../sys/layout.gen.ts';
import { isNotFound } from '../sys/libbpf/kernel-error.ts';
import { openPacketTables, type PacketTables } from '../sys/packet-tables.ts';
import type { Pins } from '../sys/pins.ts';
import { formatDuration } from './duration.ts';
import { complain, say } from './terminal.ts';

export interface DrainOptions {
  readonly pins: Pins;
  readonly timeoutSeconds: number;
  /** Although nobody else would serve. */
  readonly force: boolean;
  /** An agent that runs, in words. */
  readonly findAgent: () => Promise<string | undefined>;
}

interface OpenConnections {
  readonly total: number;
  /** `connections that go on: 2 TCP` */
  readonly text: string;
}

const LOOK_EVERY_MS = 500;
const TELL_EVERY_MS = 10_000;
/** Of datagrams no end is known. Who is silent for so long finds another backend afterwards, if it goes on at all. */
const SILENCE_SECONDS = 30;
/** What a backend has been sent: then nobody is there who would translate the answer. */
const ANSWERED_WITHIN_MS = 2000;
const TCP = protocolNumber('TCP');
/** Entries read in one go: some tenths of a millisecond. */
const BATCH = 1000;
const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

/**
 * Returns when no connection is left that the programs translate, or the time is over.
 *
 * @throws EnvironmentError when nobody else serves, an agent starts, or somebody interrupts it.
 */
export async function drain(options: DrainOptions): Promise<void> {
  const { pins, timeoutSeconds } = options;
  const packetTables = openIfThere(pins);
  // Nothing of ours translates anything.
  if (!packetTables) return;
  try {
    if (!options.force) await requireOther();
    if (!begin(pins)) return;
    noteFlows(packetTables, timeoutSeconds);
    const left = await waitForEnd(options, packetTables);
    if (left.total > 0) {
      say(`after ${formatDuration(timeoutSeconds)}, ${left.text}; they end now`);
    }
    await leaveRest(pins, packetTables);
  } finally {
    packetTables.close();
  }
}

function openIfThere(pins: Pins): PacketTables | undefined {
  try {
    return openPacketTables(pins);
  } catch (error) {
    if (isNotFound(error)) return undefined;
    throw error;
  }
}

async function requireOther(): Promise<void> {
  const { rules, hasIpvs } = await findKubeProxyRules();
  if (rules.length > 0 || hasIpvs) return;
  throw new EnvironmentError('kube-proxy has no rules here: nobody would serve what is new', {
    hint: 'start kube-proxy and wait for its rules; --force drains nevertheless',
  });
}

/** @returns whether there is anything to drain. */
function begin(pins: Pins): boolean {
  return withNodes(pins, beginDraining);
}

function withNodes<R>(pins: Pins, use: (nodes: Tables['nodes']) => R): R {
  const tables = openTables(pins);
  try {
    return use(tables.nodes);
  } finally {
    tables.close();
  }
}

/**
 * What is masqueraded here does not pass conntrack, which might give a connection that kube-proxy masquerades the same
 * port to the same backend: the answers would be taken for ours.
 */
function noteFlows({ flows }: PacketTables, timeoutSeconds: number): void {
  const tuples: ConntrackTuple[] = [];
  for (const piece of flows.batches(BATCH)) {
    for (const [{ protocol }, { source, destination, servicePortId, flags }] of piece) {
      if (!isRequest(flags) || !(flags & FlowFlags.MASQUERADED)) continue;
      if (servicePortId === NO_SERVICE_PORT) continue;
      tuples.push({ protocol, source, destination });
    }
  }
  try {
    noteConnections(tuples, timeoutSeconds + 60);
  } catch (error) {
    complain(`kube-proxy may choose a port that is in use: ${messageOf(error)}`);
  }
}

/** Whoever is still there is the other's from now on; what is on its way is waited for. */
async function leaveRest(pins: Pins, tables: PacketTables): Promise<void> {
  try {
    withNodes(pins, markHandedOver);
    await inSlices(handOver(tables));
  } catch (error) {
    complain(`an answer that is on its way may be lost: ${messageOf(error)}`);
  }
  await sleep(ANSWERED_WITHIN_MS);
}

/** @returns what is left. */
async function waitForEnd(
  { timeoutSeconds, findAgent }: DrainOptions,
  tables: PacketTables,
): Promise<OpenConnections> {
  const deadlineMs = performance.now() + timeoutSeconds * 1000;
  const interrupted = new AbortController();
  for (const signal of SIGNALS) {
    once(process, signal, { signal: interrupted.signal }).then(
      () => interrupted.abort(signal),
      () => {},
    );
  }
  let toldMs = -Infinity;
  try {
    for (;;) {
      const { total, text } = await inSlices(countOpen(tables));
      const leftMs = deadlineMs - performance.now();
      if (total === 0 || leftMs <= 0) return { total, text };
      if (performance.now() - toldMs >= TELL_EVERY_MS) {
        say(`${text}; waiting for ${formatDuration(Math.ceil(leftMs / 1000))} at most`);
        toldMs = performance.now();
      }
      const agent = await findAgent();
      if (agent !== undefined) throw calledOff(agent);
      await sleep(Math.min(LOOK_EVERY_MS, leftMs), undefined, interrupted).catch(() => {});
      if (interrupted.signal.aborted) throw interruption();
    }
  } finally {
    interrupted.abort();
  }
}

function* countOpen({ flows }: PacketTables): Generator<void, OpenConnections> {
  const counts = new Map<string, number>();
  for (const piece of flows.batches(BATCH)) {
    const nowNs = process.hrtime.bigint();
    for (const [key, value] of piece) {
      if (!isOpen(key, value, nowNs)) continue;
      const name = protocolName(key.protocol) ?? String(key.protocol);
      counts.set(name, (counts.get(name) ?? 0) + 1);
    }
    yield;
  }
  const total = counts.values().reduce((sum, count) => sum + count, 0);
  const texts = [...counts].sort().map(([protocol, count]) => `${count} ${protocol}`);
  return { total, text: `connections that go on: ${texts.join(', ')}` };
}

/** Whether something is lost when the flow is. */
function isOpen(key: FlowKey, value: FlowValue, nowNs: bigint): boolean {
  const { flags, lastUsedNs } = value;
  if (!isRequest(flags)) return false;
  // What an ended connection may still send is answered by its ends themselves.
  if (isPlaceholder(key, value) || flowState(key.protocol, flags) === 'closed') return false;
  const idle = idleSeconds(lastUsedNs, nowNs);
  const limit = flowTimeoutSeconds(key.protocol, flags);
  return idle <= (key.protocol === TCP ? limit : Math.min(limit, SILENCE_SECONDS));
}

function calledOff(agent: string): EnvironmentError {
  return new EnvironmentError(`an agent has started (${agent}) and serves again`, {
    hint: 'stop it first, and drain again',
  });
}

function interruption(): EnvironmentError {
  return new EnvironmentError(
    'interrupted: what is new goes to kube-proxy, and nothing was removed',
    {
      hint: 'run it again to go on; an agent that starts serves again as before',
    },
  );
}
