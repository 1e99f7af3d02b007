// SPDX-License-Identifier: Apache-2.0
// Chapter: a Service that nobody serves says so to clients outside too.

import { formatHostPort } from '../host-port.ts';
import { AT_ONCE_MS } from './refusal.ts';
import type { Chapter } from './scene.ts';

const NAME = 'nobody';
const PATIENCE_MS = 2 * AT_ONCE_MS;

export const outsideRefusal: Chapter = {
  title: 'From outside: a Service without endpoints refuses at once',
  shows: 'The node answers in place of a pod: TCP is reset, to UDP an ICMP error comes back.',
  async play(scene) {
    scene.action(`Service ${NAME}: type ClusterIP → NodePort, for TCP and UDP`);
    scene.patchService(NAME, {
      type: 'NodePort',
      ports: [
        { name: 'http', protocol: 'TCP', port: 80 },
        { name: 'dns', protocol: 'UDP', port: 53 },
      ],
    });
    const [tcp, udp] = [scene.nodePortOf(NAME, 0), scene.nodePortOf(NAME, 1)];
    const { client, addresses } = scene.outsider(1);
    const { ipv4, ipv6 } = scene.lab.node(2).addresses;
    await scene.decided('reject', addresses.ipv4, { host: ipv4, port: tcp }, [2]);
    const { verdict } = await scene.explain(2, addresses.ipv4, { host: ipv4, port: tcp });
    scene.expect(verdict === 'reject', `explain says ${verdict}`);
    for (const host of [ipv4, ipv6]) {
      const options = { host, timeoutMs: PATIENCE_MS };
      scene.action(`outside-1: connect to ${formatHostPort(host, tcp)}`);
      expectRefusal(await client.call('connect', { ...options, port: tcp }));
      scene.action(`outside-1: a datagram to ${formatHostPort(host, udp)}`);
      expectRefusal(await client.call('datagram', { ...options, port: udp }));
    }

    function expectRefusal({ errno, ms }: { readonly errno?: string; readonly ms: number }): void {
      const isRefused = errno === 'ECONNREFUSED' && ms < AT_ONCE_MS;
      scene.expect(isRefused, `${errno ?? 'answered'} after ${ms.toFixed(1)} ms`);
    }
  },
};
