// SPDX-License-Identifier: Apache-2.0
// The Nodes of the lab, and how an agent finds its own one: by fieldSelector, as kube-proxy does
// (semantics 1.1, 1.2).

import test from 'ava';
import { defaultZone, inZone, nodeObject } from '../../lab/node-object.ts';
import { nodeAddresses } from '../../lab/topology.ts';
import { list, openWatch, serve } from './api-client.ts';

const node = (index: number, zone?: string) =>
  nodeObject({ name: `node-${index}`, index, addresses: nodeAddresses(index), zone });

test('a Node: labels, addresses and pod CIDRs of both families', (t) => {
  const { metadata, spec, status } = node(2, defaultZone(2));
  t.deepEqual(metadata, {
    name: 'node-2',
    labels: {
      'kubernetes.io/hostname': 'node-2',
      'kubernetes.io/os': 'linux',
      'topology.kubernetes.io/zone': 'zone-b',
    },
  });
  t.deepEqual(spec, {
    podCIDR: '10.244.2.0/24',
    podCIDRs: ['10.244.2.0/24', 'fd00:10:244:2::/64'],
  });
  t.like(status, {
    addresses: {
      0: { type: 'InternalIP', address: '192.0.2.102' },
      1: { type: 'InternalIP', address: '2001:db8:1::102' },
      2: { type: 'Hostname', address: 'node-2' },
    },
  });
});

test('without a zone there is no label, not an empty one', (t) => {
  t.false('topology.kubernetes.io/zone' in (node(1).metadata.labels ?? {}));
  t.deepEqual(inZone(node(1, 'zone-x'), undefined), node(1));
  t.deepEqual(inZone(node(1), 'zone-y'), node(1, 'zone-y'));
});

test('every node has a zone of its own, for as long as there are letters', (t) => {
  t.deepEqual([1, 2, 26, 27].map(defaultZone), ['zone-a', 'zone-b', 'zone-z', 'zone-a']);
});

test('one Node is listed and watched by its name; its change of zone is heard, others’ are not', async (t) => {
  const { store, url } = await serve(t);
  for (const index of [1, 2]) store.create(node(index, defaultZone(index)));
  const path = `${url}/api/v1/nodes?fieldSelector=metadata.name%3Dnode-1`;
  const { items, metadata } = await list(path);
  t.deepEqual(
    items.map((item) => item.metadata.name),
    ['node-1'],
  );
  const watch = await openWatch(t, `${path}&watch=1&resourceVersion=${metadata.resourceVersion}`);
  for (const name of ['node-2', 'node-1']) {
    const current = store.get('Node', '', name);
    if (current) store.update(inZone(current, 'zone-c'));
  }
  t.like(await watch.next(), {
    type: 'MODIFIED',
    object: {
      metadata: { name: 'node-1', labels: { 'topology.kubernetes.io/zone': 'zone-c' } },
    },
  });
});
