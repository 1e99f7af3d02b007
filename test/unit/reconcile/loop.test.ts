// SPDX-License-Identifier: Apache-2.0
// When the loop does what: nothing before the watches are in sync, then each change as it comes, failures
// again, and audits.

import test, { type ExecutionContext } from 'ava';
import { ClusterState } from '../../../agent/model/cluster-state.ts';
import type { ObjectKey } from '../../../agent/model/objects.ts';
import { runLoop } from '../../../agent/reconcile/loop.ts';
import { Reconciler } from '../../../agent/reconcile/reconciler.ts';
import { Wakeup } from '../../../agent/reconcile/wakeup.ts';
import { ENOMEM, FakeTables } from '../../helpers/fake-tables.ts';
import { service, slice } from '../../helpers/objects.ts';
import { rowsOf } from '../../helpers/table-view.ts';
import { until } from '../../lab/until.ts';

const NEVER_MS = 2 ** 30;

function start(t: ExecutionContext, auditEveryMs = NEVER_MS) {
  const events: string[] = [];
  const progress: string[] = [];
  const changed = new Wakeup();
  const cluster = new ClusterState(() => changed.ring());
  const tables = new FakeTables();
  const reconciler = new Reconciler(cluster, tables, {
    passed: ({ failures }) => events.push(`pass, ${failures.length} failed`),
    audited: ({ repairs }) => events.push(`audit, ${repairs} repairs`),
  });
  const stop = new AbortController();
  const ended = runLoop({
    cluster,
    reconciler,
    changed,
    auditEveryMs,
    onComplete: async () => {
      events.push(`complete, ${rowsOf(tables).length} frontends`);
    },
    progress: {
      begun: () => progress.push('begun'),
      ended: () => progress.push(`ended, ${rowsOf(tables).length} frontends`),
    },
    signal: stop.signal,
  });
  t.teardown(async () => {
    stop.abort();
    await ended;
  });
  return { cluster, tables, events, progress, stop, ended };
}

const WEB: ObjectKey = 'a/web';
const web = { spec: service(WEB, ['10.96.0.1'], ['TCP:80']) };
const endpoints = (...ips: string[]) => ({ spec: slice('a/web-1', 'web', ['TCP:8080'], ips) });
const row = (backends: string) => [`a/web: TCP 10.96.0.1:80 -> ${backends}`];

test('no write before every watch is in sync, then everything at once', async (t) => {
  const { cluster, tables, events } = start(t);
  tables.beforeWrite = () => {
    if (!cluster.settled) t.fail('a write before the watches are in sync');
    return undefined;
  };
  cluster.upsertService(WEB, web);
  cluster.listed('Service', new Set([WEB]));
  await new Promise(setImmediate);
  cluster.upsertEndpointSlice('a/web-1', endpoints('10.1.0.1'));
  await new Promise(setImmediate);
  t.deepEqual(events, []);
  cluster.listed('EndpointSlice', new Set<ObjectKey>(['a/web-1']));
  cluster.listed('Node', new Set());
  await new Promise(setImmediate);
  t.deepEqual(events, []);
  cluster.listed('ServiceCIDR', new Set());
  await until('the loop is complete', () => events.length >= 2);
  t.deepEqual(events.slice(0, 2), ['pass, 0 failed', 'complete, 1 frontends']);
  t.deepEqual(rowsOf(tables), row('10.1.0.1:8080'));
});

function sync(cluster: ClusterState): void {
  cluster.upsertService(WEB, web);
  cluster.upsertEndpointSlice('a/web-1', endpoints('10.1.0.1'));
  cluster.listed('Service', new Set([WEB]));
  cluster.listed('EndpointSlice', new Set<ObjectKey>(['a/web-1']));
  cluster.listed('Node', new Set());
  cluster.listed('ServiceCIDR', new Set());
}

test('a change is taken up, also one that comes while a pass runs', async (t) => {
  const { cluster, tables } = start(t);
  sync(cluster);
  await until('the first pass', () => rowsOf(tables).length === 1);
  let isSecond = false;
  tables.afterWrite = () => {
    if (isSecond) return;
    isSecond = true;
    cluster.upsertEndpointSlice('a/web-1', endpoints('10.1.0.3'));
  };
  cluster.upsertEndpointSlice('a/web-1', endpoints('10.1.0.2'));
  await until('the last change', () => rowsOf(tables)[0] === row('10.1.0.3:8080')[0]);
  t.pass();
});

test('what was refused is tried again without another change', async (t) => {
  const { cluster, tables, events } = start(t);
  let refusals = 1;
  tables.beforeWrite = ({ table }) =>
    table === 'frontends' && refusals-- > 0 ? ENOMEM : undefined;
  sync(cluster);
  await until('the second attempt', () => rowsOf(tables).length === 1);
  t.deepEqual(events.slice(0, 2), ['pass, 1 failed', 'complete, 0 frontends']);
  t.deepEqual(rowsOf(tables), row('10.1.0.1:8080'));
});

test('audits come by themselves, and with changes that come all the time', async (t) => {
  const { cluster, tables, events } = start(t, 50);
  sync(cluster);
  await until('the first pass', () => events.includes('complete, 1 frontends'));
  tables.frontends.delete(tables.frontends.entries().map(([key]) => key));
  // The backends' run, the clusterIP, and what it does not serve.
  await until('a repair', () => events.includes('audit, 3 repairs'));
  t.deepEqual(rowsOf(tables), row('10.1.0.1:8080'));
  const audits = () => events.filter((event) => event.startsWith('audit')).length;
  const before = audits();
  let n = 0;
  await until('an audit between changes', () => {
    cluster.upsertEndpointSlice('a/web-1', endpoints(`10.1.1.${n++ % 250}`));
    return audits() > before;
  });
});

test('progress is told before changes are taken up, and when they are written; audits alike', async (t) => {
  const { cluster, events, progress } = start(t, 20);
  sync(cluster);
  await until('an audit', () => events.some((event) => event.startsWith('audit')));
  await until('its end', () => progress.length % 2 === 0);
  const [first, ...later] = progress;
  t.is(first, 'begun');
  t.true(later.length >= 3);
  later.forEach((event, i) => void t.is(event, i % 2 ? 'begun' : 'ended, 1 frontends'));
});

test('it ends when it is told to, in sync or not', async (t) => {
  const waiting = start(t);
  waiting.stop.abort();
  await waiting.ended;
  const working = start(t);
  sync(working.cluster);
  await until('the first pass', () => working.events.includes('complete, 1 frontends'));
  working.stop.abort();
  await working.ended;
  working.cluster.remove('Service', WEB);
  await new Promise(setImmediate);
  t.deepEqual(rowsOf(working.tables), row('10.1.0.1:8080'));
});
