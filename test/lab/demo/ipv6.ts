// SPDX-License-Identifier: Apache-2.0
// Chapter: the same over IPv6, and over IPv4 from a socket of the other family.

import { type Chapter, formatCounts } from './scene.ts';

const COUNT = 100;

export const ipv6: Chapter = {
  title: 'IPv6, and IPv4 through an IPv6 socket',
  shows: 'Both families share one table; a mapped address finds the IPv4 entry.',
  async play(scene) {
    const addresses = scene.addressesOf('quote');
    for (const host of [addresses.ipv6, `::ffff:${addresses.ipv4}`]) {
      const result = await scene.requests(2, { host }, COUNT);
      const allPods = Object.keys(result.byPod).length === 4;
      scene.expect(allPods && result.failures.length === 0, formatCounts(result));
      scene.expect(
        result.peers.join() === `[${host}]:80`,
        `the client sees ${result.peers.join(', ')} at the other end`,
      );
    }
  },
};
