// SPDX-License-Identifier: Apache-2.0
// What is read of a Node, and what costs only itself (semantics 1.2).

import test from 'ava';
import fc from 'fast-check';
import { parseNode } from '../../../agent/cluster/node.ts';
import { parseAddress, parsePrefix } from '../../../agent/model/address.ts';
import { hostileJson } from './hostile-json.ts';

const FULL = {
  metadata: {
    name: 'node-1',
    labels: { 'topology.kubernetes.io/zone': 'zone-a', 'kubernetes.io/hostname': 'x' },
  },
  spec: {
    podCIDR: '10.244.1.0/24',
    podCIDRs: ['10.244.1.0/24', 'fd00:1::/64'],
    taints: [{ key: 'ToBeDeletedByClusterAutoscaler', value: '1', effect: 'NoSchedule' }],
  },
  status: {
    addresses: [
      { type: 'Hostname', address: 'node-1' },
      { type: 'ExternalIP', address: '203.0.113.1' },
      { type: 'InternalIP', address: '192.0.2.1' },
      { type: 'InternalIP', address: '2001:DB8::1' },
    ],
  },
};
const NODE = {
  name: 'node-1',
  zone: 'zone-a',
  addresses: ['192.0.2.1', '2001:db8::1', '203.0.113.1'],
  podCIDRs: ['10.244.1.0/24', 'fd00:1::/64'],
  isBeingDeleted: true,
};

const reads = test.macro({
  exec(t, json: object, expected: object, leftOut?: string) {
    t.deepEqual(parseNode(json), {
      spec: expected,
      ...(leftOut === undefined ? {} : { leftOut }),
    } as never);
  },
  title: (what) => `a Node is read: ${what}`,
});

const refuses = test.macro({
  exec(t, json: unknown, reason: string) {
    t.deepEqual(parseNode(json), { invalid: reason });
  },
  title: (what) => `a Node is invalid: ${what}`,
});

const BARE = { name: 'node-1', addresses: [], podCIDRs: [] };
const named = (metadata: object = {}, rest: object = {}) => ({
  metadata: { name: 'node-1', ...metadata },
  ...rest,
});

test('everything, internal addresses first', reads, FULL, NODE);
test('a name alone', reads, named(), BARE);
test('null stands for absent', reads, named({ labels: null }, { spec: null, status: null }), BARE);
test(
  'a namespace means nothing',
  reads,
  named({ namespace: 'kiada', labels: { 'topology.kubernetes.io/zone': '' } }),
  BARE,
);
test('podCIDR alone', reads, named({}, { spec: { podCIDR: '10.244.1.0/24', podCIDRs: [] } }), {
  ...BARE,
  podCIDRs: ['10.244.1.0/24'],
});
test('empty podCIDR', reads, named({}, { spec: { podCIDR: '', podCIDRs: null } }), BARE);
test(
  'an address that stands twice counts once',
  reads,
  named(
    {},
    {
      status: {
        addresses: [
          { type: 'ExternalIP', address: '192.0.2.1' },
          { type: 'InternalIP', address: '192.000.2.1' },
        ],
      },
    },
  ),
  { ...BARE, addresses: ['192.0.2.1'] },
);
test(
  'addresses that are none',
  reads,
  named(
    {},
    {
      status: {
        addresses: [
          { type: 'InternalIP', address: 'node-1' },
          { type: 'InternalIP' },
          { type: 'InternalIP', address: '192.0.2.1' },
          { type: 'InternalDNS', address: 7 },
          'x',
        ],
      },
    },
  ),
  { ...BARE, addresses: ['192.0.2.1'] },
  'status.addresses[0].address: "node-1" is not an IP address; ' +
    'status.addresses[1].address: "" is not an IP address; ' +
    'status.addresses[4]: "x" is not an object',
);
test(
  'podCIDRs that are none',
  reads,
  named({}, { spec: { podCIDRs: ['10.244.1.0', ' fd00:1::/64 '] } }),
  { ...BARE, podCIDRs: ['fd00:1::/64'] },
  'spec.podCIDRs[0]: "10.244.1.0" is not a CIDR such as 10.0.0.0/8',
);
test(
  'a podCIDR that is none',
  reads,
  named({}, { spec: { podCIDR: 'x' } }),
  BARE,
  'spec.podCIDR: "x" is not a CIDR such as 10.0.0.0/8',
);

test('a node that is being deleted', reads, named({ deletionTimestamp: '2026-01-01T00:00:00Z' }), {
  ...BARE,
  isBeingDeleted: true,
});
test(
  'a node that stays: no timestamp, other taints',
  reads,
  named(
    { deletionTimestamp: null },
    {
      spec: {
        unschedulable: true,
        taints: [
          { key: 'node.kubernetes.io/not-ready', effect: 'NoExecute' },
          { key: 'DeletionCandidateOfClusterAutoscaler', effect: 'PreferNoSchedule' },
        ],
      },
    },
  ),
  BARE,
);
test(
  'taints that are none',
  reads,
  named({}, { spec: { taints: [{ key: 5 }, 'x', { key: 'ToBeDeletedByClusterAutoscaler' }] } }),
  { ...BARE, isBeingDeleted: true },
  'spec.taints[0].key: 5 is not a text; spec.taints[1]: "x" is not an object',
);

test('not an object', refuses, 'node-1', 'the object is not a JSON object');
test('no name', refuses, { metadata: {} }, 'metadata.name: is missing, must be a text');
test(
  'a zone that is a number',
  refuses,
  named({ labels: { 'topology.kubernetes.io/zone': 1 } }),
  'metadata.labels.topology.kubernetes.io/zone: 1 is not a text',
);
test('a status of the wrong type', refuses, named({}, { status: 5 }), 'status: 5 is not an object');
test(
  'addresses of the wrong type',
  refuses,
  named({}, { status: { addresses: '192.0.2.1' } }),
  'status.addresses: "192.0.2.1" is not a list',
);
test(
  'podCIDRs of the wrong type',
  refuses,
  named({}, { spec: { podCIDRs: '10.244.1.0/24' } }),
  'spec.podCIDRs: "10.244.1.0/24" is not a list',
);
test(
  'a podCIDR of the wrong type',
  refuses,
  named({}, { spec: { podCIDR: 5 } }),
  'spec.podCIDR: 5 is not a text',
);

test('any JSON gives a spec that is one or a reason to refuse; never an exception', (t) => {
  fc.assert(
    fc.property(hostileJson(FULL), (json) => {
      const parsed = parseNode(json);
      if (!('spec' in parsed)) return 'invalid' in parsed && parsed.invalid !== '';
      const { name, zone, addresses, podCIDRs } = parsed.spec;
      return (
        name !== '' &&
        zone !== '' &&
        addresses.every((address) => parseAddress(address) === address) &&
        podCIDRs.every((cidr) => parsePrefix(cidr) === cidr)
      );
    }),
    { numRuns: 2000 },
  );
  t.pass();
});
