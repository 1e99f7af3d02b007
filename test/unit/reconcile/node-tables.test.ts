// SPDX-License-Identifier: Apache-2.0
// What the programs must know of the node: written when it changes, tried again when it was refused, mended
// by an audit, and never a reason for a Service to wait.

import test from 'ava';
import { ClusterState } from '../../../agent/model/cluster-state.ts';
import { PRESENT, prefixKey, prefixOfKey } from '../../../agent/reconcile/entries.ts';
import { type NodeState, reconcileNode } from '../../../agent/reconcile/node-tables.ts';
import { type NodeView, Reconciler } from '../../../agent/reconcile/reconciler.ts';
import { NodeFlags } from '../../../agent/sys/layout.gen.ts';
import { type Attempt, E2BIG, ENOMEM, FakeTables } from '../../helpers/fake-tables.ts';
import { address, prefix, service } from '../../helpers/objects.ts';
import { SILENT } from '../../helpers/silent-observer.ts';
import { rowsOf } from '../../helpers/table-view.ts';
import { until } from '../../lab/until.ts';

const STATE: NodeState = {
  netnsCookie: 7n,
  nodeIPs: [address('fd00::1'), address('10.0.0.1')],
  nodePortAddresses: [address('10.0.0.1'), address('192.168.0.1')],
  servesLoopbackNodePorts: false,
  serviceCIDRs: [prefix('10.96.0.0/12'), prefix('fd00:96::/112')],
  foreignAddresses: [],
  clusterCIDRs: [prefix('10.244.0.0/16')],
  masqueradePorts: { first: 50000, count: 10 },
  isBeside: false,
};

const ALL_WRITES = [
  'put node',
  'put 10.0.0.1',
  'put 192.168.0.1',
  'put 10.96.0.0/12',
  'put fd00:96::/112',
  'put 10.244.0.0/16',
];

/** What the tables hold, in short. */
function held(tables: FakeTables) {
  return {
    nodes: tables.nodes.entries().map(([, node]) => node),
    nodePortAddresses: tables.nodePortAddresses
      .entries()
      .map(([one]) => one.address)
      .sort(),
    serviceCidrs: tables.serviceCidrs
      .entries()
      .map(([one]) => prefixOfKey(one))
      .sort(),
    clusterCidrs: tables.clusterCidrs.entries().map(([one]) => prefixOfKey(one)),
  };
}

const HELD = {
  nodes: [
    {
      netnsCookie: 7n,
      flags: 0,
      ipv4: address('10.0.0.1'),
      ipv6: address('fd00::1'),
      masqueradeFirstPort: 50000,
      masqueradePortCount: 10,
    },
  ],
  nodePortAddresses: [address('10.0.0.1'), address('192.168.0.1')],
  serviceCidrs: [prefix('10.96.0.0/12'), prefix('fd00:96::/112')],
  clusterCidrs: [prefix('10.244.0.0/16')],
};

/** Writes as they are tried: `put 10.0.0.1`, `delete 10.96.0.0/12`, `put node`. */
function watchWrites(tables: FakeTables, isRefused: (text: string) => boolean = () => false) {
  const writes: string[] = [];
  tables.beforeWrite = (attempt) => {
    const text = `${attempt.operation} ${nameOf(attempt)}`;
    writes.push(text);
    return isRefused(text) ? ENOMEM : undefined;
  };
  return writes;
}

function nameOf({ table, key }: Attempt): string {
  if (table === 'nodes') return 'node';
  if (table === 'serviceCidrs' || table === 'clusterCidrs')
    return prefixOfKey(key as Parameters<typeof prefixOfKey>[0]);
  if (table === 'nodePortAddresses') return (key as { address: string }).address;
  return `${table} ${JSON.stringify(key)}`;
}

test('everything is written once', (t) => {
  const tables = new FakeTables();
  const writes = watchWrites(tables);
  t.deepEqual(reconcileNode(STATE, tables), { steps: 6, failures: [] });
  t.deepEqual(held(tables), HELD);
  t.deepEqual(writes, ALL_WRITES);
  t.deepEqual(reconcileNode({ ...STATE }, tables), { steps: 0, failures: [] });
  t.is(writes.length, 6);
});

