// SPDX-License-Identifier: Apache-2.0
// Chapter: clients outside of the cluster dial a nodePort of any node, also of one that has no pod of the Service.

import { expectAgreement } from './explain.ts';
import { type Chapter, formatCounts, type Scene } from './scene.ts';

const NAME = 'kiada';
/** Its only pod, on node-1. */
const POD = 'kiada';
const COUNT = 10;

/** Whom the pod sees, as `explain` has it. */
const SEEN = { 1: 'client', 2: 'node' } as const;

export const outsideNodePorts: Chapter = {
  title: 'From outside: a nodePort of every node',
  shows:
    'Packets are translated where they come in: a pod of that node sees its client, one elsewhere sees the node.',
  async play(scene) {
    scene.action(`Service ${NAME}: type ClusterIP → NodePort; its only pod is on node-1`);
    scene.patchService(NAME, { type: 'NodePort' });
    for (const node of [1, 2] as const) {
      await dial(scene, node, 'ipv4');
      await dial(scene, node, 'ipv6');
    }
  },
};

async function dial(scene: Scene, node: 1 | 2, family: 'ipv4' | 'ipv6'): Promise<void> {
  const { name, addresses } = scene.lab.node(node);
  const client = scene.outsider(1).addresses[family];
  const target = { host: addresses[family], port: scene.nodePortOf(NAME) };
  await scene.reachedFromOutside(target);
  const result = await scene.outsideRequests(1, target, COUNT);
  scene.expect(result.byPod[POD] === COUNT, formatCounts(result));
  const isClient = SEEN[node] === 'client';
  const isRight = result.seenAs.join() === (isClient ? client : addresses[family]);
  const whose = isRight ? `, ${isClient ? 'the client’s own' : `${name}’s`}` : '';
  scene.expect(isRight, `the pod sees ${result.seenAs.join(', ')}${whose}`);
  if (family === 'ipv6') return;
  const answer = await scene.explain(node, client, target, /^SNAT/);
  const [backend] = answer.backends;
  scene.expect(backend?.sees === SEEN[node], `explain: it sees the ${backend?.sees}`);
  expectAgreement(scene, answer, result);
}
