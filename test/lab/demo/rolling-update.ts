// SPDX-License-Identifier: Apache-2.0
// Chapter: pods are deleted and replaced under load, and nobody notices, inside or outside.

import type { RequestResult } from '../apps/request-report.ts';
import type { KubeObject } from '../kube-object.ts';
import { formatLoad, fromVisitors, underLoad } from './load.ts';
import { type Chapter, formatCounts, NAMESPACE, type Scene } from './scene.ts';
import { showWaiting } from './screen.ts';

/** One on each node. */
const PODS = ['quote-003', 'quote-002'];
const PER_SECOND = 150;
/** This many requests that all miss one pod of four by chance: 1 in 10^12. */
const COUNT = 100;

export const rollingUpdate: Chapter = {
  title: 'Pods replaced under load, from inside and outside',
  shows: 'A pod that is on its way out gets nothing new, and finishes what it has.',
  async play(scene) {
    const { lab } = scene;
    const { ipv4: host } = scene.addressesOf('quote');
    const outside = { host: lab.node(2).addresses.ipv4, port: scene.nodePortOf('quote') };
    scene.action(`both visitors: ${PER_SECOND} new connections a second to http://${host}/`);
    scene.action(`outside-1: as many to http://${outside.host}:${outside.port}/`);
    const loads = [
      ...fromVisitors(scene, { host }, PER_SECOND),
      { client: scene.outsider(1).client, target: outside, perSecond: PER_SECOND },
    ];
    const result = await underLoad(loads, async () => {
      await Promise.all(PODS.map((name) => replace(scene, name)));
      await showWaiting('the new pods become ready', lab.podsReady(NAMESPACE));
    });
    scene.expect(result.failures.length === 0, formatLoad(result));
    expectReplaced(scene, await scene.requests(1, { host }, COUNT));
    expectReplaced(scene, await scene.outsideRequests(1, outside, COUNT));
  },
};

function expectReplaced(scene: Scene, after: RequestResult): void {
  const areReplaced = PODS.every((name) => after.byPod[name] !== undefined);
  scene.expect(areReplaced && after.failures.length === 0, formatCounts(after));
}

async function replace({ lab, action }: Scene, name: string): Promise<void> {
  const pod = lab.store.get('Pod', NAMESPACE, name);
  if (!pod) throw new Error(`there is no pod ${name}`);
  action(`Pod ${name} is deleted; its preStop hook keeps it serving for one second`);
  await showWaiting(`${name} ends`, lab.deletePod(name, NAMESPACE));
  action(`Pod ${name} is created anew`);
  lab.store.create(fresh(pod));
}

/** The same Pod as somebody would create it anew. */
function fresh({ apiVersion, kind, metadata, spec }: KubeObject): KubeObject {
  const { name, namespace = NAMESPACE, labels = {} } = metadata;
  return { apiVersion, kind, metadata: { name, namespace, labels }, spec };
}
