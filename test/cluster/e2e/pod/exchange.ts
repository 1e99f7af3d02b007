// SPDX-License-Identifier: Apache-2.0
// Asks a server who it is. Used by main.ts and traffic.ts, inside of pods.

import { codeOf, PATIENCE_MS, TcpLine, UdpLine } from './lines.ts';
import type { Answer, DialOrder, DialReport, Greeting, Target } from './wire.ts';

const ASK_AGAIN_MS = 2000;

/** Opens, hears who is there, and closes. @throws with errno or TIMEOUT as code. */
export async function exchange(target: Target): Promise<Answer> {
  const startMs = performance.now();
  const { protocol, patienceMs = PATIENCE_MS } = target;
  const line = protocol === 'tcp' ? new TcpLine(target) : new UdpLine(target, true);
  let asking: NodeJS.Timeout | undefined;
  try {
    await line.open();
    // A refusal is an ICMP message, of which kernels send so many a second and no more.
    const ask = () => line.say('who?\n');
    if (protocol === 'udp') {
      ask();
      asking = setInterval(ask, ASK_AGAIN_MS);
    }
    const greeting = JSON.parse(await line.next(patienceMs)) as Greeting;
    return { ...greeting, peer: line.peer(), ms: Math.round(performance.now() - startMs) };
  } finally {
    clearInterval(asking);
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
