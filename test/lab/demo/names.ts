// SPDX-License-Identifier: Apache-2.0
// Chapter: Services are found by name, through a Service: cluster DNS, and environment variables.

import type { DnsQuery } from '../apps/dns-query.ts';
import { formatHostPort } from '../host-port.ts';
import type { Chapter, Scene } from './scene.ts';
import { NAMESPACE } from './scene.ts';

const ZONE = `${NAMESPACE}.svc.cluster.local`;
const CALLS = 20;

export const names: Chapter = {
  title: 'Names: cluster DNS through its Service address, environment variables',
  shows:
    'DNS goes through the same tables: UDP by unconnected sockets, TCP, and glibc’s own resolver.',
  async play(scene) {
    const quote = scene.addressesOf('quote');
    const [server = '', server6 = ''] = dnsAddresses(scene);
    const pods = scene.lab.store.list('Pod').filter((pod) => pod.metadata.labels?.app === 'quote');
    const asked: readonly [Omit<DnsQuery, 'server'>, readonly string[]][] = [
      [{ name: `quote.${ZONE}`, type: 'A', transport: 'udp' }, [`A ${quote.ipv4}`]],
      [{ name: `quote.${ZONE}`, type: 'AAAA', transport: 'tcp' }, [`AAAA ${quote.ipv6}`]],
      [
        { name: `_http._tcp.quote.${ZONE}`, type: 'SRV', transport: 'udp' },
        [`SRV quote.${ZONE}:80`],
      ],
      [
        { name: `quote-pods.${ZONE}`, type: 'A', transport: 'tcp' },
        pods.map((pod) => `A ${scene.lab.pod(pod.metadata.name, NAMESPACE).addresses.ipv4}`),
      ],
      [{ name: `archive.${ZONE}`, type: 'CNAME', transport: 'udp' }, [`CNAME quote.${ZONE}`]],
    ];
    for (const [question, expected] of asked) await ask(scene, { server, ...question }, expected);
    await ask(scene, { server: server6, name: `quote.${ZONE}`, type: 'A', transport: 'udp' }, [
      `A ${quote.ipv4}`,
    ]);
    await resolveAndCall(scene, quote.ipv4);
    await environment(scene, quote.ipv4);
  },
};

async function ask(scene: Scene, query: DnsQuery, expected: readonly string[]): Promise<void> {
  const { server, name, type, transport } = query;
  scene.action(`visitor-1: ${type} ${name} @${server} over ${transport.toUpperCase()}`);
  const { rcode, answers, from } = await scene.visitor(1).call('dns', query);
  const right =
    from === formatHostPort(server, 53) && answers.toSorted().join() === expected.toSorted().join();
  scene.expect(right, `${answers.join(', ') || rcode}, from ${from}`);
}

async function resolveAndCall(scene: Scene, address: string): Promise<void> {
  scene.action('visitor-1: getaddrinfo("quote"), by /etc/resolv.conf and its search domains');
  const found = await scene.visitor(1).call('resolve', { name: 'quote', family: 4 });
  scene.expect(found.join() === address, found.join(', '));
  const { byPod, failures } = await scene.requests(1, { host: 'kiada' }, CALLS);
  const failed = failures.map(({ errno }) => errno).join(', ');
  scene.expect(
    byPod.kiada === CALLS,
    failed ||
      `${CALLS} pages from kiada, each made of http://quote/ and http://quiz/questions/random`,
  );
}

async function environment(scene: Scene, address: string): Promise<void> {
  scene.action('visitor-1: env | grep ^QUOTE_SERVICE');
  const found = await scene.visitor(1).call('environment', { prefix: 'QUOTE_SERVICE_' });
  const text = Object.entries(found).map(([name, value]) => `${name}=${value}`);
  scene.expect(found.QUOTE_SERVICE_HOST === address, text.toSorted().join(' '));
}

function dnsAddresses(scene: Scene): readonly string[] {
  const { clusterIPs = [] } = scene.service('kube-dns', 'kube-system').spec as {
    clusterIPs?: string[];
  };
  return clusterIPs;
}
