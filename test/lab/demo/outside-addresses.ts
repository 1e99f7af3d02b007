// SPDX-License-Identifier: Apache-2.0
// Chapter: addresses that no host has, taken to a node by a router outside: a load balancer's and an external one.

import { expectAgreement } from './explain.ts';
import { EXTERNAL_IP } from './external-ip.ts';
import { ping } from './ping.ts';
import { type Chapter, formatCounts, NAMESPACE, type Scene } from './scene.ts';

const NAME = 'kiada';
const POD = 'kiada';
/** Of blocks for documentation (RFC 5737, RFC 3849). */
const LOAD_BALANCER = ['198.51.100.10', '2001:db8:3::10'];
/** Of kiada: whoever may write Services can say so, without a load balancer. */
const KIADA_EXTERNAL = ['198.51.100.40', '2001:db8:3::40'];
const DNS_ADDRESS = '198.51.100.53';
const COUNT = 10;
/** This many requests that all miss one pod of four by chance: 1 in 10^12. */
const SPREAD_COUNT = 100;

export const outsideAddresses: Chapter = {
  title: 'From outside: a load balancer’s address, and an external one',
  shows:
    'No host has them: a router takes them to some node, and any will do. They answer to pings, too.',
  async play(scene) {
    scene.action(
      `Service ${NAME}: type NodePort → LoadBalancer, which gets ${LOAD_BALANCER.join(' and ')}`,
    );
    scene.patchService(NAME, { type: 'LoadBalancer' });
    scene.assignLoadBalancer(NAME, LOAD_BALANCER);
    scene.action(`and externalIPs ${KIADA_EXTERNAL.join(' and ')}`);
    scene.patchService(NAME, { externalIPs: KIADA_EXTERNAL });
    for (const host of [...LOAD_BALANCER, ...KIADA_EXTERNAL]) {
      await scene.route(host, 2);
      await scene.reachedFromOutside({ host });
      const result = await scene.outsideRequests(1, { host }, COUNT);
      scene.expect(result.byPod[POD] === COUNT, formatCounts(result));
      await expectPing(scene, host);
    }
    await external(scene);
    await clusterDns(scene);
  },
};

/** By either node: the Service has it since the chapter before. */
async function external(scene: Scene): Promise<void> {
  const target = { host: EXTERNAL_IP };
  for (const node of [1, 2] as const) {
    await scene.route(EXTERNAL_IP, node);
    const result = await scene.outsideRequests(1, target, SPREAD_COUNT);
    const isSpread = Object.keys(result.byPod).length === 4 && result.failures.length === 0;
    scene.expect(isSpread, formatCounts(result));
    await expectPing(scene, EXTERNAL_IP);
    if (node === 1) continue;
    const from = scene.outsider(1).addresses.ipv4;
    expectAgreement(scene, await scene.explain(node, from, target, /^Frontend/), result);
  }
}

/** Datagrams, to a Service of another namespace. */
async function clusterDns(scene: Scene): Promise<void> {
  const service = ['kube-dns', 'kube-system'] as const;
  scene.action(`Service kube-dns: type ClusterIP → LoadBalancer, which gets ${DNS_ADDRESS}`);
  scene.patchService(service[0], { type: 'LoadBalancer' }, service[1]);
  scene.assignLoadBalancer(service[0], [DNS_ADDRESS], service[1]);
  await scene.route(DNS_ADDRESS, 1);
  await scene.reachedFromOutside({ host: DNS_ADDRESS, port: 53 });
  const name = `quote.${NAMESPACE}.svc.cluster.local`;
  scene.action(`outside-1: A ${name} @${DNS_ADDRESS} over UDP`);
  const query = { server: DNS_ADDRESS, name, type: 'A', transport: 'udp' } as const;
  const { answers, rcode, from } = await scene.outsider(1).client.call('dns', query);
  const isRight =
    answers.join() === `A ${scene.addressesOf('quote').ipv4}` && from === `${DNS_ADDRESS}:53`;
  scene.expect(isRight, `${answers.join(', ') || rcode}, from ${from}`);
}

async function expectPing(scene: Scene, address: string): Promise<void> {
  scene.command(`ping -c 1 ${address}     (outside-1)`);
  const { from, ms } = await ping(scene.lab, scene.outsider(1), address);
  scene.expect(from === address, from ? `${from} answers after ${ms} ms` : 'no answer');
}
