// SPDX-License-Identifier: Apache-2.0
// What somebody else changed in the tables is mended by the next audit, and by the next agent; what was
// right is left alone.

import { setTimeout as sleep } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { ClusterState } from '../../../agent/model/cluster-state.ts';
import { PRESENT, sourceRangeKey } from '../../../agent/reconcile/entries.ts';
import type { PassReport } from '../../../agent/reconcile/observer.ts';
import { type NodeView, Reconciler } from '../../../agent/reconcile/reconciler.ts';
import {
  FrontendFlags,
  type FrontendKey,
  FrontendKind,
  FrontendScope,
  type FrontendValue,
  MemberFlags,
  type ServicePortName,
} from '../../../agent/sys/layout.gen.ts';
import { ENOMEM, FakeTables } from '../../helpers/fake-tables.ts';
import { address, backend, prefix, service, slice } from '../../helpers/objects.ts';
import { makeRetriesDue } from '../../helpers/retry-clock.ts';
import { SILENT } from '../../helpers/silent-observer.ts';
import { brokenLookups, leftOvers, rowsOf, slotsNeeded } from '../../helpers/table-view.ts';
import { until } from '../../lab/until.ts';

const ROWS = [
  'a/dns:dns UDP 10.96.0.53:53 -> 10.1.0.1:53 10.1.0.2:53',
  'a/idle:http TCP 10.96.0.81:80 -> refused',
  'a/web:http TCP 10.96.0.80:80 -> 10.1.0.8:8080 10.1.0.9:8080',
  'a/www:http TCP *:30080 IPv4 nodePort -> 10.1.0.20:8080 10.1.0.21:8080, outside 10.1.0.20:8080 (local)',
  'a/www:http TCP 10.96.0.82:80 -> 10.1.0.20:8080 10.1.0.21:8080',
  'a/www:http TCP 192.0.2.7:80 loadBalancer -> 10.1.0.20:8080 10.1.0.21:8080, outside 10.1.0.20:8080 (local); only 10.0.0.0/8',
];

const NODE_1 = (): NodeView => ({
  traits: { name: 'node-1', zone: '', nodeIPs: [] },
  state: undefined,
});

/** As a watch delivers it to a new agent. */
function newCluster(): ClusterState {
  const cluster = new ClusterState();
  cluster.upsertService('a/dns', { spec: service('a/dns', ['10.96.0.53'], ['dns/UDP:53']) });
  cluster.upsertEndpointSlice('a/dns-1', {
    spec: slice('a/dns-1', 'dns', ['dns/UDP:53'], ['10.1.0.1', '10.1.0.2']),
  });
  cluster.upsertService('a/idle', { spec: service('a/idle', ['10.96.0.81'], ['http/TCP:80']) });
  cluster.upsertService('a/web', { spec: service('a/web', ['10.96.0.80'], ['http/TCP:80']) });
  cluster.upsertEndpointSlice('a/web-1', {
    spec: slice('a/web-1', 'web', ['http/TCP:8080'], ['10.1.0.8', '10.1.0.9']),
  });
  cluster.upsertService('a/www', {
    spec: service('a/www', ['10.96.0.82'], ['http/TCP:80 30080'], undefined, {
      loadBalancerIPs: [address('192.0.2.7')],
      loadBalancerSourceRanges: [prefix('10.0.0.0/8')],
      externalTrafficPolicy: 'Local',
    }),
  });
  cluster.upsertEndpointSlice('a/www-1', {
    spec: slice(
      'a/www-1',
      'www',
      ['http/TCP:8080'],
      ['10.1.0.20 on:node-1', '10.1.0.21 on:node-2'],
    ),
  });
  return cluster;
}

/** Ids 1-4, slots 0-6, in the order of the Services' names; 6 is for clients of a/www outside. */
async function start() {
  const cluster = newCluster();
  const tables = new FakeTables({ slots: 64 });
  const reconciler = new Reconciler(cluster, tables, SILENT, NODE_1);
  await reconciler.reconcileAll();
  return { cluster, tables, reconciler };
}

