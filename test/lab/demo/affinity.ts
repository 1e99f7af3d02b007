// SPDX-License-Identifier: Apache-2.0
// Chapter: a client that comes back within the time-out meets the pod that it had before.

import { setTimeout as sleep } from 'node:timers/promises';
import type { RequestResult } from '../apps/request-report.ts';
import { expectAgreement } from './explain.ts';
import { type Chapter, formatCounts, NAMESPACE, type Scene } from './scene.ts';
import { showWaiting } from './screen.ts';

export const AFFINITY_SERVICE = 'quote-session';
const TIMEOUT_SECONDS = 2;
/** Only a pause longer than the time-out lets go: each new connection renews it. */
const PAUSE_MS = TIMEOUT_SECONDS * 1000 + 100;
const COUNT = 40;
const PER_SECOND = 20;
/** Four pods: that each pause ends with the same one again is a chance of 1 in 10^12. */
const PAUSES = 20;

export const affinity: Chapter = {
  title: 'Session affinity: who comes back meets the same pod',
  shows:
    'What a pod keeps for its client, a cart or a warm cache, is there for the next connection too.',
  async play(scene) {
    scene.action(
      `Service ${AFFINITY_SERVICE} is created: sessionAffinity ClientIP for ${TIMEOUT_SECONDS} s`,
    );
    scene.lab.applyManifests(service());
    const { ipv4: host } = scene.addressesOf(AFFINITY_SERVICE);
    await scene.reached({ host });

    const first = await scene.requests(1, { host }, COUNT);
    scene.expect(isOnePod(first), formatCounts(first));
    const answer = await scene.explain(1, scene.visitorAddress(1), { host }, /^Affinity/);
    expectAgreement(scene, answer, first);

    scene.action(`visitor-2 on node-2: ${PER_SECOND} × GET http://${host}:80/ a second, no pause`);
    scene.action('visitor-1 pauses for longer than the time-out, until it meets another pod');
    let seen = await whilePausing(scene, host);
    // A machine that stood still for longer than the time-out has made both of them pause.
    if (!isOnePod(seen.other)) seen = await whilePausing(scene, host);
    const moved = isOnePod(seen.after) && !isSamePod(seen.before, seen.after);
    scene.expect(moved, `visitor-1 after ${podsIn(seen.before)}: ${formatCounts(seen.after)}`);
    scene.expect(isOnePod(seen.other), `visitor-2 all the while: ${formatCounts(seen.other)}`);
  },
};

/** What visitor-1 meets before and after a pause that brings it another pod; visitor-2 meanwhile, without a pause. */
async function whilePausing(
  scene: Scene,
  host: string,
): Promise<Readonly<Record<'before' | 'after' | 'other', RequestResult>>> {
  const stream = await scene.visitor(2).call('startStream', { host, perSecond: PER_SECOND });
  const meet = () => scene.visitor(1).call('requests', { host, count: COUNT });
  const before = await meet();
  let after = before;
  for (let pauses = 0; pauses < PAUSES && isSamePod(before, after); pauses++) {
    await showWaiting('visitor-1 pauses', sleep(PAUSE_MS));
    after = await meet();
  }
  return { before, after, other: await scene.visitor(2).call('stopStream', { stream }) };
}

function isOnePod({ byPod, failures }: RequestResult): boolean {
  return Object.keys(byPod).length === 1 && failures.length === 0;
}

function isSamePod(one: RequestResult, other: RequestResult): boolean {
  return isOnePod(other) && podsIn(one) === podsIn(other);
}

function podsIn({ byPod }: RequestResult): string {
  return Object.keys(byPod).join();
}

function service(): string {
  return `
    apiVersion: v1
    kind: Service
    metadata: { name: ${AFFINITY_SERVICE}, namespace: ${NAMESPACE} }
    spec:
      selector: { app: quote }
      ports: [{ port: 80, targetPort: http }]
      sessionAffinity: ClientIP
      sessionAffinityConfig: { clientIP: { timeoutSeconds: ${TIMEOUT_SECONDS} } }
  `;
}
