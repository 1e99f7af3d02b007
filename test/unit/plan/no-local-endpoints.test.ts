// SPDX-License-Identifier: Apache-2.0

import test from 'ava';
import { ClusterState } from '../../../agent/model/cluster-state.ts';
import type { ServiceSpec } from '../../../agent/model/objects.ts';
import { withoutLocalEndpoints } from '../../../agent/plan/no-local-endpoints.ts';
import { Reconciler } from '../../../agent/reconcile/reconciler.ts';
import { FakeTables } from '../../helpers/fake-tables.ts';
import { service, slice } from '../../helpers/objects.ts';
import { SILENT } from '../../helpers/silent-observer.ts';

const LOCAL = {
  internal: { internalTrafficPolicy: 'Local' },
  external: { externalTrafficPolicy: 'Local' },
} as const;

async function counts(more: Partial<ServiceSpec>, endpoints: readonly string[]) {
  const cluster = new ClusterState();
  const node = { traits: { name: 'here', zone: '', nodeIPs: [] }, state: undefined };
  const reconciler = new Reconciler(cluster, new FakeTables(), SILENT, () => node);
  const spec = service(
    'default/web',
    ['10.96.0.1'],
    ['http/TCP:80 30080', 'dns/UDP:53'],
    undefined,
    more,
  );
  cluster.upsertService('default/web', { spec });
  const ports = ['http/TCP:8080', 'dns/UDP:5353'] as const;
  cluster.upsertEndpointSlice('default/web-1', {
    spec: slice('default/web-1', 'web', ports, [...endpoints]),
  });
  await reconciler.reconcileChanges();
  return withoutLocalEndpoints(reconciler.actual)
    .filter(({ servicePorts }) => servicePorts > 0)
    .map(({ policy, family, servicePorts }) => `${policy} ${family} ${servicePorts}`);
}

test('endpoints elsewhere, none here: counted by policy and family, each service port once', async (t) => {
  const elsewhere = ['10.244.2.2 on:there'];
  t.deepEqual(await counts({}, elsewhere), []);
  t.deepEqual(await counts(LOCAL.internal, elsewhere), ['internal IPv4 2']);
  // The port without a nodePort has no address outside.
  t.deepEqual(await counts(LOCAL.external, elsewhere), ['external IPv4 1']);
});

test('an endpoint here, or none at all, is not counted', async (t) => {
  const both = { ...LOCAL.internal, ...LOCAL.external };
  t.deepEqual(await counts(both, ['10.244.1.2 on:here']), []);
  t.deepEqual(await counts(both, []), []);
});
