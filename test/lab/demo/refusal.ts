// SPDX-License-Identifier: Apache-2.0
// Chapter: a Service that nobody serves says so at once.

import type { Chapter } from './scene.ts';

/** Before even the first SYN would be sent again: nothing went out and waited for an answer. */
export const AT_ONCE_MS = 1_000;

export const refusal: Chapter = {
  title: 'A Service without endpoints refuses at once',
  shows: 'A client learns at once, from its own kernel, that nobody serves.',
  async play(scene) {
    for (const host of Object.values(scene.addressesOf('nobody'))) {
      scene.action(`visitor-1: connect to Service nobody, ${host} port 80`);
      const { errno, ms } = await scene.visitor(1).call('connect', { host, port: 80 });
      const refused = errno === 'ECONNREFUSED' && ms < AT_ONCE_MS;
      scene.expect(refused, `${errno ?? 'connected'} after ${ms.toFixed(1)} ms`);
    }
  },
};
