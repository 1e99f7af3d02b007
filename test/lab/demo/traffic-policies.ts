// SPDX-License-Identifier: Apache-2.0
// Chapter: internalTrafficPolicy Local keeps to the node and says so where it cannot; externalTrafficPolicy
// Local does not bind who is inside anyway.

import { until } from '../until.ts';
import { expectAgreement } from './explain.ts';
import { type Chapter, formatCounts, NAMESPACE, type Scene } from './scene.ts';

/** With both policies Local. */
export const LOCAL_SERVICE = 'quiz-local';
const COUNT = 40;
/** Of the block for documentation (RFC 5737): no host has it. */
const EXTERNAL_IP = '198.51.100.7';
/** Before even the first SYN would be sent again: nothing went out and waited for an answer. */
const AT_ONCE_MS = 1_000;

export const trafficPolicies: Chapter = {
  title: 'Traffic policies: the pod of this node, or none',
  shows:
    'A log collector or a cache on each node: its clients must not wander off, nor hang when it is missing.',
  async play(scene) {
    scene.action(
      `Service ${LOCAL_SERVICE} is created: internalTrafficPolicy Local, quiz pods on both nodes`,
    );
    scene.lab.applyManifests(service());
    const { ipv4: host } = scene.addressesOf(LOCAL_SERVICE);
    await scene.reached({ host });
    const pods = { 1: 'quiz-canary', 2: 'quiz' };
    for (const node of [1, 2] as const) {
      const result = await scene.requests(node, { host }, COUNT);
      scene.expect(result.byPod[pods[node]] === COUNT, formatCounts(result));
    }
    await withoutLocalPod(scene, host);
    await fromInside(scene);
  },
};

async function withoutLocalPod(scene: Scene, host: string): Promise<void> {
  scene.action(`Service ${LOCAL_SERVICE}: selects the canary alone, which is on node-1`);
  scene.patchService(LOCAL_SERVICE, { selector: { app: 'quiz', release: 'canary' } });
  const connect = () => scene.visitor(2).call('connect', { host, port: 80 });
  await until(
    'visitor-2 gets no connection',
    async () => (await connect()).errno === 'EHOSTUNREACH',
  );
  const { errno, ms } = await connect();
  const unreachable = errno === 'EHOSTUNREACH' && ms < AT_ONCE_MS;
  scene.expect(unreachable, `visitor-2: ${errno ?? 'connected'} after ${ms.toFixed(1)} ms`);
  const { verdict, reason } = await scene.explain(2, scene.visitorAddress(2), { host });
  scene.expect(verdict === 'drop' && reason.includes('node-1'), 'explain says where the pod is');
}

/** Both ways in from outside, dialled on the node that has no pod of it. */
async function fromInside(scene: Scene): Promise<void> {
  const port = scene.nodePortOf(LOCAL_SERVICE);
  const { ipv4 } = scene.lab.node(2).addresses;
  scene.action('the same Service has externalTrafficPolicy Local: it binds who comes from outside');
  for (const target of [
    { host: EXTERNAL_IP, port: 80 },
    { host: ipv4, port },
  ]) {
    const result = await scene.requests(2, target, COUNT);
    scene.expect(result.byPod['quiz-canary'] === COUNT, formatCounts(result));
    if (target.host !== EXTERNAL_IP) continue;
    const answer = await scene.explain(2, scene.visitorAddress(2), target);
    scene.expect(answer.shortCircuit, 'explain calls it a short circuit');
    expectAgreement(scene, answer, result);
  }
}

function service(): string {
  return `
    apiVersion: v1
    kind: Service
    metadata: { name: ${LOCAL_SERVICE}, namespace: ${NAMESPACE} }
    spec:
      type: NodePort
      selector: { app: quiz }
      ports: [{ port: 80, targetPort: http }]
      externalIPs: [${EXTERNAL_IP}]
      internalTrafficPolicy: Local
      externalTrafficPolicy: Local
  `;
}
