// SPDX-License-Identifier: Apache-2.0
// Clusters of the sizes that there are: tables grow while clients connect, and every look-up is right.

import { setImmediate } from 'node:timers/promises';
import test from 'ava';
import type { ObjectKey } from '../../agent/model/objects.ts';
import { frontendEntryKey } from '../../agent/reconcile/entries.ts';
import { Reconciler } from '../../agent/reconcile/reconciler.ts';
import { faultTest } from '../faults/fault-test.ts';
import { frontend, service, slice } from '../helpers/objects.ts';
import { requireRoot } from '../helpers/requirements.ts';
import { SILENT } from '../helpers/silent-observer.ts';
import { lookAt } from '../helpers/table-view.ts';
import { LargeCluster, type PortName } from './large-cluster.ts';
import { canMakeNodes, nodeForFile } from './node-for-file.ts';
import { SocketProbe, type Target } from './socket-probe.ts';
import { startBackends } from './start-backends.ts';

const WEB = '10.96.0.1';
const BOTH = ['TCP', 'UDP'] as const;
const THROUGHOUT: readonly Target[] = (['tcp', 'udp', 'sendto', 'kept'] as const).map((kind) => ({
  kind,
  address: WEB,
  port: 80,
}));

const node = nodeForFile(test, (made) => startBackends(made));

const range = (count: number, from = 0) => Array.from({ length: count }, (_, i) => from + i);
/** Backends there are: what lies beyond has addresses of its own in the node's network. */
const BACKENDS = 60_000;
const backendIp = (n: number) => {
  const i = n % BACKENDS;
  return `10.244.${i >> 8}.${i & 255}`;
};
const serviceIp = (n: number) => `10.96.${1 + (n >> 8)}.${n & 255}`;

function addService(
  large: LargeCluster,
  n: number,
  protocols: readonly PortName[],
  endpoints: number,
): void {
  const ips = range(endpoints, n * endpoints).map(backendIp);
  large.service(`s${n}`, serviceIp(n), protocols);
  large.slice(`s${n}`, { at: serviceIp(n) }, protocols, ips);
}

/** One whose endpoints change with each round. */
function changeWeb(large: LargeCluster, round: number): void {
  large.slice('web', { at: WEB }, BOTH, range(10, 7 * round).map(backendIp));
}

/** Different ones in each round, and the same in each run. */
const someOf = (count: number, round: number) =>
  range(20).map((i) => serviceIp((round * 6151 + i * 7919) % count));

faultTest(test, 'size-10000-services', async (t, report) => {
  if (!canMakeNodes(t)) return;
  const large = new LargeCluster(t, node());
  const probe = await SocketProbe.start(node());
  const slotsBefore = large.tables.slots.capacity;
  large.service('web', WEB, BOTH);
  changeWeb(large, 0);
  for (const n of range(16)) addService(large, n, ['TCP'], 10);
  await large.pass();
  const first = range(16).map((n): Target => ({ kind: 'tcp', address: serviceIp(n), port: 80 }));
  const stop = await large.dialThroughout(node(), [...THROUGHOUT, ...first]);
  for (const round of range(10, 1)) {
    for (const n of range(1000, (round - 1) * 1000)) addService(large, n, ['TCP'], 10);
    changeWeb(large, round);
    await large.pass();
    await large.dialOnce(probe, someOf(round * 1000, round), 'tcp');
  }
  await stop();
  t.true(large.tables.slots.capacity > slotsBefore);
  large.checkTables();
  report({ injections: 10, ...large.figures() });
});

faultTest(test, 'size-1000-of-100', async (t, report) => {
  if (!canMakeNodes(t)) return;
  // UDP: all endpoints are members, which are more than the table holds by itself.
  const large = new LargeCluster(t, node(), new Map([['members', 131_072]]));
  const probe = await SocketProbe.start(node());
  large.service('web', WEB, BOTH);
  changeWeb(large, 0);
  await large.pass();
  const stop = await large.dialThroughout(node(), THROUGHOUT);
  for (const n of range(1000)) addService(large, n, ['UDP'], 100);
  changeWeb(large, 1);
  await large.pass();
  await large.dialOnce(probe, someOf(1000, 1), 'udp');
  await large.dialOnce(probe, someOf(1000, 2), 'sendto');
  await stop();
  t.true(large.tables.members.entries().length > 100_000);
  large.checkTables();
  report({ injections: 1, ...large.figures() });
});

