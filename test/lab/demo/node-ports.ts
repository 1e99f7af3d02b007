// SPDX-License-Identifier: Apache-2.0
// Chapter: a nodePort is served on the node's addresses, and on loopback for the node itself alone.

import type { RequestResult } from '../apps/request-report.ts';
import { expectAgreement } from './explain.ts';
import { type Chapter, formatCounts } from './scene.ts';

const NAME = 'quote';
/** This many requests that all miss one pod of four by chance: 1 in 10^12. */
const COUNT = 100;

export const nodePorts: Chapter = {
  title: 'A nodePort: from a pod, and from the node by localhost',
  shows:
    'Scripts on a node use localhost. No sysctl is loosened for them, and a pod’s localhost stays its own.',
  async play(scene) {
    scene.action(`Service ${NAME}: type ClusterIP → NodePort`);
    scene.patchService(NAME, { type: 'NodePort' });
    const port = scene.nodePortOf(NAME);
    const { ipv4: nodeAddress } = scene.lab.node(1).addresses;
    await scene.reached({ host: nodeAddress, port }, [1]);

    const fromPod = await scene.requests(1, { host: nodeAddress, port }, COUNT);
    scene.expect(isSpread(fromPod), formatCounts(fromPod));
    const byIpv6 = await scene.hostRequests(1, { host: '::1', port }, COUNT);
    scene.expect(isSpread(byIpv6), formatCounts(byIpv6));
    const target = { host: '127.0.0.1', port };
    const byIpv4 = await scene.hostRequests(1, target, COUNT);
    scene.expect(isSpread(byIpv4), formatCounts(byIpv4));
    expectAgreement(scene, await scene.explain(1, 'host', target, /^Frontend/), byIpv4);

    scene.action(`visitor-1: connect to 127.0.0.1 port ${port}`);
    const { errno } = await scene.visitor(1).call('connect', target);
    scene.expect(
      errno === 'ECONNREFUSED',
      `its own, where nothing listens: ${errno ?? 'connected'}`,
    );
  },
};

function isSpread({ byPod, failures }: RequestResult): boolean {
  return Object.keys(byPod).length === 4 && failures.length === 0;
}