test('of addresses the first of each family counts, and none is 0.0.0.0 or ::', (t) => {
  const nodeOf = (state: Partial<NodeState>) => {
    const tables = new FakeTables();
    reconcileNode({ ...STATE, ...state }, tables);
    return tables.nodes.get(0);
  };
  const known = {
    netnsCookie: 7n,
    flags: 0,
    masqueradeFirstPort: 50000,
    masqueradePortCount: 10,
  };
  const nodeIPs = ['10.0.0.2', '10.0.0.3', 'fd00::2', 'fd00::3'].map(address);
  t.deepEqual(nodeOf({ nodeIPs }), {
    ...known,
    ipv4: address('10.0.0.2'),
    ipv6: address('fd00::2'),
  });
  t.deepEqual(nodeOf({ nodeIPs: [], netnsCookie: 0n }), {
    ...known,
    netnsCookie: 0n,
    ipv4: address('0.0.0.0'),
    ipv6: address('::'),
  });
  t.is(nodeOf({ servesLoopbackNodePorts: true })?.flags, NodeFlags.LOOPBACK_NODE_PORTS);
});

for (const [what, change] of [
  ['the cookie', { netnsCookie: 8n }],
  ['the IPv4 address', { nodeIPs: [address('fd00::1'), address('10.0.0.9')] }],
  ['the IPv6 address', { nodeIPs: [address('fd00::9'), address('10.0.0.1')] }],
  ['loopback', { servesLoopbackNodePorts: true }],
  ['who else translates', { isBeside: true }],
  ['the first port of masqueraded flows', { masqueradePorts: { first: 50001, count: 10 } }],
  ['the number of their ports', { masqueradePorts: { first: 50000, count: 9 } }],
] as const) {
  test(`a change of ${what} writes the entry, and no other`, (t) => {
    const tables = new FakeTables();
    reconcileNode(STATE, tables);
    const before = tables.nodes.get(0);
    const writes = watchWrites(tables);
    t.deepEqual(reconcileNode({ ...STATE, ...change }, tables), { steps: 1, failures: [] });
    t.deepEqual(writes, ['put node']);
    t.notDeepEqual(tables.nodes.get(0), before);
    t.is(reconcileNode({ ...STATE, ...change }, tables).steps, 0);
  });
}

test('what comes is written before what goes, and what stays is left alone', (t) => {
  const tables = new FakeTables();
  reconcileNode(STATE, tables);
  const writes = watchWrites(tables);
  const next: NodeState = {
    ...STATE,
    nodePortAddresses: [address('192.168.0.1'), address('fd00::1')],
    serviceCIDRs: [prefix('10.96.0.0/16'), prefix('10.96.0.0/12')],
    clusterCIDRs: [prefix('10.245.0.0/16')],
  };
  t.deepEqual(reconcileNode(next, tables), { steps: 6, failures: [] });
  t.deepEqual(writes, [
    'put fd00::1',
    'delete 10.0.0.1',
    'put 10.96.0.0/16',
    'delete fd00:96::/112',
    'put 10.245.0.0/16',
    'delete 10.244.0.0/16',
  ]);
  t.deepEqual(held(tables), {
    ...HELD,
    nodePortAddresses: [address('192.168.0.1'), address('fd00::1')],
    serviceCidrs: [prefix('10.96.0.0/12'), prefix('10.96.0.0/16')],
    clusterCidrs: [prefix('10.245.0.0/16')],
  });
});

test('a write that is refused is told, and costs no other', (t) => {
  const tables = new FakeTables();
  reconcileNode({ ...STATE, nodePortAddresses: [address('10.0.0.9')] }, tables);
  watchWrites(tables, (text) => text === 'put 192.168.0.1' || text === 'delete 10.0.0.9');
  const { steps, failures } = reconcileNode({ ...STATE, netnsCookie: 8n }, tables);
  t.is(steps, 4);
  t.is(failures.length, 2);
  t.regex(failures[0] ?? '', /write to nodePortAddresses.*ENOMEM/);
  t.regex(failures[1] ?? '', /delete from nodePortAddresses.*ENOMEM/);
  t.deepEqual(held(tables).nodePortAddresses, [address('10.0.0.1'), address('10.0.0.9')]);
  t.is(tables.nodes.get(0)?.netnsCookie, 8n);
});

