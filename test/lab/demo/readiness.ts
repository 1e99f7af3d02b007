// SPDX-License-Identifier: Apache-2.0
// Chapter: a pod whose readiness probe fails is left alone until it succeeds again.

import { containerOf, isReady, readinessUrl } from '../pod-object.ts';
import { until } from '../until.ts';
import { type Chapter, formatCounts, NAMESPACE, type Scene } from './scene.ts';
import { showWaiting } from './screen.ts';

const POD = 'quote-002';
const COUNT = 200;
/** This many requests that all miss one pod of four by chance: 1 in 10^12. */
const PROOF = 100;

export const readiness: Chapter = {
  title: 'A pod that is not ready gets no requests',
  shows: 'EndpointSlices say who is ready; the kernel holds only those.',
  async play(scene) {
    const { ipv4: host } = scene.addressesOf('quote');
    await setReady(scene, false);
    await until(`${POD} gets nothing`, () => served(scene, host, false));
    const without = await scene.requests(1, { host }, COUNT);
    const spared = without.byPod[POD] === undefined && without.failures.length === 0;
    scene.expect(spared, formatCounts(without));

    await setReady(scene, true);
    await until(`${POD} gets requests`, () => served(scene, host, true));
    const again = await scene.requests(1, { host }, COUNT);
    scene.expect((again.byPod[POD] ?? 0) > 0 && again.failures.length === 0, formatCounts(again));
  },
};

async function setReady(scene: Scene, ready: boolean): Promise<void> {
  const { lab } = scene;
  const current = () => lab.store.get('Pod', NAMESPACE, POD);
  const pod = current();
  if (!pod) throw new Error(`there is no pod ${POD}`);
  const url = readinessUrl(containerOf(pod), lab.pod(POD, NAMESPACE).addresses) ?? '';
  const method = ready ? 'PUT' : 'DELETE';
  scene.action(
    `${POD} on node-2: its readiness probe ${ready ? 'succeeds again' : 'fails'}  (${method} ${url})`,
  );
  await lab.request(url, method);
  const turned = until(`${POD} turned`, () => {
    const now = current();
    return now !== undefined && isReady(now) === ready;
  });
  await showWaiting(`the kubelet probes ${POD}`, turned);
}

async function served(scene: Scene, host: string, expected: boolean): Promise<boolean> {
  const { byPod } = await scene.visitor(1).call('requests', { host, count: PROOF });
  return (byPod[POD] !== undefined) === expected;
}
