// SPDX-License-Identifier: Apache-2.0
// Chapter: a pod is deleted and replaced under load, and nobody notices.

import type { KubeObject } from '../kube-object.ts';
import { underLoad } from './load.ts';
import { type Chapter, formatCounts, NAMESPACE } from './scene.ts';
import { showWaiting } from './screen.ts';

const POD = 'quote-003';
const PER_SECOND = 200;

export const deletion: Chapter = {
  title: 'A pod deleted and replaced under load',
  shows: 'A pod that is on its way out gets nothing new, and finishes what it has.',
  async play(scene) {
    const { lab } = scene;
    const { ipv4: host } = scene.addressesOf('quote');
    const pod = lab.store.get('Pod', NAMESPACE, POD);
    if (!pod) throw new Error(`there is no pod ${POD}`);
    scene.action(`both visitors: ${PER_SECOND} new connections a second to http://${host}/`);
    const result = await underLoad(scene, { host }, PER_SECOND, async () => {
      scene.action(`Pod ${POD} is deleted; its preStop hook keeps it serving for one second`);
      await showWaiting(`${POD} ends`, lab.deletePod(POD, NAMESPACE));
      scene.action(`Pod ${POD} is created anew`);
      lab.store.create(fresh(pod));
      await showWaiting(`${POD} becomes ready`, lab.podsReady(NAMESPACE));
    });
    scene.expect(
      result.failures.length === 0,
      `${result.count} requests, ${result.failures.length} failed`,
    );
    const after = await scene.requests(1, { host }, 100);
    const replaced = after.byPod[POD] !== undefined && after.failures.length === 0;
    scene.expect(replaced, formatCounts(after));
  },
};

/** The same Pod as somebody would create it anew. */
function fresh({ apiVersion, kind, metadata, spec }: KubeObject): KubeObject {
  const { name, namespace = NAMESPACE, labels = {} } = metadata;
  return { apiVersion, kind, metadata: { name, namespace, labels }, spec };
}