test('where there is not room for all addresses, there is for the node IPs', (t) => {
  const tables = new FakeTables();
  let room = 2;
  tables.beforeWrite = ({ table }) =>
    table === 'nodePortAddresses' && room-- <= 0 ? E2BIG : undefined;
  // As kube-proxy leaves them on kube-ipvs0.
  const others = ['10.96.0.1', '10.96.0.2', '10.96.0.3'].map(address);
  const nodePortAddresses = [...others, address('192.168.0.1')];
  const nodeIPs = [address('192.168.0.1')];
  const { failures } = reconcileNode({ ...STATE, nodeIPs, nodePortAddresses }, tables);
  t.is(failures.length, 1);
  t.deepEqual(held(tables).nodePortAddresses, [others[0], address('192.168.0.1')]);
});

test('a table that takes nothing more says so once', (t) => {
  const tables = new FakeTables();
  watchWrites(tables, (text) => text.startsWith('put 1'));
  const { steps, failures } = reconcileNode(STATE, tables);
  t.is(steps, 6);
  t.deepEqual(
    failures.map((line) => line.match(/write to (\w+)/)?.[1]),
    ['nodePortAddresses', 'serviceCidrs', 'clusterCidrs'],
  );
});

/** A reconciler whose node is what `view` says at the time, with one Service without endpoints. */
function start(state: NodeState | undefined = STATE) {
  const cluster = new ClusterState();
  cluster.upsertService('a/web', { spec: service('a/web', ['10.96.0.1'], ['TCP:80']) });
  const tables = new FakeTables();
  const node: { view: NodeView } = {
    view: { traits: { name: 'node-1', zone: '', nodeIPs: [] }, state },
  };
  const reconciler = new Reconciler(cluster, tables, SILENT, () => node.view);
  const become = (next: NodeState | undefined) => {
    node.view = { ...node.view, state: next };
  };
  return { cluster, tables, reconciler, become };
}

const ROW = 'a/web: TCP 10.96.0.1:80 -> refused';
const ofNode = (writes: readonly string[]) =>
  writes.filter((text) => ALL_WRITES.includes(text) || text.startsWith('delete 1'));

test('the first pass writes it, beside the Services; no other does while it stays the same', async (t) => {
  const { tables, reconciler } = start();
  const writes = watchWrites(tables);
  const { steps } = await reconciler.reconcileAll();
  t.is(steps, writes.length);
  t.deepEqual(ofNode(writes), ALL_WRITES);
  t.deepEqual(held(tables), HELD);
  t.deepEqual(rowsOf(tables), [ROW]);
  t.is((await reconciler.reconcileChanges()).steps, 0);
  t.deepEqual(ofNode(writes), ALL_WRITES);
});

test('until it is known the tables stay as an earlier agent left them', async (t) => {
  const { tables, reconciler, become } = start(undefined);
  reconcileNode(STATE, tables);
  const writes = watchWrites(tables);
  await reconciler.reconcileAll();
  await reconciler.audit();
  t.deepEqual(ofNode(writes), []);
  t.deepEqual(rowsOf(tables), [ROW]);
  become({ ...STATE, nodePortAddresses: [address('10.0.0.1')] });
  t.is((await reconciler.reconcileChanges()).steps, 1);
  t.deepEqual(ofNode(writes), ['delete 192.168.0.1']);
});

test('another state is written by the next pass, whatever else that pass has to do', async (t) => {
  const { tables, reconciler, become } = start();
  await reconciler.reconcileAll();
  become({ ...STATE, netnsCookie: 8n });
  const { services, steps } = await reconciler.reconcileChanges();
  t.deepEqual([services, steps], [0, 1]);
  t.is(tables.nodes.get(0)?.netnsCookie, 8n);
});

