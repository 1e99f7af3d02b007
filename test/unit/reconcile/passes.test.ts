// SPDX-License-Identifier: Apache-2.0
// What a pass reports to those who act upon it.

import test from 'ava';
import { ClusterState } from '../../../agent/model/cluster-state.ts';
import { Reconciler } from '../../../agent/reconcile/reconciler.ts';
import { FakeTables } from '../../helpers/fake-tables.ts';
import { service, slice } from '../../helpers/objects.ts';
import { SILENT } from '../../helpers/silent-observer.ts';

/** Sockets are looked for, in all of the kernel, wherever there may be one to close. */
test('of backends that leave those of UDP count, also with their whole Service', async (t) => {
  const cluster = new ClusterState();
  const reconciler = new Reconciler(cluster, new FakeTables(), SILENT);
  const ports = ['http/TCP:80', 'dns/UDP:53'] as const;
  const serve = async (...ips: string[]) => {
    cluster.upsertEndpointSlice('a/p-1', { spec: slice('a/p-1', 'p', ports, ips) });
    return (await reconciler.reconcileChanges()).udpBackendsGone;
  };
  cluster.upsertService('a/p', { spec: service('a/p', ['10.96.0.1'], ports) });
  t.is(await serve('10.1.0.1', '10.1.0.2', '10.1.0.3'), 0);
  t.is(await serve('10.1.0.1', '10.1.0.2'), 1);
  t.is(await serve('10.1.0.1 terminating serving', '10.1.0.2'), 0);
  cluster.upsertService('a/p', { spec: service('a/p', ['10.96.0.1'], ['dns/UDP:53']) });
  t.is((await reconciler.reconcileChanges()).udpBackendsGone, 0);
  cluster.remove('Service', 'a/p');
  t.is((await reconciler.reconcileChanges()).udpBackendsGone, 2);
});
