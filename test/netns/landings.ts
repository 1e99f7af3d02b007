// SPDX-License-Identifier: Apache-2.0
// Where connections to an address arrive, over every kind of socket and both families at once. What holds for
// all of them is one text; where they differ, each is named.

import { setTimeout as sleep } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';
import { inIpv4Words, twinOf } from './dual-stack.ts';
import type { AttemptKind, SocketProbe, Target } from './socket-probe.ts';

const KINDS: readonly AttemptKind[] = ['tcp', 'udp', 'sendto'];
const TIMEOUT_MS = 30_000;
const LOOK_AGAIN_MS = 10;

/**
 * Attempts of each kind. One of two backends is missed by chance, or a third one that should not be there,
 * once in 10^12 runs.
 */
const ATTEMPTS = 40;

/** Every way to dial `host`, an IPv4 address: as it is, mapped into IPv6, and its IPv6 twin. */
export function waysTo(host: string, port: number): Target[] {
  return KINDS.flatMap((kind) =>
    [host, `::ffff:${host}`, twinOf(host)].map((address) => ({ kind, address, port })),
  );
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
    return [nameOf(way), [...new Set(texts.map(inIpv4Words))].sort().join(' ')] as const;
  });
  return common(landed);
}

/**
 * The errno that connect() or sendto() answers with at once, on blocking and non-blocking sockets; '' where
 * it did not fail. Where the ways to dial differ, as {@link landings}.
 */
export async function errnos(probe: SocketProbe, host: string, port: number): Promise<string> {
  const answers: [way: string, errno: string][] = [];
  for (const way of waysTo(host, port)) {
    for (const blocking of [true, false]) {
      const { kind, address } = way;
      const family = address.includes(':') ? 6 : 4;
      const socket = await probe.open(kind === 'tcp' ? 'tcp' : 'udp', family, { blocking });
      const call = kind === 'sendto' ? socket.sendTo([address, port]) : undefined;
      const errno = await (call ?? socket.connect(address, port));
      // What a connection that is under way says.
      const failure = errno === 'EINPROGRESS' ? '' : errno;
      answers.push([`${nameOf(way)}${blocking ? '' : ' non-blocking'}`, failure]);
      await socket.close();
    }
  }
  return common(answers);
}

/** Waits until `look` says `wanted`; the test fails with what it says instead. */
export async function comesTo(
  t: ExecutionContext,
  wanted: string,
  look: () => Promise<string>,
): Promise<void> {
  const deadline = performance.now() + TIMEOUT_MS;
  let seen = await look();
  while (seen !== wanted && performance.now() < deadline) {
    await sleep(LOOK_AGAIN_MS);
    seen = await look();
  }
  t.is(seen, wanted);
}

function nameOf({ kind, address }: Target): string {
  return `${kind} ${address}`;
}

/** What all have in common, else all of it. */
function common(answers: readonly (readonly [way: string, answer: string])[]): string {
  const [[, first] = ['', '']] = answers;
  if (answers.every(([, answer]) => answer === first)) return first;
  return answers.map((each) => each.join(': ')).join('; ');
}
