// SPDX-License-Identifier: Apache-2.0
// Asks a server who it is. Used by main.ts and traffic.ts, inside of pods.

import { codeOf, PATIENCE_MS, TcpLine, UdpLine } from './lines.ts';
import type { Answer, DialOrder, DialReport, Greeting, Target } from './wire.ts';

/** Opens, hears who is there, and closes. @throws with errno or TIMEOUT as code. */
export async function exchange(target: Target): Promise<Answer> {
  const startMs = performance.now();
  const { protocol, patienceMs = PATIENCE_MS } = target;
  const line = protocol === 'tcp' ? new TcpLine(target) : new UdpLine(target, true);
  try {
    await line.open();
    if (protocol === 'udp') line.say('who?\n');
    const greeting = JSON.parse(await line.next(patienceMs)) as Greeting;
    return { ...greeting, peer: line.peer(), ms: Math.round(performance.now() - startMs) };
  } finally {
    line.close();
  }
}

/** One after the other. */
export async function dial({ count = 1, ...target }: DialOrder): Promise<DialReport> {
  const answers: Answer[] = [];
  const failures: { code: string; ms: number }[] = [];
  for (let i = 0; i < count; i++) {
    const startMs = performance.now();
    try {
      answers.push(await exchange(target));
    } catch (error) {
      failures.push({ code: codeOf(error), ms: Math.round(performance.now() - startMs) });
    }
  }
  return { answers, failures };
}
