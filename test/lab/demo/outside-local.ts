// SPDX-License-Identifier: Apache-2.0
// Chapter: externalTrafficPolicy Local, as clients outside meet it.

import { type Chapter, formatCounts } from './scene.ts';
import { expectSilence } from './silence.ts';
import { LOCAL_SERVICE } from './traffic-policies.ts';

const POD = 'quiz-canary';
const COUNT = 20;

export const outsideLocal: Chapter = {
  title: 'From outside: externalTrafficPolicy Local',
  shows:
    'The pod sees its client; a node without a pod says nothing, so that load balancers pass it by.',
  async play(scene) {
    const port = scene.nodePortOf(LOCAL_SERVICE);
    const client = scene.outsider(1).addresses;
    scene.action(`Service ${LOCAL_SERVICE} of before: its only pod is ${POD}, on node-1`);
    const target = { host: scene.lab.node(1).addresses.ipv4, port };
    const result = await scene.outsideRequests(1, target, COUNT);
    const isRight = result.byPod[POD] === COUNT && result.seenAs.join() === client.ipv4;
    scene.expect(isRight, `${formatCounts(result)}; the pod sees ${result.seenAs.join(', ')}`);
    const there = await scene.explain(1, client.ipv4, target, /^Policy|^SNAT/);
    const [backend] = there.backends;
    scene.expect(backend?.sees === 'client', `explain: it sees the ${backend?.sees}`);

    const other = { host: scene.lab.node(2).addresses.ipv4, port };
    await expectSilence(scene, 1, other);
    const { verdict, codes } = await scene.explain(2, client.ipv4, other);
    scene.expect(
      verdict === 'drop' && codes[0] === 'no-local-endpoints',
      `explain says ${verdict}, ${codes[0]}`,
    );
  },
};
