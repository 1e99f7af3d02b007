// SPDX-License-Identifier: Apache-2.0
// The kernel refuses to be read: told, tried again, and nothing comes of it but that. Changes are written meanwhile, for
// they need no reading.

import test, { type ExecutionContext } from 'ava';
import { ClusterState } from '../../../agent/model/cluster-state.ts';
import type { ObjectKey } from '../../../agent/model/objects.ts';
import { runLoop } from '../../../agent/reconcile/loop.ts';
import type { NodeState } from '../../../agent/reconcile/node-tables.ts';
import { Reconciler } from '../../../agent/reconcile/reconciler.ts';
import { Wakeup } from '../../../agent/reconcile/wakeup.ts';
import { KernelError } from '../../../agent/sys/libbpf/kernel-error.ts';
import { ENOMEM, FakeTables, type TableName } from '../../helpers/fake-tables.ts';
import { address, prefix, prefixes, service, slice } from '../../helpers/objects.ts';
import { SILENT } from '../../helpers/silent-observer.ts';
import { leftOvers, rowsOf, slotsNeeded } from '../../helpers/table-view.ts';
import { until } from '../../lab/until.ts';

const WEB: ObjectKey = 'a/web';
/** What an audit reads of Services. */
const READ: readonly TableName[] = [
  'servicePorts',
  'members',
  'sourceRanges',
  'slots',
  'frontends',
];

function endpoints(cluster: ClusterState, ...ips: string[]): void {
  const spec = slice('a/web-1', 'web', ['TCP:8080'], ips);
  cluster.upsertEndpointSlice('a/web-1', { spec });
}

const row = (...backends: string[]) => [
  `a/web: TCP 10.96.0.1:80 -> ${backends.map((ip) => `${ip}:8080`).join(' ')}`,
];

function world() {
  const changed = new Wakeup();
  const cluster = new ClusterState(() => changed.ring());
  const tables = new FakeTables();
  const spec = service(WEB, ['10.96.0.1'], ['TCP:80']);
  cluster.upsertService(WEB, { spec });
  endpoints(cluster, '10.1.0.1');
  return { changed, cluster, tables };
}

/** The loop, on tables that are filled; an audit each time that nothing else is to be done. */
function start(t: ExecutionContext) {
  const { changed, cluster, tables } = world();
  const audits: number[] = [];
  const told: (string | undefined)[] = [];
  const reconciler = new Reconciler(cluster, tables, {
    ...SILENT,
    audited: ({ repairs }) => void audits.push(repairs),
  });
  const stop = new AbortController();
  let isComplete = false;
  const ended = runLoop({
    cluster,
    reconciler,
    changed,
    auditEveryMs: 20,
    onComplete: async () => {
      isComplete = true;
    },
    onRefused: (message) => void told.push(message),
    signal: stop.signal,
  });
  ended.catch(() => {});
  t.teardown(async () => {
    stop.abort();
    await ended;
  });
  const sync = () => {
    cluster.listed('Service', new Set([WEB]));
    cluster.listed('EndpointSlice', new Set<ObjectKey>(['a/web-1']));
    cluster.listed('Node', new Set());
    cluster.listed('ServiceCIDR', new Set());
  };
  return { cluster, tables, reconciler, audits, told, ended, sync, isComplete: () => isComplete };
}

for (const table of READ) {
  test(`${table} cannot be read: told, changes are written, audits begin again`, async (t) => {
    const { cluster, tables, audits, told, sync } = start(t);
    sync();
    await until('an audit', () => audits.length > 0);
    let isRefused = true;
    tables.beforeRead = (read) => (isRefused && read === table ? ENOMEM : undefined);
    await until('it is told', () => told.length > 0);
    t.regex(told[0] ?? '', new RegExp(`read ${table}: ENOMEM`));
    endpoints(cluster, '10.1.0.2');
    await until('the change is written', () => {
      isRefused = false;
      const [now] = rowsOf(tables);
      isRefused = true;
      return now === row('10.1.0.2')[0];
    });
    isRefused = false;
    const before = audits.length;
    await until('the next audit', () => audits.length > before);
    t.is(told.at(-1), undefined);
    t.deepEqual(audits.slice(1), Array(audits.length - 1).fill(0));
  });
}

test('a bug is not taken for a refusal', async (t) => {
  const { cluster, tables, changed } = world();
  tables.servicePorts.put = () => {
    throw new TypeError('a bug');
  };
  for (const kind of ['Service', 'EndpointSlice', 'Node', 'ServiceCIDR'] as const)
    cluster.listed(kind, kind === 'Service' ? new Set([WEB]) : new Set());
  await t.throwsAsync(
    runLoop({
      cluster,
      reconciler: new Reconciler(cluster, tables, SILENT),
      changed,
      auditEveryMs: 1000,
      onComplete: async () => {},
      signal: AbortSignal.timeout(5000),
    }),
    { instanceOf: TypeError },
  );
});

test('a first pass that is cut short is begun again, before anything is put to work', async (t) => {
  const { tables, told, sync, isComplete } = start(t);
  cutOnce(tables, 'frontends', 'put');
  sync();
  await until('it is told', () => told.length > 0);
  t.false(isComplete());
  await until('all is complete', isComplete);
  t.deepEqual(rowsOf(tables), row('10.1.0.1'));
});

const STEPS = [
  ['servicePorts', 'put'],
  ['sourceRanges', 'put'],
  ['members', 'put'],
  ['frontends', 'put'],
  ['frontends', 'delete'],
  ['members', 'delete'],
  ['sourceRanges', 'delete'],
  ['servicePorts', 'delete'],
] as const;

