// SPDX-License-Identifier: Apache-2.0
// What is counted of each service port on the packet path: once for a connection, whatever becomes of it.

import test from 'ava';
import { prefixes } from '../helpers/objects.ts';
import { readServiceCounts } from '../helpers/service-counts.ts';
import { rowsOf, web } from './rows.ts';

const row = rowsOf(test);

row('a flow is a connection, its packets are none', async (t, node, p) => {
  await node.serve(...web(p, ['localPod']));
  node.ingress(p.tcp('client:40000 > external:80', 'SYN'));
  node.egress(p.tcp('localPod:8080 > client:40000', 'SYN ACK'));
  node.ingress(p.tcp('client:40000 > external:80', 'ACK'));
  node.ingress(p.udp('client:40000 > clusterIP:80'));
  node.ingress(p.udp('client:40000 > clusterIP:80'));
  node.ingress(p.udp('client:40001 > node:30080'));
  t.deepEqual(readServiceCounts(node.tables), {
    'default/web:http/TCP': { packetConnections: 1 },
    'default/web:quic/UDP': { packetConnections: 2 },
  });
});

row('a connection on the ports of one that has ended counts', async (t, node, p) => {
  await node.serve(...web(p, ['localPod']));
  node.ingress(p.tcp('client:40000 > external:80', 'SYN'));
  node.ingress(p.tcp('client:40000 > external:80', 'RST'));
  node.ingress(p.tcp('client:40000 > external:80', 'SYN'));
  t.deepEqual(readServiceCounts(node.tables), {
    'default/web:http/TCP': { packetConnections: 2 },
  });
});

row('whoever gets no backend is counted as refused, whatever the reason', async (t, node, p) => {
  const refusals = (count: number) => ({ 'default/web:http/TCP': { packetRefusals: count } });
  await node.serve(...web(p, []));
  node.ingress(p.tcp('client:40000 > external:80', 'SYN'));
  node.ingress(p.tcp('client:40001 > external:80', 'SYN'));
  t.deepEqual(readServiceCounts(node.tables), refusals(2));
  await node.serve(...web(p, ['remotePod'], { externalTrafficPolicy: 'Local' }));
  node.ingress(p.tcp('client:40002 > external:80', 'SYN'));
  t.deepEqual(readServiceCounts(node.tables), refusals(3));
  const restricted = { loadBalancerSourceRanges: prefixes('192.0.2.0/24', 'fd99::/64') };
  await node.serve(...web(p, ['localPod'], restricted));
  node.ingress(p.tcp('client:40003 > loadBalancer:80', 'SYN'));
  t.deepEqual(readServiceCounts(node.tables), refusals(4));
});

row('a port that the Service has not is counted with its first one', async (t, node, p) => {
  await node.serve(...web(p, ['localPod']));
  node.ingress(p.tcp('client:40000 > clusterIP:81', 'SYN'));
  t.deepEqual(readServiceCounts(node.tables), { 'default/web:http/TCP': { packetRefusals: 1 } });
});

row('what is for no Service counts for none, nor what is left of a flow', async (t, node, p) => {
  await node.serve(...web(p, ['localPod']));
  node.ingress(p.tcp('client:40000 > external:80', 'SYN'));
  node.ageFlows(25 * 3600);
  const before = readServiceCounts(node.tables);
  node.ingress(p.tcp('client:40000 > external:80', 'ACK'));
  node.ingress(p.tcp('client:40000 > unallocated:80', 'SYN'));
  node.ingress(p.udp('client:40000 > stranger:80'));
  t.deepEqual(readServiceCounts(node.tables), before);
});