faultTest(test, 'size-5000-endpoints', async (t, report) => {
  if (!canMakeNodes(t)) return;
  const large = new LargeCluster(t, node());
  const probe = await SocketProbe.start(node());
  large.service('web', WEB, BOTH);
  const slices = range(50);
  const endpoints = (number: number) => range(100, number * 100).map(backendIp);
  large.slice('web', { at: WEB, number: 0 }, BOTH, endpoints(0));
  await large.pass();
  const stop = await large.dialThroughout(node(), THROUGHOUT);
  for (const number of slices.slice(1)) {
    large.slice('web', { at: WEB, number }, BOTH, endpoints(number));
    await large.pass();
  }
  const wanted = slices.flatMap(endpoints).sort();
  const view = lookAt(large.tables);
  const slots = view.slots.read();
  const runs = view.frontends.entries().filter(([{ port }]) => port === 80);
  t.is(runs.length, 2);
  for (const [, { inside: run }] of runs) {
    const backends = slots
      .slice(run.first, run.first + run.count)
      .map(({ address }) => `${address}`);
    t.deepEqual(backends.sort(), wanted);
  }
  const landed = await large.dialOnce(probe, [WEB], 'tcp', 10_000);
  await stop();
  // All but one in seven, by chance.
  const reached = new Set(landed).size;
  t.true(reached > 4000, `${reached} of 5,000 were reached`);
  large.checkTables();
  const { note, ...figures } = large.figures();
  report({ injections: 49, ...figures, note: `${reached} reached by 10,000 connections, ${note}` });
});

/** Service ports of 1,000 Services, and the entry of each Service for its other ports. */
const FRONTENDS = 101_000;

faultTest(test, 'size-100000-frontends', async (t, report) => {
  if (!requireRoot(t)) return;
  const sizes = new Map([
    ['frontends', 262_144],
    ['service_ports', 131_072],
  ] as const);
  const large = new LargeCluster(t, undefined, sizes);
  const { cluster, tables, reconciler } = large;
  for (const n of range(1000)) {
    const ports = range(100, 1).map((port) => `p${port}/TCP:${port}` as const);
    const key: ObjectKey = `default/s${n}`;
    cluster.upsertService(key, { spec: service(key, [serviceIp(n)], ports) });
    const ips = range(3, n * 3).map(backendIp);
    cluster.upsertEndpointSlice(key, { spec: slice(key, `s${n}`, ports, ips) });
  }
  await large.pass();
  const figures = large.figures();
  t.is(tables.frontends.entries().length, FRONTENDS);
  const lost = range(1000).flatMap((n) =>
    range(100, 1).filter((port) => {
      const dialled = frontendEntryKey(frontend(`${serviceIp(n)}:${port}/TCP`));
      return tables.frontends.get(dialled)?.inside.count !== 3;
    }),
  );
  t.is(lost.length, 0);

  // As the next agent finds them.
  const next = new Reconciler(cluster, tables.reopen(), SILENT);
  t.is(next.actual.frontends.size, FRONTENDS);

  const audited = reconciler.audit();
  large.service('late', '10.96.0.9', ['TCP']);
  const late = frontendEntryKey(frontend('10.96.0.9:80/TCP'));
  let audits = 0;
  void audited.then(() => audits++);
  while (audits === 0 && tables.frontends.get(late) === undefined) await setImmediate();
  t.is(audits, 0, 'a change does not wait for the audit');
  t.deepEqual(await audited, { repairs: 0 });
  const looked = `audited in ${reconciler.auditCpuMs.toFixed(0)} ms of CPU`;
  report({ injections: 1, failed: lost.length, note: `${figures.note}, ${looked}` });
});
