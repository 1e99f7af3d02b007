// SPDX-License-Identifier: Apache-2.0
// Chapter: clients outside of the cluster dial a nodePort of any node, also of one that has no pod of the Service.

import { expectAgreement } from './explain.ts';
import { type Chapter, formatCounts, type Scene } from './scene.ts';

const NAME = 'kiada';
/** Its only pod, on node-1. */
const POD = 'kiada';
const COUNT = 10;

export const outsideNodePorts: Chapter = {
  title: 'From outside: a nodePort of every node',
  shows:
    'Packets are translated where they come in. A pod of that node sees its client; one elsewhere sees the node, by which its answer must come back.',
  async play(scene) {
    scene.action(`Service ${NAME}: type ClusterIP → NodePort; its only pod is on node-1`);
    scene.patchService(NAME, { type: 'NodePort' });
    const port = scene.nodePortOf(NAME);
    const client = scene.outsider(1).addresses;
    for (const node of [1, 2] as const) {
      const { addresses } = scene.lab.node(node);
      for (const family of ['ipv4', 'ipv6'] as const) {
        const target = { host: addresses[family], port };
        await scene.reachedFromOutside(target);
        const result = await scene.outsideRequests(1, target, COUNT);
        scene.expect(result.byPod[POD] === COUNT, formatCounts(result));
        const seen = node === 1 ? client[family] : addresses[family];
        const whose = node === 1 ? 'the client’s own' : `${scene.lab.node(node).name}’s`;
        const isRight = result.seenAs.join() === seen;
        const words = isRight ? `${seen}, ${whose}` : result.seenAs.join(', ');
        scene.expect(isRight, `the pod sees ${words}`);
        if (family === 'ipv4') await explained(scene, node, target, result);
      }
    }
  },
};

async function explained(
  scene: Scene,
  node: 1 | 2,
  target: { host: string; port: number },
  result: Parameters<typeof expectAgreement>[2],
): Promise<void> {
  if (node === 1) return;
  const from = scene.outsider(1).addresses.ipv4;
  const answer = await scene.explain(node, from, target, /^From|^SNAT/);
  scene.expect(answer.snat, 'explain knows that the node’s address takes the client’s place');
  expectAgreement(scene, answer, result);
}