const [DNS_ID, IDLE_ID, WEB_ID, WWW_ID] = [1, 2, 3, 4];
const at = (ip: string, port: number, protocol = 6): FrontendKey => ({
  address: address(ip),
  port,
  protocol,
  scope: FrontendScope.AT_ADDRESS,
});
const DNS = at('10.96.0.53', 53, 17);
const WEB = at('10.96.0.80', 80);
const WEB_OTHERS: FrontendKey = { ...at('10.96.0.80', 0, 0), scope: FrontendScope.AT_OTHER_PORTS };
const WWW_LB = at('192.0.2.7', 80);
const WWW_NODE: FrontendKey = { ...at('0.0.0.0', 30080), scope: FrontendScope.AT_NODE };
const OTHER = at('192.0.2.1', 80);
/** Everybody, of a plain clusterIP. */
const leadsTo = (servicePortId: number, first: number, count: number): FrontendValue => ({
  servicePortId,
  kind: FrontendKind.CLUSTER_IP,
  flags: 0,
  affinityTimeoutSeconds: 0,
  inside: { first, count },
  outside: { first, count },
});
/** As it is, but for `change`. */
const alter =
  (key: FrontendKey, change: Partial<FrontendValue>): Hand =>
  (tables) => {
    const value = tables.frontends.get(key) as FrontendValue;
    tables.frontends.put([[key, { ...value, ...change }]]);
  };
const IN_CLUSTER = { flags: MemberFlags.IN_CLUSTER };
const name = (serviceName: string, portName: string, protocol = 6): ServicePortName => ({
  namespaceName: 'a',
  serviceName,
  portName,
  protocol,
});

type Hand = (tables: FakeTables) => void;

/** Runs of Services that the change did not concern stay where they are. */
async function isMended(t: ExecutionContext, hand: Hand, concerns: readonly string[]) {
  const { tables, reconciler } = await start();
  t.deepEqual(rowsOf(tables), ROWS);
  const untouched = [DNS, WEB, WWW_LB].filter((key) => !concerns.includes(key.address));
  const before = untouched.map((key) => tables.frontends.get(key));
  hand(tables);
  const copy = await start();
  hand(copy.tables);

  const { repairs } = await reconciler.audit();
  t.true(repairs > 0);
  t.deepEqual(rowsOf(tables), ROWS);
  t.deepEqual(brokenLookups(tables), []);
  t.deepEqual(leftOvers(tables), []);
  t.deepEqual(
    untouched.map((key) => tables.frontends.get(key)),
    before,
  );
  t.deepEqual(await reconciler.audit(), { repairs: 0 });
  await until('slots are given back', async () => {
    if (reconciler.slotsUsed > slotsNeeded(tables)) await reconciler.audit();
    return reconciler.slotsUsed <= slotsNeeded(tables);
  });
  t.is(reconciler.slotsUsed, slotsNeeded(tables));

  await new Reconciler(newCluster(), copy.tables, SILENT, NODE_1).reconcileAll();
  t.deepEqual(rowsOf(copy.tables), ROWS);
  t.deepEqual(brokenLookups(copy.tables), []);
  t.deepEqual(leftOvers(copy.tables), []);
}

const mended = test.macro({
  exec: isMended,
  title: (what) => `mended: ${what}`,
});

