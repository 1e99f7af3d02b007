// SPDX-License-Identifier: Apache-2.0
// Chapter: two Services claim one address. The older one has it, and the other's users are told.

import { until } from '../until.ts';
import { callApi } from './api.ts';
import { expectAgreement } from './explain.ts';
import { type Chapter, formatCounts, NAMESPACE, type Scene } from './scene.ts';
import { showWaiting } from './screen.ts';

/** As old as the cluster. By its name alone it would come second. */
const OWNER = 'quote';
const LATECOMER = 'a-quiz';
/** Of the block for documentation (RFC 5737): no host has it. */
export const EXTERNAL_IP = '198.51.100.80';
const COUNT = 100;
/** Agents that see the same at once do not tell it at once: each waits for up to five seconds. */
const TOLD_WITHIN_MS = 30_000;

interface EventList {
  readonly items: readonly {
    readonly type: string;
    readonly reason: string;
    readonly message: string;
  }[];
}

export const externalIp: Chapter = {
  title: 'One external IP, claimed twice',
  shows: 'A copied manifest must not take away another one’s traffic, nor fail without a word.',
  async play(scene) {
    const target = { host: EXTERNAL_IP };
    scene.action(`Service ${OWNER}: externalIPs ${EXTERNAL_IP}`);
    scene.patchService(OWNER, { externalIPs: [EXTERNAL_IP] });
    await scene.reached(target);
    scene.action(`Service ${LATECOMER} is created, with the same one`);
    scene.lab.applyManifests(latecomer());
    await scene.reached({ host: scene.addressesOf(LATECOMER).ipv4 });

    for (const node of [1, 2] as const) {
      const result = await scene.requests(node, target, COUNT);
      const owned = Object.keys(result.byPod).every((pod) => pod.startsWith(OWNER));
      scene.expect(owned && result.failures.length === 0, formatCounts(result));
      if (node === 2) continue;
      const answer = await scene.explain(1, scene.visitorAddress(1), target, /^Service/);
      expectAgreement(scene, answer, result);
    }
    await expectEvent(scene);
  },
};

async function expectEvent(scene: Scene): Promise<void> {
  const path = `/api/v1/namespaces/${NAMESPACE}/events?fieldSelector=involvedObject.name=${LATECOMER}`;
  scene.action(`GET ${path}`);
  const events = until(
    `an Event about ${LATECOMER}`,
    async () => {
      const { items } = (await callApi(scene.lab, 'GET', path)) as EventList;
      return items.length > 0 && items;
    },
    TOLD_WITHIN_MS,
  );
  for (const { type, reason, message } of await showWaiting('an agent tells', events)) {
    scene.expect(type === 'Warning' && reason === 'FrontendConflict', `${type} ${reason}`);
    scene.output(message);
  }
}

function latecomer(): string {
  return `
    apiVersion: v1
    kind: Service
    metadata: { name: ${LATECOMER}, namespace: ${NAMESPACE} }
    spec:
      selector: { app: quiz }
      ports: [{ port: 80, targetPort: http }]
      externalIPs: [${EXTERNAL_IP}]
  `;
}
