// SPDX-License-Identifier: Apache-2.0
// Chapter: a Service changes its port and its selector while it is used.

import { until } from '../until.ts';
import { type Chapter, formatCounts, type Scene } from './scene.ts';

const COUNT = 50;
const NEW_PORT = 8888;

export const liveChange: Chapter = {
  title: 'A Service that changes its port and its selector',
  shows:
    'A change is one write to the kernel’s table: before it the old Service is whole, after it the new one.',
  async play(scene) {
    const { ipv4: host } = scene.addressesOf('quiz');
    const before = await scene.requests(1, { host }, COUNT);
    scene.expect(before.byPod.quiz === COUNT, formatCounts(before));

    scene.action(`Service quiz: port 80 → ${NEW_PORT}`);
    scene.patchService('quiz', {
      ports: [{ name: 'http', protocol: 'TCP', port: NEW_PORT, targetPort: 'http' }],
    });
    await until('the new port answers', () => connects(scene, host, NEW_PORT));
    const moved = await scene.requests(1, { host, port: NEW_PORT }, COUNT);
    scene.expect(moved.byPod.quiz === COUNT, formatCounts(moved));
    const { errno } = await scene.visitor(1).call('connect', { host, port: 80 });
    scene.expect(errno !== undefined, `port 80 is gone: ${errno ?? 'it still answers'}`);

    scene.action('Service quiz: selector release: stable → canary');
    scene.patchService('quiz', { selector: { app: 'quiz', release: 'canary' } });
    await until('the canary answers', () => onlyCanary(scene, host));
    const canary = await scene.requests(1, { host, port: NEW_PORT }, COUNT);
    scene.expect(canary.byPod['quiz-canary'] === COUNT, formatCounts(canary));

    scene.patchService('quiz', {
      ports: [{ name: 'http', protocol: 'TCP', port: 80, targetPort: 'http' }],
      selector: { app: 'quiz', release: 'stable' },
    });
  },
};

async function connects(scene: Scene, host: string, port: number): Promise<boolean> {
  const { peer } = await scene.visitor(1).call('connect', { host, port });
  return peer !== undefined;
}

async function onlyCanary(scene: Scene, host: string): Promise<boolean> {
  const target = { host, port: NEW_PORT, count: 4 };
  const { byPod } = await scene.visitor(1).call('requests', target);
  return byPod['quiz-canary'] === target.count;
}