test('a frontend deleted', mended, (tables) => tables.frontends.delete([WEB]), [WEB.address]);
test(
  'a frontend added, with an id that has no name',
  mended,
  (tables) => tables.frontends.put([[OTHER, leadsTo(77, 0, 1)]]),
  [DNS.address],
);
test(
  'a frontend added, with an id in use and a run of its own',
  mended,
  (tables) => tables.frontends.put([[OTHER, leadsTo(WEB_ID, 40, 2)]]),
  [],
);
test(
  'a frontend added, with an id and a run in use',
  mended,
  (tables) => tables.frontends.put([[OTHER, leadsTo(WEB_ID, 2, 2)]]),
  [],
);
test(
  'a frontend given the id of another',
  mended,
  (tables) => tables.frontends.put([[WEB, leadsTo(DNS_ID, 2, 2)]]),
  [WEB.address],
);
test(
  'a frontend given an id that has no name',
  mended,
  (tables) => tables.frontends.put([[WEB, leadsTo(77, 2, 2)]]),
  [WEB.address],
);
test(
  'a frontend given the run of another',
  mended,
  (tables) => tables.frontends.put([[WEB, leadsTo(WEB_ID, 0, 2)]]),
  [WEB.address],
);
test(
  'a frontend given half of a run',
  mended,
  (tables) => tables.frontends.put([[WEB, leadsTo(WEB_ID, 2, 1)]]),
  [WEB.address],
);
test(
  'a frontend given a run across others',
  mended,
  (tables) => tables.frontends.put([[WEB, leadsTo(WEB_ID, 1, 3)]]),
  [WEB.address, DNS.address],
);
test(
  'a frontend given a run behind the end',
  mended,
  (tables) => tables.frontends.put([[WEB, leadsTo(WEB_ID, 63, 2)]]),
  [WEB.address],
);
test(
  'a frontend given the longest run',
  mended,
  (tables) => tables.frontends.put([[WEB, leadsTo(WEB_ID, 0xffffffff, 0xffffffff)]]),
  [WEB.address],
);
test(
  'backends given to a frontend without any',
  mended,
  (tables) => tables.frontends.put([[at('10.96.0.81', 80), leadsTo(IDLE_ID, 2, 2)]]),
  [],
);
test('a slot overwritten', mended, (tables) => tables.slots.write([[3, backend('192.0.2.9:1')]]), [
  WEB.address,
]);
test('a name deleted', mended, (tables) => tables.servicePorts.delete([WEB_ID]), [WEB.address]);
test(
  'a name added that no Service has',
  mended,
  (tables) => tables.servicePorts.put([[9, name('gone', 'http')]]),
  [],
);
test(
  'a name added for a Service that has one',
  mended,
  (tables) => tables.servicePorts.put([[9, name('web', 'http')]]),
  [WEB.address],
);
test('a name changed', mended, (tables) => tables.servicePorts.put([[WEB_ID, name('gone', 'x')]]), [
  WEB.address,
]);
test(
  'a name changed to that of another',
  mended,
  (tables) => tables.servicePorts.put([[WEB_ID, name('dns', 'dns', 17)]]),
  [WEB.address, DNS.address],
);
test(
  'a name with a protocol that there is not',
  mended,
  (tables) => tables.servicePorts.put([[9, name('web', 'http', 99)]]),
  [],
);
test(
  'a member deleted',
  mended,
  (tables) => tables.members.delete([{ servicePortId: DNS_ID, backend: backend('10.1.0.1:53') }]),
  [],
);
test(
  'a member added',
  mended,
  (tables) =>
    tables.members.put([[{ servicePortId: DNS_ID, backend: backend('10.1.0.7:53') }, IN_CLUSTER]]),
  [],
);
test(
  'a member added to a service port that has none',
  mended,
  (tables) =>
    tables.members.put([
      [{ servicePortId: IDLE_ID, backend: backend('10.1.0.8:8080') }, IN_CLUSTER],
    ]),
  [],
);
test(
  'a member added to an id that has no name',
  mended,
  (tables) =>
    tables.members.put([[{ servicePortId: 77, backend: backend('10.1.0.8:8080') }, IN_CLUSTER]]),
  [],
);
test(
  'a member taken out of its list',
  mended,
  (tables) =>
    tables.members.put([
      [{ servicePortId: DNS_ID, backend: backend('10.1.0.1:53') }, { flags: 0 }],
    ]),
  [],
);
test(
  'a member said to be on this node, which it is not',
  mended,
  (tables) =>
    tables.members.put([
      [
        { servicePortId: DNS_ID, backend: backend('10.1.0.1:53') },
        { flags: MemberFlags.IN_CLUSTER | MemberFlags.ON_NODE },
      ],
    ]),
  [],
);
test(
  'a member put into a list that it is not in',
  mended,
  (tables) =>
    tables.members.put([
      [
        { servicePortId: DNS_ID, backend: backend('10.1.0.1:53') },
        { flags: MemberFlags.IN_CLUSTER | MemberFlags.IN_LOCAL },
      ],
    ]),
  [],
);
test(
  'a source range deleted',
  mended,
  (tables) => tables.sourceRanges.delete([sourceRangeKey(WWW_ID, prefix('10.0.0.0/8'))]),
  [],
);
test(
  'a source range added',
  mended,
  (tables) => tables.sourceRanges.put([[sourceRangeKey(WWW_ID, prefix('10.1.0.0/16')), PRESENT]]),
  [],
);
test(
  'a source range added to a service port that has none',
  mended,
  (tables) => tables.sourceRanges.put([[sourceRangeKey(WEB_ID, prefix('fd00::/8')), PRESENT]]),
  [],
);
test(
  'a source range added to an id that has no name',
  mended,
  (tables) => tables.sourceRanges.put([[sourceRangeKey(77, prefix('10.0.0.0/8')), PRESENT]]),
  [],
);
test(
  'what a clusterIP does not serve, deleted',
  mended,
  (tables) => tables.frontends.delete([WEB_OTHERS]),
  [],
);
test('a nodePort deleted', mended, (tables) => tables.frontends.delete([WWW_NODE]), []);
test(
  'a nodePort added',
  mended,
  (tables) => tables.frontends.put([[{ ...WWW_NODE, port: 30081 }, leadsTo(WWW_ID, 4, 2)]]),
  [],
);
test('a kind changed', mended, alter(WWW_LB, { kind: FrontendKind.EXTERNAL_IP }), [WWW_LB.address]);
test('a restriction lifted', mended, alter(WWW_LB, { flags: FrontendFlags.LOCAL_OUTSIDE }), [
  WWW_LB.address,
]);
test('a flag added', mended, alter(WEB, { flags: FrontendFlags.DROPS_INSIDE }), [WEB.address]);
test('affinity added', mended, alter(WEB, { affinityTimeoutSeconds: 10 }), [WEB.address]);
test(
  'clients outside led to what is for those inside',
  mended,
  alter(WWW_LB, { outside: { first: 4, count: 2 } }),
  [WWW_LB.address],
);
test(
  'clients outside led to the run of another',
  mended,
  alter(WWW_LB, { outside: { first: 2, count: 2 } }),
  [WWW_LB.address],
);
test(
  'clients outside led across two runs',
  mended,
  alter(WWW_LB, { outside: { first: 5, count: 2 } }),
  [WWW_LB.address],
);
test(
  'clients outside led behind the end',
  mended,
  alter(WWW_LB, { outside: { first: 64, count: 1 } }),
  [WWW_LB.address],
);
test('clients inside led nowhere', mended, alter(WEB, { inside: { first: 0, count: 0 } }), [
  WEB.address,
]);
test(
  'everything deleted',
  mended,
  (tables) => {
    tables.sourceRanges.delete(tables.sourceRanges.entries().map(([key]) => key));
    tables.frontends.delete(tables.frontends.entries().map(([key]) => key));
    tables.members.delete(tables.members.entries().map(([key]) => key));
    tables.servicePorts.delete(tables.servicePorts.entries().map(([key]) => key));
  },
  [WEB.address, DNS.address, WWW_LB.address],
);
test(
  'every slot overwritten',
  mended,
  (tables) => tables.slots.write(tables.slots.read().map((_, i) => [i, backend('192.0.2.9:1')])),
  [WEB.address, DNS.address, WWW_LB.address],
);

