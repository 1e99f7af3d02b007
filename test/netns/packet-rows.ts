// SPDX-License-Identifier: Apache-2.0
// What becomes of packets, as a table: each row over TCP and UDP, IPv4 and IPv6, all at the same time.

import type { ExecutionContext } from 'ava';
import type { Place } from '../lab/spawn-inside.ts';
import { targetAt } from './kube-service.ts';
import {
  inEitherFamily,
  makeAttempts,
  type PacketAttempt,
  type PacketKind,
} from './packet-attempts.ts';
import type { PacketNetwork } from './packet-network.ts';
import { CLIENT, OTHER_CLIENT } from './packet-plan.ts';
import type { Dialled } from './packet-services.ts';

export const REFUSED = 'ECONNREFUSED';
export const SILENCE = 'silence';

export interface Row extends Dialled {
  /** Who dials; an address of the place. */
  readonly source: string;
  /** Default: one that no other row has. */
  readonly sourcePort?: number;
  /** Default: TCP and UDP. */
  readonly kinds?: readonly PacketKind[];
  readonly size?: number;
  /**
   * Such as {@link servedBy}. The client's port is compared where the backend sees the client's address:
   * `PORT` stands for the same one.
   */
  readonly becomes: string;
}

/** Silence is awaited, so it is not for long; everything else comes or fails the test. */
const SILENT_MS = 500;

/** Of this process: a port whose flow the node still knows would be changed. */
let nextPort = 20_001;

/** @param seen what the backend takes for the client; a client that keeps its port too. */
export function servedBy(backend: string, seen: string): string {
  return `${targetAt(backend)} from ${seen}`;
}

/** What a backend of the node sees of a client: all of it. */
export function keeping(client: string): string {
  return `${client}:PORT`;
}

/** Makes every attempt of every row from `place`. The test fails with all those that come to something else. */
export async function comeTo(
  t: ExecutionContext,
  network: PacketNetwork,
  rows: readonly Row[],
  place: Place = network.client,
): Promise<void> {
  const cases = rows.flatMap((row) =>
    (row.kinds ?? (['tcp', 'udp'] as const)).flatMap((kind) => {
      const sourcePort = row.sourcePort ?? nextPort++;
      return inEitherFamily({ ...row, kind, sourcePort }).map((attempt) => ({ row, attempt }));
    }),
  );
  const attempts = cases.map(({ attempt }) => attempt);
  const isSilent = rows.every(({ becomes }) => becomes === SILENCE);
  const answers = await makeAttempts(
    network.node,
    place,
    attempts,
    isSilent ? { patienceMs: SILENT_MS } : {},
  );
  const came = cases.map(({ row, attempt }, i) => [
    titleOf(attempt),
    readable(`${answers[i]}`, row, Number(attempt.sourcePort)),
  ]);
  const expected = cases.map(({ row, attempt }) => [titleOf(attempt), row.becomes]);
  t.deepEqual(came.filter(isNotIn(expected)), expected.filter(isNotIn(came)));
}

function isNotIn(others: readonly (readonly string[])[]) {
  return (pair: readonly string[], i: number) => pair[1] !== others[i]?.[1];
}

function titleOf({ kind, source, address, port }: PacketAttempt): string {
  return `${kind} ${source} to ${address} ${port}`;
}

/** Ports that the kernel or a program chose are left out. */
function readable(answer: string, { source, becomes }: Row, sourcePort: number): string {
  const [, served, seen, port] = /^(.* from )([\d.]+):(\d+)$/.exec(answer) ?? [];
  if (served === undefined) return answer;
  const isClients = seen === source || seen === CLIENT || seen === OTHER_CLIENT;
  if (!isClients || !becomes.endsWith(':PORT')) return `${served}${seen}`;
  return `${served}${seen}:${Number(port) === sourcePort ? 'PORT' : port}`;
}
