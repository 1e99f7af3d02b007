// SPDX-License-Identifier: Apache-2.0
// Chapter: a Service that nobody serves says so to clients outside too. At addresses that no host has, so that
// nobody else can be the one who refuses.

import { formatHostPort } from '../host-port.ts';
import { AT_ONCE_MS } from './refusal.ts';
import type { Chapter } from './scene.ts';

const NAME = 'nobody';
/** Of blocks for documentation (RFC 5737, RFC 3849). */
const ADDRESSES = ['198.51.100.30', '2001:db8:3::30'];
const [TCP_PORT, UDP_PORT] = [80, 53];
const PATIENCE_MS = 2 * AT_ONCE_MS;

export const outsideRefusal: Chapter = {
  title: 'From outside: a Service without endpoints refuses at once',
  shows: 'The node answers in place of a pod: TCP is reset, to UDP an ICMP error comes back.',
  async play(scene) {
    scene.action(
      `Service ${NAME}: type ClusterIP → LoadBalancer, which gets ${ADDRESSES.join(' and ')}`,
    );
    scene.patchService(NAME, {
      type: 'LoadBalancer',
      ports: [
        { name: 'http', protocol: 'TCP', port: TCP_PORT },
        { name: 'dns', protocol: 'UDP', port: UDP_PORT },
      ],
    });
    scene.assignLoadBalancer(NAME, ADDRESSES);
    for (const host of ADDRESSES) await scene.route(host, 2);
    const { client, addresses } = scene.outsider(1);
    const target = { host: ADDRESSES[0] as string, port: TCP_PORT };
    await scene.decided('reject', addresses.ipv4, target, [2]);
    const { verdict } = await scene.explain(2, addresses.ipv4, target);
    scene.expect(verdict === 'reject', `explain says ${verdict}`);
    for (const host of ADDRESSES) {
      const options = { host, timeoutMs: PATIENCE_MS };
      scene.action(`outside-1: connect to ${formatHostPort(host, TCP_PORT)}`);
      expectRefusal(await client.call('connect', { ...options, port: TCP_PORT }));
      scene.action(`outside-1: a datagram to ${formatHostPort(host, UDP_PORT)}`);
      expectRefusal(await client.call('datagram', { ...options, port: UDP_PORT }));
    }

    function expectRefusal({ errno, ms }: { readonly errno?: string; readonly ms: number }): void {
      const isRefused = errno === 'ECONNREFUSED' && ms < AT_ONCE_MS;
      scene.expect(isRefused, `${errno ?? 'answered'} after ${ms.toFixed(1)} ms`);
    }
  },
};
