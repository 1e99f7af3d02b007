// SPDX-License-Identifier: Apache-2.0
// Chapter: a load balancer's address for some clients only.

import { ping } from './ping.ts';
import { type Chapter, formatCounts, NAMESPACE, type Scene } from './scene.ts';
import { expectSilence, SILENCE_MS } from './silence.ts';

const NAME = 'quiz-office';
/** Of the block for documentation (RFC 5737): no host has it. */
const ADDRESS = '198.51.100.20';
const COUNT = 20;

export const sourceRanges: Chapter = {
  title: 'From outside: source ranges',
  shows: 'A service for the office only: others are not even told that there is something.',
  async play(scene) {
    const { lab } = scene;
    const inside = lab.outsider(1).addresses.ipv4;
    scene.action(`Service ${NAME} is created: loadBalancerSourceRanges ${inside}/32`);
    lab.applyManifests(service(inside));
    scene.assignLoadBalancer(NAME, [ADDRESS]);
    await scene.route(ADDRESS, 1);
    await scene.reachedFromOutside({ host: ADDRESS });
    const result = await scene.outsideRequests(1, { host: ADDRESS }, COUNT);
    scene.expect(result.byPod.quiz === COUNT, formatCounts(result));
    const answered = await pinged(scene, 1);
    scene.expect(answered === ADDRESS, `its ping is answered by ${answered ?? 'nobody'}`);

    // Both wait for what does not come: at the same time.
    const pinging = pinged(scene, 2);
    await expectSilence(scene, 2, { host: ADDRESS });
    scene.expect((await pinging) === undefined, 'nor is its ping answered');
    const outside = lab.outsider(2).addresses.ipv4;
    const { verdict, codes } = await scene.explain(1, outside, { host: ADDRESS });
    scene.expect(
      verdict === 'drop' && codes[0] === 'source-not-allowed',
      `explain says ${verdict}, ${codes[0]}`,
    );
  },
};

async function pinged({ lab }: Scene, outsider: 1 | 2): Promise<string | undefined> {
  const { from } = await ping(lab, lab.outsider(outsider), ADDRESS, SILENCE_MS);
  return from;
}

function service(address: string): string {
  return `
    apiVersion: v1
    kind: Service
    metadata: { name: ${NAME}, namespace: ${NAMESPACE} }
    spec:
      type: LoadBalancer
      selector: { app: quiz, release: stable }
      ports: [{ port: 80, targetPort: http }]
      loadBalancerSourceRanges: [${address}/32]
  `;
}
