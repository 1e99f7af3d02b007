// SPDX-License-Identifier: Apache-2.0
// Chapter: connections to one address go to all pods behind it, and the client never knows.

import { type Chapter, formatCounts } from './scene.ts';

const COUNT = 200;
/** Four pods get 50 each on average; fewer than 15 would be a coin that is bent (1 in 10^10). */
const LEAST = 15;
const PODS = ['quote-001', 'quote-002', 'quote-003', 'quote-canary'];

export const spread: Chapter = {
  title: 'One address, four pods',
  shows: 'The socket is connected to a pod from the start: no packet is ever rewritten.',
  async play(scene) {
    const { ipv4 } = scene.addressesOf('quote');
    for (const node of [1, 2] as const) {
      const result = await scene.requests(node, { host: ipv4 }, COUNT);
      const fair = PODS.every((pod) => (result.byPod[pod] ?? 0) >= LEAST);
      scene.expect(fair && result.failures.length === 0, formatCounts(result));
      scene.expect(
        result.peers.join() === `${ipv4}:80`,
        `the client sees ${result.peers.join(', ')} at the other end`,
      );
    }
  },
};
