// SPDX-License-Identifier: Apache-2.0
// The ServiceCIDR of the lab, as a client of the API finds it.

import test from 'ava';
import { defaultServiceCidr } from '../../lab/service-cidr.ts';
import { list, openWatch, serve, TABLE } from './api-client.ts';

const PATH = '/apis/networking.k8s.io/v1/servicecidrs';
const cidrs = ['10.96.0.0/16', 'fd00:10:96::/112'];

test('it is listed, read and watched, outside of any namespace', async (t) => {
  const { store, url } = await serve(t);
  store.create(defaultServiceCidr(cidrs));
  const expected = {
    metadata: { name: 'kubernetes' },
    spec: { cidrs },
    status: { conditions: [{ type: 'Ready', status: 'True' }] },
  };
  const found = await list(url + PATH);
  t.like(found, { kind: 'ServiceCIDRList', apiVersion: 'networking.k8s.io/v1' });
  t.is(found.items[0]?.metadata.namespace, undefined);
  t.like(found.items, [expected]);
  t.like(await (await fetch(`${url}${PATH}/kubernetes`)).json(), expected);
  const watch = await openWatch(t, `${url}${PATH}?watch=1`);
  t.like(await watch.next(), { type: 'ADDED', object: expected });
  t.is(
    (await fetch(`${url}/apis/networking.k8s.io/v1/namespaces/default/servicecidrs`)).status,
    404,
  );
});

test('kubectl get shows its ranges', async (t) => {
  const { store, url } = await serve(t);
  store.create(defaultServiceCidr(cidrs));
  const table = await (await fetch(url + PATH, { headers: { accept: TABLE } })).json();
  t.like(table, { rows: [{ cells: { 0: 'kubernetes', 1: '10.96.0.0/16,fd00:10:96::/112' } }] });
});
