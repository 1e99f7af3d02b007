// SPDX-License-Identifier: Apache-2.0
// Where connections to an address arrive, over every kind of socket and both families at once. What holds for
// all of them is one text; where they differ, each is named.

import { setTimeout as sleep } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';
import { patient } from '../lab/patience.ts';
import { inIpv4Words, twinOf } from './dual-stack.ts';
import type { AttemptKind, ProbeSocket, SocketProbe, Target } from './socket-probe.ts';

const KINDS: readonly AttemptKind[] = ['tcp', 'udp', 'sendto'];
const TIMEOUT_MS = 30_000;
const LOOK_AGAIN_MS = 10;

/**
 * Attempts of each kind. One of two backends is missed by chance, or a third one that should not be there,
 * once in 10^12 runs.
 */
const ATTEMPTS = 40;

/** Every way to dial `host`, an IPv4 address, and its twin. */
export function waysTo(host: string, port: number): Target[] {
  return KINDS.flatMap((kind) => formsOf(host).map((address) => ({ kind, address, port })));
}

/** As it is, mapped into IPv6, and its IPv6 twin. */
function formsOf(ipv4: string): readonly string[] {
  return [ipv4, `::ffff:${ipv4}`, twinOf(ipv4)];
}

/**
 * Which backends answer, in the words of IPv4, or which errno: `10.244.1.1:8080 10.244.1.2:8080`.
 * Where the ways to dial differ: `tcp 10.96.0.1: 10.244.1.1:8080; udp ...`.
 */
export async function landings(
  probe: SocketProbe,
  host: string,
  port: number,
  count = ATTEMPTS,
): Promise<string> {
  const ways = waysTo(host, port);
  const attempts = await probe.repeat(ways, {
    count: count * ways.length,
    timeoutMs: TIMEOUT_MS,
  });
  const landed = ways.map((way, i) => {
    const texts = attempts.filter(({ target }) => target === i).map((attempt) => attempt.landed);
    return [
      `${way.kind} ${way.address}`,
      [...new Set(texts.map(inIpv4Words))].sort().join(' '),
    ] as const;
  });
  return common(landed);
}

/** A kind of attempt, or a datagram that names its own source. */
type Call = AttemptKind | 'sendfrom';

/**
 * The errno that connect() or sendto() answers with at once, on blocking and non-blocking sockets; '' where
 * it did not fail. Where the ways to dial differ, as {@link landings}.
 *
 * @param from an IPv4 address that the sockets are bound to; its twin where that of `host` is dialled.
 */
export async function errnos(
  probe: SocketProbe,
  host: string,
  port: number,
  from?: string,
): Promise<string> {
  const calls: readonly Call[] = from ? [...KINDS, 'sendfrom'] : KINDS;
  const answers: [way: string, errno: string][] = [];
  for (const [i, address] of formsOf(host).entries()) {
    for (const call of calls) {
      for (const blocking of [true, false]) {
        const socket = await open(probe, call, address, blocking);
        const errno = await dial(socket, call, [address, port], from && formsOf(from)[i]);
        await socket.close();
        answers.push([`${call} ${address}${blocking ? '' : ' non-blocking'}`, errno]);
      }
    }
  }
  return common(answers);
}

function open(
  probe: SocketProbe,
  call: Call,
  address: string,
  blocking: boolean,
): Promise<ProbeSocket> {
  return probe.open(call === 'tcp' ? 'tcp' : 'udp', address.includes(':') ? 6 : 4, { blocking });
}

/** @returns the errno; '' also for a connection that is under way. */
async function dial(
  socket: ProbeSocket,
  call: Call,
  destination: readonly [address: string, port: number],
  from: string | undefined,
): Promise<string> {
  if (call === 'sendfrom') return socket.sendFrom(from ?? '', ...destination);
  if (from) {
    const errno = await socket.bind(from, 0);
    if (errno) return `bind() to ${from}: ${errno}`;
  }
  if (call === 'sendto') return socket.sendTo(destination);
  const errno = await socket.connect(...destination);
  return errno === 'EINPROGRESS' ? '' : errno;
}

/** Waits until `look` says `wanted`; the test fails with what it says instead. */
export async function comesTo(
  t: ExecutionContext,
  wanted: string,
  look: () => Promise<string>,
): Promise<void> {
  const deadline = performance.now() + patient(TIMEOUT_MS);
  let seen = await look();
  while (seen !== wanted && performance.now() < deadline) {
    await sleep(LOOK_AGAIN_MS);
    seen = await look();
  }
  t.is(seen, wanted);
}

/** What all have in common, else all of it. */
function common(answers: readonly (readonly [way: string, answer: string])[]): string {
  const [[, first] = ['', '']] = answers;
  if (answers.every(([, answer]) => answer === first)) return first;
  return answers.map((each) => each.join(': ')).join('; ');
}
