// SPDX-License-Identifier: Apache-2.0
// Chapter: a pod whose readiness probe fails is left alone until it succeeds again.

import { until } from '../until.ts';
import { setReady } from './pod-readiness.ts';
import { type Chapter, formatCounts, type Scene } from './scene.ts';

const POD = 'quote-002';
const COUNT = 200;
/** This many requests that all miss one pod of four by chance: 1 in 10^12. */
const PROOF = 100;

export const readiness: Chapter = {
  title: 'A pod that is not ready gets no requests',
  shows: 'EndpointSlices say who is ready; the kernel holds only those.',
  async play(scene) {
    const { ipv4: host } = scene.addressesOf('quote');
    await setReady(scene, POD, false);
    await until(`${POD} gets nothing`, () => served(scene, host, false));
    const without = await scene.requests(1, { host }, COUNT);
    const spared = without.byPod[POD] === undefined && without.failures.length === 0;
    scene.expect(spared, formatCounts(without));

    await setReady(scene, POD, true);
    await until(`${POD} gets requests`, () => served(scene, host, true));
    const again = await scene.requests(1, { host }, COUNT);
    scene.expect((again.byPod[POD] ?? 0) > 0 && again.failures.length === 0, formatCounts(again));
  },
};

async function served(scene: Scene, host: string, expected: boolean): Promise<boolean> {
  const { byPod } = await scene.visitor(1).call('requests', { host, count: PROOF });
  return (byPod[POD] !== undefined) === expected;
}