test('an audit of tables that nobody touched writes nothing', async (t) => {
  const { tables, reconciler } = await start();
  tables.beforeWrite = () => t.fail('a write') as never;
  t.deepEqual(await reconciler.audit(), { repairs: 0 });
  t.is(reconciler.slotsUsed, 7);
});

test('where nothing differs no Service is resolved again; where something does, all are', async (t) => {
  const tables = new FakeTables({ slots: 64 });
  const passed: PassReport[] = [];
  const observer = { ...SILENT, passed: (pass: PassReport) => passed.push(pass) };
  const reconciler = new Reconciler(newCluster(), tables, observer, NODE_1);
  await reconciler.reconcileAll();
  await reconciler.audit();
  tables.frontends.delete([WEB]);
  await reconciler.audit();
  await reconciler.audit();
  t.deepEqual(
    passed.map(({ isFull, services, steps }) => ({ isFull, services, steps })),
    [
      { isFull: true, services: 4, steps: passed[0]?.steps ?? 0 },
      { isFull: true, services: 0, steps: 0 },
      { isFull: true, services: 4, steps: 2 },
      { isFull: true, services: 0, steps: 0 },
    ],
  );
});

test('changes that pend are made by the audit and are no repairs', async (t) => {
  const { cluster, tables, reconciler } = await start();
  cluster.upsertEndpointSlice('a/web-1', {
    spec: slice('a/web-1', 'web', ['http/TCP:8080'], ['10.1.0.9', '10.1.0.10']),
  });
  cluster.remove('Service', 'a/idle');
  t.deepEqual(await reconciler.audit(), { repairs: 0 });
  const changed = 'a/web:http TCP 10.96.0.80:80 -> 10.1.0.10:8080 10.1.0.9:8080';
  t.deepEqual(rowsOf(tables), [ROWS[0] as string, changed, ...ROWS.slice(3)]);

  cluster.upsertEndpointSlice('a/web-1', {
    spec: slice('a/web-1', 'web', ['http/TCP:8080'], ['10.1.0.8', '10.1.0.9']),
  });
  tables.frontends.delete([WEB, DNS]);
  t.deepEqual(await reconciler.audit(), { repairs: 2 });
  t.deepEqual(rowsOf(tables), [ROWS[0] as string, ...ROWS.slice(2)]);
  t.deepEqual(leftOvers(tables), []);
});

