// SPDX-License-Identifier: Apache-2.0
// Chapter: connections stay in their zone for as long as a pod of it is ready.

import { ZONE_LABEL } from '../node-object.ts';
import { until } from '../until.ts';
import { expectAgreement } from './explain.ts';
import { setReady } from './pod-readiness.ts';
import { type Chapter, formatCounts, NAMESPACE, type Scene } from './scene.ts';

const NAME = 'quote-near';
/** The only one of the Service in the second node's zone. */
const POD = 'quote-002';
const COUNT = 60;
/** This many requests that all come to one of two or three pods by chance: 1 in 10^9. */
const PROOF = 30;

export const zones: Chapter = {
  title: 'Topology: near pods first, far ones rather than none',
  shows:
    'Traffic between zones costs money and time; an outage of one zone’s pods must still not be felt.',
  async play(scene) {
    for (const node of scene.lab.store.list('Node')) {
      scene.output(`${node.metadata.name}  ${node.metadata.labels?.[ZONE_LABEL]}`);
    }
    scene.action(
      `Service ${NAME} is created: trafficDistribution PreferSameZone, three stable pods`,
    );
    scene.lab.applyManifests(service());
    const { ipv4: host } = scene.addressesOf(NAME);
    await scene.reached({ host });
    await expectServed(scene, 1, host, ['quote-001', 'quote-003']);
    await expectServed(scene, 2, host, [POD], /LEFT OUT|hinted/);

    await setReady(scene, POD, false);
    await until(`${POD} gets nothing`, () => served(scene, host, false));
    await expectServed(scene, 2, host, ['quote-001', 'quote-003'], /LEFT OUT|not ready/);

    await setReady(scene, POD, true);
    await until(`${POD} gets everything again`, () => served(scene, host, true));
    await expectServed(scene, 2, host, [POD]);
  },
};

/** Measures, and holds `explain` against it where there are lines to show of it. */
async function expectServed(
  scene: Scene,
  node: 1 | 2,
  host: string,
  pods: readonly string[],
  also?: RegExp,
): Promise<void> {
  const result = await scene.requests(node, { host }, COUNT);
  const right = Object.keys(result.byPod).join() === pods.join() && result.failures.length === 0;
  scene.expect(right, formatCounts(result));
  if (!also) return;
  const answer = await scene.explain(node, scene.visitorAddress(node), { host }, also);
  expectAgreement(scene, answer, result);
}

/** Whether all of it goes to the zone's own pod, or none. */
async function served(scene: Scene, host: string, byOwn: boolean): Promise<boolean> {
  const { byPod } = await scene.visitor(2).call('requests', { host, count: PROOF });
  return byPod[POD] === (byOwn ? PROOF : undefined);
}

function service(): string {
  return `
    apiVersion: v1
    kind: Service
    metadata: { name: ${NAME}, namespace: ${NAMESPACE} }
    spec:
      selector: { app: quote, release: stable }
      ports: [{ port: 80, targetPort: http }]
      trafficDistribution: PreferSameZone
  `;
}
