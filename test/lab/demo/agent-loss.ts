// SPDX-License-Identifier: Apache-2.0
// Chapter: the agent of a node dies under load. Traffic goes on; changes wait for the next one.

import { setTimeout as sleep } from 'node:timers/promises';
import { until } from '../until.ts';
import { underLoad } from './load.ts';
import { type Chapter, formatCounts, NAMESPACE } from './scene.ts';
import { showWaiting } from './screen.ts';

const PER_SECOND = 200;
const WITHOUT_AGENT_MS = 1_000;
const LATE = 'late-quote';

export const agentLoss: Chapter = {
  title: 'The agent is killed under load',
  shows: 'Programs and tables are pinned in the kernel: traffic needs nobody, only changes wait.',
  async play(scene) {
    const { lab } = scene;
    const [agent] = lab.agents;
    if (!agent) throw new Error('the lab runs without agents');
    const { ipv4: host } = scene.addressesOf('quote');
    scene.action(`both visitors: ${PER_SECOND} new connections a second to http://${host}/`);
    const result = await underLoad(scene, { host }, PER_SECOND, async () => {
      scene.command(`kill -9 ${agent.pid}     (the agent of node-1)`);
      await agent.kill();
      scene.action(`Service ${LATE} is created, with nobody to hear of it on node-1`);
      lab.applyManifests(lateService());
      const late = { host: scene.addressesOf(LATE).ipv4, port: 80 };
      await sleep(WITHOUT_AGENT_MS);
      const { errno } = await scene.visitor(1).call('connect', late);
      scene.expect(
        errno !== undefined,
        `${LATE} is not known on node-1 yet: ${errno ?? 'connected'}`,
      );

      scene.action('the agent of node-1 is started again');
      const begun = performance.now();
      await showWaiting('the agent starts', agent.start());
      await until(`${LATE} answers`, async () => {
        const { peer } = await scene.visitor(1).call('connect', late);
        return peer !== undefined;
      });
      const ms = Math.round(performance.now() - begun);
      scene.expect(true, `${LATE} answers ${ms} ms after the start`);
    });
    const failed = result.failures.length;
    scene.expect(failed === 0, `${result.count} requests meanwhile, ${failed} failed`);
    const after = await scene.requests(1, { host: scene.addressesOf(LATE).ipv4 }, 40);
    scene.expect(after.failures.length === 0, formatCounts(after));
  },
};

function lateService(): string {
  return `
    apiVersion: v1
    kind: Service
    metadata: { name: ${LATE}, namespace: ${NAMESPACE} }
    spec: { selector: { app: quote }, ports: [{ port: 80, targetPort: http }] }
  `;
}
