// SPDX-License-Identifier: Apache-2.0
// Runs packet-attempts.c: many attempts at the same time, and what came of each in the words of IPv4.

import { finished } from '../lab/run-command.ts';
import type { Place } from '../lab/spawn-inside.ts';
import { spawnInside } from '../lab/spawn-inside.ts';
import { compileProgram } from './compile-program.ts';
import { inIpv4Words, twinOf } from './dual-stack.ts';
import type { TestNode } from './test-node.ts';

/** See packet-attempts.c. */
export type PacketKind = 'tcp' | 'bulk' | 'udp' | 'udp-again' | 'datagrams' | 'ping';

export interface PacketAttempt {
  readonly kind: PacketKind;
  /** Default: whatever the kernel chooses. */
  readonly source?: string;
  readonly sourcePort?: number;
  readonly address: string;
  readonly port: number;
  /** Default: what the kind can do with least. */
  readonly size?: number;
}

/** Far above need; what is awaited to stay silent needs one of its own. */
const PATIENCE_MS = 10_000;

/**
 * All at the same time; every socket stays open until all have ended.
 *
 * @param node whose end ends them.
 * @param patienceMs what has not come by then counts as silence.
 * @returns in order: `10.244.1.2:8080 from 198.51.100.2:40000`, `ECONNREFUSED`, `silence`, `pong`, ...
 */
export async function makeAttempts(
  node: TestNode,
  place: Place,
  attempts: readonly PacketAttempt[],
  { patienceMs = PATIENCE_MS } = {},
): Promise<string[]> {
  const program = await compileProgram('packet-attempts.c', node.directory);
  const child = spawnInside(place, [program, String(patienceMs)], {
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  child.stdin?.end(attempts.map(lineOf).join(''));
  const { code, stdout, stderr } = await finished(child);
  const answers = stdout.trimEnd().split('\n');
  if (code !== 0 || answers.length !== attempts.length) {
    throw new Error(`packet-attempts: exit code ${code}: ${stderr}${stdout}`);
  }
  return answers.map(inWordsOfIpv4);
}

/** A text in which addresses with ports are words. */
export function inWordsOfIpv4(text: string): string {
  return text.split(' ').map(inIpv4Words).join(' ');
}

/** The same over IPv4 and over IPv6. */
export function inEitherFamily(attempt: PacketAttempt): PacketAttempt[] {
  const { source, address } = attempt;
  return [
    attempt,
    { ...attempt, address: twinOf(address), ...(source && { source: twinOf(source) }) },
  ];
}

function lineOf({ kind, source, sourcePort = 0, address, port, size }: PacketAttempt): string {
  const from = source ?? (address.includes(':') ? '::' : '0.0.0.0');
  const bytes = size ?? (kind.startsWith('udp') || kind === 'ping' ? 8 : 0);
  return `${kind} ${from} ${sourcePort} ${address} ${port} ${bytes}\n`;
}
