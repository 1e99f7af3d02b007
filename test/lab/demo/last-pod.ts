// SPDX-License-Identifier: Apache-2.0
// Chapter: the last pod of a Service serves until it is really gone (KEP-1669), and then nobody does.

import { until } from '../until.ts';
import { callApi } from './api.ts';
import { ask, expectAgreement } from './explain.ts';
import { formatLoad, fromVisitors, underLoad } from './load.ts';
import { type Chapter, formatCounts, NAMESPACE, type Scene } from './scene.ts';
import { showWaiting } from './screen.ts';

/** A Service, and its only pod. */
const NAME = 'farewell';
const COUNT = 40;
const PER_SECOND = 100;

export const lastPod: Chapter = {
  title: 'The last pod, on its way out',
  shows: 'A pod that drains is no longer ready; when it is all there is, it beats a refusal.',
  async play(scene) {
    const { lab } = scene;
    const { ipv4: host } = scene.addressesOf(NAME);
    scene.action(`both visitors: ${PER_SECOND} new connections a second to http://${host}/`);
    const load = await underLoad(fromVisitors(scene, { host }, PER_SECOND), async () => {
      const path = `/api/v1/namespaces/${NAMESPACE}/pods/${NAME}`;
      scene.action(`DELETE ${path}: its preStop hook keeps it serving for 20 s`);
      await callApi(lab, 'DELETE', path);
      await until('the agents know', () => isLastResort(scene, host));
      const result = await scene.requests(1, { host }, COUNT);
      scene.expect(result.byPod[NAME] === COUNT, formatCounts(result));
      expectAgreement(scene, await scene.explain(1, scene.visitorAddress(1), { host }), result);
    });
    scene.expect(load.failures.length === 0, formatLoad(load));

    scene.action(`Pod ${NAME} is deleted once more, with a grace period of 1 s`);
    await showWaiting(`${NAME} ends`, lab.deletePod(NAME, NAMESPACE, 1));
    await expectRefused(scene, host);
  },
};

async function isLastResort(scene: Scene, host: string): Promise<boolean> {
  const asked = ([1, 2] as const).map((node) =>
    ask(scene, node, scene.visitorAddress(node), { host }),
  );
  return (await Promise.all(asked)).every((answer) => answer.codes.includes('last-resort'));
}

async function expectRefused(scene: Scene, host: string): Promise<void> {
  const connect = () => scene.visitor(1).call('connect', { host, port: 80 });
  await until('nobody serves', async () => (await connect()).errno === 'ECONNREFUSED');
  const { errno, ms } = await connect();
  const refused = errno === 'ECONNREFUSED';
  scene.expect(refused, `visitor-1: ${errno ?? 'connected'} after ${ms.toFixed(1)} ms`);
  const { verdict } = await scene.explain(1, scene.visitorAddress(1), { host });
  scene.expect(verdict === 'reject', `explain says ${verdict}`);
}
