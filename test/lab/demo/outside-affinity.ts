// SPDX-License-Identifier: Apache-2.0
// Chapter: session affinity of clients outside, who are known by their addresses.

import { podStatus } from '../pod-object.ts';
import { AFFINITY_SERVICE } from './affinity.ts';
import { type Chapter, formatCounts, NAMESPACE, type Scene } from './scene.ts';

const TIMEOUT_SECONDS = 600;
const COUNT = 30;

export const outsideAffinity: Chapter = {
  title: 'From outside: session affinity, by the client’s address',
  shows:
    'Whoever comes back with the same address meets the same pod; the kernel’s notes can be read.',
  async play(scene) {
    scene.action(`Service ${AFFINITY_SERVICE}: type NodePort, its affinity ${TIMEOUT_SECONDS} s`);
    scene.patchService(AFFINITY_SERVICE, {
      type: 'NodePort',
      sessionAffinityConfig: { clientIP: { timeoutSeconds: TIMEOUT_SECONDS } },
    });
    const target = {
      host: scene.lab.node(1).addresses.ipv4,
      port: scene.nodePortOf(AFFINITY_SERVICE),
    };
    await scene.reachedFromOutside(target);
    const met: { client: string; pod: string }[] = [];
    for (const outsider of [1, 2] as const) {
      const result = await scene.outsideRequests(outsider, target, COUNT);
      const [pod = ''] = Object.keys(result.byPod);
      scene.expect(result.byPod[pod] === COUNT, formatCounts(result));
      met.push({ client: scene.outsider(outsider).addresses.ipv4, pod });
    }
    const noted = await affinities(scene);
    for (const { client, pod } of met) {
      const line = noted.find((words) => words[0] === client) ?? [];
      const isSame = line[2] === `${addressOf(scene, pod)}:8080`;
      scene.expect(isSame, `${client} is noted with ${isSame ? pod : (line[2] ?? 'nobody')}`);
    }
  },
};

/** What the command says of clients outside, in words. */
async function affinities(scene: Scene): Promise<string[][]> {
  const [agent] = scene.lab.agents;
  if (!agent) throw new Error('the lab runs without agents');
  const name = `${NAMESPACE}/${AFFINITY_SERVICE}`;
  scene.command(`signalbox affinity ${name}     (on node-1)`);
  const { code, stdout, stderr } = await agent.run('affinity', name);
  if (code !== 0) throw new Error(stderr.trim());
  scene.output(stdout);
  return stdout.split('\n').map((line) => line.split(/\s+/));
}

function addressOf({ lab }: Scene, name: string): string {
  const pod = lab.store.get('Pod', NAMESPACE, name);
  return (pod && podStatus(pod).podIP) ?? '';
}