/** Everything of a Service changes but its name: each table is written and deleted from. */
function shape(cluster: ClusterState, port: 'old' | 'new', endpoint: string): void {
  const ports = ['kept/UDP:80', `${port}/UDP:${port === 'old' ? 81 : 82}`] as const;
  const spec = service(WEB, ['10.96.0.1'], ports, undefined, {
    loadBalancerIPs: [address('192.0.2.1')],
    loadBalancerSourceRanges: prefixes(port === 'old' ? '10.0.0.0/8' : '11.0.0.0/8'),
  });
  cluster.upsertService(WEB, { spec });
  const slicePorts = ['kept/UDP:8080', `${port}/UDP:8081`] as const;
  cluster.upsertEndpointSlice('a/web-1', { spec: slice('a/web-1', 'web', slicePorts, [endpoint]) });
}

/** The rows of tables that are made from the start. */
async function freshRows(endpoint: string): Promise<string[]> {
  const [cluster, tables] = [new ClusterState(), new FakeTables({ slots: 64 })];
  shape(cluster, 'new', endpoint);
  await new Reconciler(cluster, tables, SILENT).reconcileAll();
  return rowsOf(tables);
}

for (const [table, operation] of STEPS) {
  test(`a pass that is cut short at ${table}.${operation}: no change is lost, no slot used too soon`, async (t) => {
    const [cluster, tables] = [new ClusterState(), new FakeTables({ slots: 64 })];
    const { promise: settled, resolve: settle } = Promise.withResolvers<void>();
    tables.slots.settled = settled;
    const reconciler = new Reconciler(cluster, tables, SILENT);
    shape(cluster, 'old', '10.1.0.1');
    await reconciler.reconcileAll();
    const runs = tables.frontends.entries().map(([, { inside }]) => inside);
    const held = () => runs.map(({ first, count }) => (count ? tables.slots.at(first) : undefined));
    const before = held();
    t.true(before.some((backend) => backend !== undefined));

    shape(cluster, 'new', '10.1.0.2');
    cutOnce(tables, table, operation);
    await t.throwsAsync(reconciler.reconcileChanges(), { instanceOf: KernelError });
    t.true(reconciler.isCutShort);
    await reconciler.audit();
    t.false(reconciler.isCutShort);
    t.deepEqual(rowsOf(tables), await freshRows('10.1.0.2'));
    // A program may have read a frontend before, and read the slot now.
    for (let n = 3; n < 9; n++) {
      shape(cluster, 'new', `10.1.0.${n}`);
      await reconciler.reconcileChanges();
      t.deepEqual(held(), before);
    }
    t.deepEqual(leftOvers(tables), []);
    settle();
    await until('slots are given back', () => reconciler.slotsUsed === slotsNeeded(tables));
  });
}

test('what changed before an audit that is cut short is written by the next', async (t) => {
  const { cluster, tables } = world();
  const reconciler = new Reconciler(cluster, tables, SILENT);
  await reconciler.reconcileAll();
  const spec = service('a/dns', ['10.96.0.2'], ['TCP:80']);
  cluster.upsertService('a/dns', { spec });
  await reconciler.reconcileChanges();
  // What a stranger has taken away, and a change that is new.
  tables.frontends.delete(tables.frontends.entries().map(([key]) => key));
  endpoints(cluster, '10.1.0.2');
  cutOnce(tables, 'frontends', 'put');
  await t.throwsAsync(reconciler.audit(), { instanceOf: KernelError });
  await reconciler.audit();
  t.true(rowsOf(tables).includes(row('10.1.0.2')[0] as string));
  t.is(rowsOf(tables).length, 2);
});

const STATE: NodeState = {
  netnsCookie: 7n,
  nodeIPs: [address('10.0.0.1')],
  nodePortAddresses: [address('10.0.0.1')],
  servesLoopbackNodePorts: false,
  serviceCIDRs: [prefix('10.96.0.0/12')],
  foreignAddresses: [],
  clusterCIDRs: [prefix('10.244.0.0/16')],
  masqueradePorts: { first: 50000, count: 10 },
  isBeside: false,
};

const NODE_TABLES = ['nodes', 'nodePortAddresses', 'serviceCidrs', 'clusterCidrs'] as const;

for (const table of NODE_TABLES) {
  test(`${table} cannot be read: the node's other tables and Services are written`, async (t) => {
    const { cluster, tables } = world();
    const node = { traits: { name: 'n', zone: '', nodeIPs: [] }, state: STATE };
    const reconciler = new Reconciler(cluster, tables, SILENT, () => node);
    let isRefused = true;
    tables.beforeRead = (read) => (isRefused && read === table ? ENOMEM : undefined);
    await reconciler.reconcileAll();
    t.is(reconciler.nodeFailures.length, 1);
    t.regex(reconciler.nodeFailures[0] ?? '', new RegExp(`read ${table}: ENOMEM`));
    isRefused = false;
    const written = () => NODE_TABLES.filter((each) => tables[each].entries().length > 0);
    t.deepEqual(
      written(),
      NODE_TABLES.filter((each) => each !== table),
    );
    t.deepEqual(rowsOf(tables), row('10.1.0.1'));
    await until('it is written', async () => {
      await reconciler.reconcileChanges();
      return reconciler.nodeFailures.length === 0;
    });
    t.deepEqual(written(), NODE_TABLES);
  });
}

/** The next such write throws, before it is done: what it needed to read first was refused. */
function cutOnce(
  tables: FakeTables,
  table: 'servicePorts' | 'sourceRanges' | 'members' | 'frontends',
  operation: 'put' | 'delete',
): void {
  const real = tables[table][operation];
  tables[table][operation] = () => {
    tables[table][operation] = real as never;
    throw new KernelError(`read ${table}`, ENOMEM);
  };
}