test('a refusal is told and tried again when its time has come; Services do not wait', async (t) => {
  const { tables, reconciler } = start();
  const writes = watchWrites(tables, (text) => text === 'put 192.168.0.1');
  const { failures } = await reconciler.reconcileAll();
  t.deepEqual([failures, reconciler.failures], [[], []]);
  t.deepEqual(rowsOf(tables), [ROW]);
  t.is(reconciler.nodeFailures.length, 1);
  t.regex(reconciler.nodeFailures[0] ?? '', /ENOMEM/);
  t.true((reconciler.retryInMs ?? 0) > 0);

  await reconciler.reconcileChanges();
  t.is(writes.filter((text) => text === 'put 192.168.0.1').length, 1);
  await until('the next attempt is due', () => reconciler.retryInMs === 0);
  await reconciler.reconcileChanges();
  t.is(writes.filter((text) => text === 'put 192.168.0.1').length, 2);
  t.is(reconciler.nodeFailures.length, 1);

  tables.beforeWrite = () => undefined;
  await until('the next attempt is due', () => reconciler.retryInMs === 0);
  t.is((await reconciler.reconcileChanges()).steps, 1);
  t.deepEqual(reconciler.nodeFailures, []);
  t.is(reconciler.retryInMs, undefined);
  t.deepEqual(held(tables), HELD);
});

test('a new state does not wait for the time of the next attempt', async (t) => {
  const { tables, reconciler, become } = start();
  watchWrites(tables, (text) => text === 'put node');
  await reconciler.reconcileAll();
  tables.beforeWrite = () => undefined;
  become({ ...STATE });
  await reconciler.reconcileChanges();
  t.deepEqual(reconciler.nodeFailures, []);
  t.deepEqual(held(tables), HELD);
});

test('what somebody else changed is mended by an audit, which counts it', async (t) => {
  const { tables, reconciler } = start();
  await reconciler.reconcileAll();
  t.deepEqual(await reconciler.audit(), { repairs: 0 });
  const [node] = HELD.nodes;
  if (node) tables.nodes.put([[0, { ...node, netnsCookie: 9n }]]);
  tables.nodePortAddresses.delete([{ address: address('10.0.0.1') }]);
  tables.nodePortAddresses.put([[{ address: address('10.0.0.5') }, PRESENT]]);
  tables.serviceCidrs.put([[prefixKey(prefix('172.16.0.0/12')), PRESENT]]);
  tables.clusterCidrs.delete([prefixKey(prefix('10.244.0.0/16'))]);
  t.is((await reconciler.reconcileChanges()).steps, 0);
  t.deepEqual(await reconciler.audit(), { repairs: 5 });
  t.deepEqual(held(tables), HELD);
  t.deepEqual(await reconciler.audit(), { repairs: 0 });
});

test('a state that pends is written by the audit and is no repair', async (t) => {
  const { tables, reconciler, become } = start();
  await reconciler.reconcileAll();
  become({ ...STATE, netnsCookie: 8n });
  t.deepEqual(await reconciler.audit(), { repairs: 0 });
  t.is(tables.nodes.get(0)?.netnsCookie, 8n);
});

test('what was refused and waits is no repair either', async (t) => {
  const { tables, reconciler } = start();
  watchWrites(tables, (text) => text === 'put 192.168.0.1');
  await reconciler.reconcileAll();
  tables.beforeWrite = () => undefined;
  t.deepEqual(await reconciler.audit(), { repairs: 0 });
  await until('the next attempt is due', () => (reconciler.retryInMs ?? 0) === 0);
  await reconciler.reconcileChanges();
  t.deepEqual(held(tables), HELD);
});

test('addresses of another proxy are exceptions from the ServiceCIDRs, as long as they are its', (t) => {
  const tables = new FakeTables();
  const writes = watchWrites(tables);
  const foreignAddresses = [address('10.96.0.9')];
  reconcileNode({ ...STATE, foreignAddresses }, tables);
  t.true(writes.indexOf('put 10.96.0.9/32') < writes.indexOf('put 10.96.0.0/12'));
  const present = (text: string) => tables.serviceCidrs.get(prefixKey(prefix(text)))?.present;
  t.deepEqual([present('10.96.0.9/32'), present('10.96.0.0/12')], [0, 1]);
  t.is(reconcileNode({ ...STATE, foreignAddresses }, tables).steps, 0);
  tables.serviceCidrs.put([[prefixKey(prefix('10.96.0.9/32')), PRESENT]]);
  t.is(reconcileNode({ ...STATE, foreignAddresses }, tables).steps, 1);
  t.is(present('10.96.0.9/32'), 0);
  reconcileNode(STATE, tables);
  t.is(present('10.96.0.9/32'), undefined);
});