test('what is missing of a Service that changes between the pieces is found all the same', async (t) => {
  const { cluster, tables, reconciler } = await start();
  tables.members.delete([{ servicePortId: DNS_ID, backend: backend('10.1.0.1:53') }]);
  const walk = tables.members.batches.bind(tables.members);
  tables.members.batches = () => walk(1);
  let changes = 0;
  tables.beforeRead = (table) => {
    if (table !== 'members') return undefined;
    // The slice is over. As many members are found then as there were before.
    makeRetriesDue();
    const ips = ['10.1.0.1', '10.1.0.2', '10.1.0.3'];
    const spec = slice('a/dns-1', 'dns', ['dns/UDP:53'], ips);
    if (changes++ === 0) setImmediate(() => cluster.upsertEndpointSlice('a/dns-1', { spec }));
    return undefined;
  };
  t.deepEqual(await reconciler.audit(), { repairs: 1 });
  tables.beforeRead = () => undefined;
  const members = tables.members
    .entries()
    .flatMap(([key]) => (key.servicePortId === DNS_ID ? [key.backend.address] : []));
  t.deepEqual(members.sort(), ['10.1.0.1', '10.1.0.2', '10.1.0.3'].map(address));
  t.deepEqual(leftOvers(tables), []);
});

test('an audit that is called off mends nothing, and the next one does', async (t) => {
  const { tables, reconciler } = await start();
  tables.frontends.delete([WEB]);
  t.deepEqual(await reconciler.audit(AbortSignal.abort()), { repairs: 0 });
  t.deepEqual(await reconciler.audit(), { repairs: 2 });
  t.deepEqual(rowsOf(tables), ROWS);
});

test('a Service that waits for its next attempt is no repair', async (t) => {
  const { cluster, tables, reconciler } = await start();
  tables.beforeWrite = ({ table, operation }) =>
    table === 'frontends' && operation === 'put' ? ENOMEM : undefined;
  cluster.upsertEndpointSlice('a/web-1', {
    spec: slice('a/web-1', 'web', ['http/TCP:8080'], ['10.1.0.9']),
  });
  await reconciler.reconcileChanges();
  tables.beforeWrite = () => undefined;
  t.deepEqual(await reconciler.audit(), { repairs: 0 });
  t.deepEqual(
    reconciler.failures.map(({ service }) => service),
    ['a/web'],
  );
  t.deepEqual(rowsOf(tables), ROWS);
  await until('the next attempt is due', () => reconciler.retryInMs === 0);
  await reconciler.reconcileChanges();
  t.is(rowsOf(tables)[2], 'a/web:http TCP 10.96.0.80:80 -> 10.1.0.9:8080');
});

test('a run that cools and is published again by somebody else is given back once', async (t) => {
  const { cluster, tables, reconciler } = await start();
  const old = tables.frontends.get(WEB) as FrontendValue;
  cluster.upsertEndpointSlice('a/web-1', {
    spec: slice('a/web-1', 'web', ['http/TCP:8080'], ['10.1.0.9']),
  });
  await reconciler.reconcileChanges();
  tables.frontends.put([[WEB, old]]);
  await reconciler.audit();
  t.is(rowsOf(tables)[2], 'a/web:http TCP 10.96.0.80:80 -> 10.1.0.9:8080');
  await until('the run has cooled', () => tables.slots.settleCalls > 0);
  // Were it to cool twice, the other time would be over by now.
  await sleep(200);
  t.is(reconciler.slotsUsed, slotsNeeded(tables));
});
