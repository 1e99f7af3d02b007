// SPDX-License-Identifier: Apache-2.0
// What is known of the node: the command line before the Node object, and on which addresses nodePorts are
// served (semantics 1.2, 1.7, 1.9, 1.18).

import test from 'ava';
import {
  type NodeConfig,
  type NodeFacts,
  type NodePortAddresses,
  nodeFacts,
  nodePortAddressesOf,
  type Origin,
  originOf,
  parseNodePortAddresses,
  servesLoopbackNodePorts,
} from '../../../agent/model/node-facts.ts';
import type { NodeSpec } from '../../../agent/model/objects.ts';
import { DEFAULT_MASQUERADE_PORTS } from '../../../agent/model/port-ranges.ts';
import { address, prefixes } from '../../helpers/objects.ts';

const addresses = (...texts: string[]) => texts.map(address);

const NODE: NodeSpec = {
  name: 'node-1',
  zone: 'zone-a',
  addresses: addresses('192.168.0.1', '192.168.0.2', 'fd02::1', '203.0.113.1'),
  podCIDRs: prefixes('10.244.1.0/24', 'fd01:1::/64'),
};

const NOTHING_SAID: NodeConfig = {
  nodeName: 'node-1',
  nodeIPs: [],
  clusterCIDRs: [],
  serviceCIDRs: [],
  nodePortAddresses: [],
  masqueradeAll: false,
  masqueradePorts: DEFAULT_MASQUERADE_PORTS,
};

const facts = (config: Partial<NodeConfig> = {}, local: string[] = []): NodeFacts =>
  nodeFacts(
    { ...NOTHING_SAID, ...config },
    NODE,
    [{ name: 'kubernetes', cidrs: prefixes('10.96.0.0/12', 'fd00::/112') }],
    addresses(...local),
  );

test('without options everything is the objects’', (t) => {
  t.deepEqual(facts({}, ['192.168.0.1']), {
    name: 'node-1',
    zone: 'zone-a',
    nodeIPs: addresses('192.168.0.1', 'fd02::1'),
    localAddresses: new Set(addresses('192.168.0.1')),
    nodePortAddresses: [],
    clusterCIDRs: prefixes('10.244.1.0/24', 'fd01:1::/64'),
    serviceCIDRs: prefixes('10.96.0.0/12', 'fd00::/112'),
    masqueradeAll: false,
    masqueradePorts: DEFAULT_MASQUERADE_PORTS,
  });
});

test('what options say wins, for node IPs family by family', (t) => {
  const known = facts({
    nodeName: ' Node-1 ',
    nodeIPs: addresses('10.0.0.9'),
    clusterCIDRs: prefixes('10.244.0.0/16'),
    serviceCIDRs: prefixes('10.112.0.0/16'),
    masqueradeAll: true,
    masqueradePorts: { first: 50000, count: 10 },
  });
  t.is(known.name, 'node-1');
  t.deepEqual(known.nodeIPs, addresses('10.0.0.9', 'fd02::1'));
  t.deepEqual(known.clusterCIDRs, prefixes('10.244.0.0/16'));
  t.deepEqual(known.serviceCIDRs, prefixes('10.112.0.0/16'));
  t.true(known.masqueradeAll);
  t.deepEqual(known.masqueradePorts, { first: 50000, count: 10 });
});

test('a node of which nothing is known has no zone and no addresses', (t) => {
  const known = nodeFacts(NOTHING_SAID, undefined, [], []);
  t.is(known.zone, '');
  t.deepEqual([known.nodeIPs, known.clusterCIDRs, known.serviceCIDRs], [[], [], []]);
});

