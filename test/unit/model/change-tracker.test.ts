// SPDX-License-Identifier: Apache-2.0

import test from 'ava';
import { ChangeTracker } from '../../../agent/model/change-tracker.ts';
import { ClusterState } from '../../../agent/model/cluster-state.ts';
import type { ObjectKey } from '../../../agent/model/objects.ts';
import { service, slice } from '../../helpers/objects.ts';

const WEB: ObjectKey = 'default/web';
const DNS: ObjectKey = 'default/dns';
const ALL = () => true;

/** One whose first pass has ended; the clock stands where it is put. */
function started(sinceMs = 1000) {
  const clock = { ms: 0 };
  const tracker = new ChangeTracker(() => clock.ms, sinceMs);
  tracker.taken();
  tracker.programmed(ALL);
  return { tracker, clock };
}

test('before the first pass everything waits, and nothing is timed', (t) => {
  const tracker = new ChangeTracker(() => 0, 0);
  tracker.serviceChanged(WEB);
  tracker.endpointsChanged(WEB, 'IPv4', 5);
  t.deepEqual(tracker.pending, { endpoints: 1, services: 1 });
  tracker.taken();
  t.deepEqual(tracker.programmed(ALL), { triggers: [], arrivalsMs: [] });
  t.deepEqual(tracker.pending, { endpoints: 0, services: 0 });
  t.deepEqual(tracker.totals, { endpoints: 1, services: 1 });
});

test('a change is timed from its first arrival, each slice from its cause', (t) => {
  const { tracker, clock } = started();
  clock.ms = 10;
  tracker.endpointsChanged(WEB, 'IPv4', 2000);
  clock.ms = 20;
  tracker.endpointsChanged(WEB, 'IPv6', 3000);
  tracker.serviceChanged(DNS);
  t.deepEqual(tracker.pending, { endpoints: 2, services: 1 });
  tracker.taken();
  t.deepEqual(tracker.programmed(ALL), {
    triggers: [
      { family: 'IPv4', atMs: 2000 },
      { family: 'IPv6', atMs: 3000 },
    ],
    arrivalsMs: [10, 20],
  });
  tracker.taken();
  t.deepEqual(tracker.programmed(ALL), { triggers: [], arrivalsMs: [] });
});

test('what comes while a pass is under way waits for the next one', (t) => {
  const { tracker, clock } = started();
  tracker.endpointsChanged(WEB, 'IPv4', 2000);
  tracker.taken();
  clock.ms = 30;
  tracker.endpointsChanged(WEB, 'IPv4', 4000);
  t.deepEqual(tracker.programmed(ALL).triggers, [{ family: 'IPv4', atMs: 2000 }]);
  t.deepEqual(tracker.pending, { endpoints: 1, services: 0 });
  tracker.taken();
  t.deepEqual(tracker.programmed(ALL), {
    triggers: [{ family: 'IPv4', atMs: 4000 }],
    arrivalsMs: [30],
  });
});

test('what was refused goes on waiting, from when it came', (t) => {
  const { tracker, clock } = started();
  clock.ms = 10;
  tracker.endpointsChanged(WEB, 'IPv4', 2000);
  tracker.serviceChanged(DNS);
  tracker.taken();
  t.deepEqual(tracker.programmed((key) => key !== WEB).arrivalsMs, [10]);
  t.deepEqual(tracker.pending, { endpoints: 1, services: 0 });
  clock.ms = 50;
  tracker.endpointsChanged(WEB, 'IPv6', 5000);
  tracker.taken();
  t.deepEqual(tracker.programmed(ALL), {
    triggers: [
      { family: 'IPv4', atMs: 2000 },
      { family: 'IPv6', atMs: 5000 },
    ],
    arrivalsMs: [10],
  });
});

test('causes from before the start, and of what is gone, are not timed', (t) => {
  const { tracker } = started(1000);
  tracker.endpointsChanged(WEB, 'IPv4', 999);
  tracker.endpointsChanged(WEB, 'IPv4');
  tracker.endpointsChanged(DNS, 'IPv4', 1000);
  tracker.endpointsGone(DNS);
  tracker.taken();
  t.deepEqual(tracker.programmed(ALL).triggers, []);
  t.deepEqual(tracker.totals, { endpoints: 4, services: 0 });
});

test('the cluster’s state tells of what changes, once, and of nothing else', (t) => {
  const { tracker } = started();
  const cluster = new ClusterState(undefined, tracker);
  const spec = service('default/web', ['10.96.0.1'], ['http/TCP:80']);
  const endpoints = slice('default/web-1', 'web', ['http/TCP:8080'], ['10.244.1.1']);
  for (let i = 0; i < 2; i++) {
    cluster.upsertService(WEB, { spec });
    cluster.upsertEndpointSlice('default/web-1', { spec: endpoints, triggeredMs: 2000 });
  }
  t.deepEqual(tracker.totals, { endpoints: 1, services: 1 });
  cluster.takeDirty();
  t.deepEqual(tracker.programmed(ALL).triggers, [{ family: 'IPv4', atMs: 2000 }]);
  cluster.remove('EndpointSlice', 'default/web-1');
  cluster.remove('EndpointSlice', 'default/web-1');
  cluster.remove('Service', WEB);
  t.deepEqual(tracker.totals, { endpoints: 2, services: 2 });
  t.deepEqual(tracker.pending, { endpoints: 1, services: 1 });
});