const reads = test.macro({
  exec(t, text: string, expected: ReturnType<typeof parseNodePortAddresses>) {
    t.deepEqual(parseNodePortAddresses(text), expected);
  },
  title: (_, text) => `nodePort addresses '${text}'`,
});
test(reads, '', []);
test(reads, ' , ', []);
test(reads, 'primary', 'primary');
test(reads, '10.0.0.0/8, fd00::/8', prefixes('10.0.0.0/8', 'fd00::/8'));
test(reads, 'primary,10.0.0.0/8', { invalid: 'primary must stand alone' });
test(reads, 'primary,primary', { invalid: 'primary must stand alone' });
test(reads, '10.0.0.1', {
  invalid: '10.0.0.1 is no CIDR, as 192.0.2.0/24, and not the word primary',
});

const LOCAL = ['192.168.0.1', '10.0.0.1', '172.17.0.1', 'fd02::1', 'fd09::1', '127.0.0.1', '::1'];
const serves = test.macro({
  exec(t, text: string, expected: string[], loopback: boolean) {
    const nodePortAddresses = parseNodePortAddresses(text) as NodePortAddresses;
    const known = facts({ nodePortAddresses }, LOCAL);
    t.deepEqual(nodePortAddressesOf(known), addresses(...expected));
    t.is(servesLoopbackNodePorts(known), loopback);
  },
  title: (_, text) => `nodePorts on '${text}'`,
});
const V6 = ['fd02::1', 'fd09::1'];
test(serves, '', ['192.168.0.1', '10.0.0.1', '172.17.0.1', ...V6], true);
test(serves, 'primary', ['192.168.0.1', 'fd02::1'], false);
test(serves, '10.0.0.0/8', ['10.0.0.1', ...V6], false);
test(serves, '10.0.0.0/8,fd02::/64', ['10.0.0.1', 'fd02::1'], false);
test(serves, '10.0.0.0/8,172.16.0.0/12', ['10.0.0.1', '172.17.0.1', ...V6], false);
test(serves, '10.0.0.0/8,0.0.0.0/0', ['192.168.0.1', '10.0.0.1', '172.17.0.1', ...V6], true);
test(serves, '127.0.0.0/8', V6, true);
test(serves, '127.0.0.1/32,::1/128', [], true);
test(serves, '203.0.113.0/24,2001:db8::/32', [], false);

test('nodePorts on no loopback address, when that is turned off', (t) => {
  for (const text of ['', '127.0.0.0/8']) {
    const nodePortAddresses = parseNodePortAddresses(text) as NodePortAddresses;
    const known = (localhostNodePorts: boolean) =>
      facts({ nodePortAddresses, localhostNodePorts }, LOCAL);
    t.true(servesLoopbackNodePorts(known(true)));
    t.false(servesLoopbackNodePorts(known(false)));
    t.deepEqual(nodePortAddressesOf(known(false)), nodePortAddressesOf(known(true)));
  }
});

const comesFrom = test.macro({
  exec(t, config: Partial<NodeConfig>, from: string, expected: Origin) {
    const own = new Set(addresses('10.244.1.7', 'fd01:1::7'));
    t.is(originOf(facts(config, ['192.168.0.1', '10.244.1.1']), own, address(from)), expected);
  },
  title: (_, config, from) => `origin of ${from} with ${JSON.stringify(config)}`,
});
const v4Only = { clusterCIDRs: prefixes('10.244.0.0/16') };
test(comesFrom, {}, '192.168.0.1', 'host');
test(comesFrom, {}, '10.244.1.1', 'host');
test(comesFrom, {}, '127.0.0.1', 'host');
test(comesFrom, {}, '::1', 'host');
test(comesFrom, {}, '10.244.1.9', 'pod');
test(comesFrom, {}, '10.244.2.9', 'external');
test(comesFrom, v4Only, '10.244.2.9', 'pod');
// Where no CIDR tells, an endpoint of this node is a pod.
test(comesFrom, v4Only, 'fd01:1::7', 'pod');
test(comesFrom, v4Only, 'fd01:1::8', 'external');
test(comesFrom, { clusterCIDRs: prefixes('10.0.0.0/24') }, '10.244.1.7', 'external');
