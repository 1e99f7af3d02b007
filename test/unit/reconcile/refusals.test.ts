// SPDX-License-Identifier: Apache-2.0
// A write that the kernel refuses costs one Service its change, and nobody else anything: it is named, tried
// again, and nothing stays behind when it succeeds at last.

import test, { type ExecutionContext } from 'ava';
import { ClusterState } from '../../../agent/model/cluster-state.ts';
import type { ObjectKey, ServiceSpec } from '../../../agent/model/objects.ts';
import { Reconciler } from '../../../agent/reconcile/reconciler.ts';
import { type Attempt, ENOMEM, FakeTables } from '../../helpers/fake-tables.ts';
import { address, prefixes, service, slice } from '../../helpers/objects.ts';
import { makeRetriesDue } from '../../helpers/retry-clock.ts';
import { SILENT } from '../../helpers/silent-observer.ts';
import {
  brokenLookups,
  entryCounts,
  leftOvers,
  NO_ENTRIES,
  rowsOf,
  slotsNeeded,
} from '../../helpers/table-view.ts';
import { until } from '../../lab/until.ts';

/** Two Services: `a/dns` meets the refusals, `a/web` changes at the same times. */
class World {
  readonly cluster = new ClusterState();
  readonly tables: FakeTables;
  readonly reconciler: Reconciler;

  constructor(limits = {}) {
    this.tables = new FakeTables(limits);
    this.tables.afterWrite = () => {
      const [broken] = brokenLookups(this.tables);
      if (broken) throw new Error(broken);
    };
    this.reconciler = new Reconciler(this.cluster, this.tables, SILENT);
  }

  has(spec: ServiceSpec, endpoints: readonly string[]): void {
    const key: ObjectKey = `${spec.namespace}/${spec.name}`;
    this.cluster.upsertService(key, { spec });
    const port = spec.name === 'dns' ? 'dns/UDP:53' : 'http/TCP:8080';
    const of = slice(`a/${spec.name}-1`, spec.name, [port], endpoints);
    this.cluster.upsertEndpointSlice(`a/${spec.name}-1`, { spec: of });
  }

  dns(...endpoints: string[]): void {
    this.has(service('a/dns', ['10.96.0.53'], ['dns/UDP:53']), endpoints);
  }

  /** `a/dns` with a load-balancer address that only clients in these ranges may use. */
  restrictedDns(...ranges: string[]): void {
    const spec = service('a/dns', ['10.96.0.53'], ['dns/UDP:53'], undefined, {
      loadBalancerIPs: [address(LB_IP)],
      loadBalancerSourceRanges: prefixes(...ranges),
    });
    this.has(spec, ['10.1.0.1', '10.1.0.2']);
  }

  web(...endpoints: string[]): void {
    this.has(service('a/web', ['10.96.0.80'], ['http/TCP:80']), endpoints);
  }

  /** Makes the next attempt when its time has come. */
  async retry(): Promise<void> {
    makeRetriesDue();
    await this.reconciler.reconcileChanges();
  }

  /** Nothing is left over in the tables, nor, once runs have cooled, in the slots. */
  async isTidy(t: ExecutionContext): Promise<void> {
    t.deepEqual(leftOvers(this.tables), []);
    await until('slots are given back', () => {
      return this.reconciler.slotsUsed === slotsNeeded(this.tables);
    });
  }
}

type Change = (world: World) => void;

const LB_IP = '192.0.2.53';
const OLD_DNS = 'a/dns:dns UDP 10.96.0.53:53 -> 10.1.0.1:53 10.1.0.2:53';
const NEW_DNS = 'a/dns:dns UDP 10.96.0.53:53 -> 10.1.0.2:53 10.1.0.3:53';
const NEW_WEB = 'a/web:http TCP 10.96.0.80:80 -> 10.1.0.8:8080 10.1.0.9:8080';

const RESTRICTED = `a/dns:dns UDP ${LB_IP}:53 loadBalancer -> 10.1.0.1:53 10.1.0.2:53; only`;

const none: Change = () => {};
const old: Change = (world) => world.dns('10.1.0.1', '10.1.0.2');
const changed: Change = (world) => world.dns('10.1.0.2', '10.1.0.3');
const drains: Change = (world) => world.dns('10.1.0.1 terminating serving', '10.1.0.2', '10.1.0.3');
const gone: Change = (world) => world.cluster.remove('Service', 'a/dns');
const restricted =
  (...ranges: string[]): Change =>
  (world) =>
    world.restrictedDns(...ranges);

const refused = test.macro({
  async exec(
    t,
    step: string,
    isRefused: (attempt: Attempt) => boolean,
    [before, change]: readonly [Change, Change],
    [meanwhile, afterwards]: readonly [string[], string[]],
  ) {
    const world = new World();
    const { tables, reconciler } = world;
    before(world);
    world.web('10.1.0.9');
    t.deepEqual((await reconciler.reconcileChanges()).failures, []);
    tables.beforeWrite = (attempt) => (isRefused(attempt) ? ENOMEM : undefined);
    change(world);
    world.web('10.1.0.8', '10.1.0.9');
    const { failures } = await reconciler.reconcileChanges();
    t.deepEqual(
      failures.map((failure) => ({ ...failure, message: failure.message.includes('ENOMEM') })),
      [{ service: 'a/dns', step, message: true } as never],
    );
    t.deepEqual(reconciler.failures, failures);
    t.deepEqual(rowsOf(tables), [...meanwhile, NEW_WEB].sort());

    await world.retry();
    t.deepEqual(reconciler.failures, failures);
    t.deepEqual(rowsOf(tables), [...meanwhile, NEW_WEB].sort());

    tables.beforeWrite = () => undefined;
    await world.retry();
    t.deepEqual(reconciler.failures, []);
    t.is(reconciler.retryInMs, undefined);
    t.deepEqual(rowsOf(tables), [...afterwards, NEW_WEB].sort());
    await world.isTidy(t);
    t.deepEqual(await reconciler.audit(), { repairs: 0 });

    world.cluster.remove('Service', 'a/dns');
    world.cluster.remove('Service', 'a/web');
    await reconciler.reconcileChanges();
    t.deepEqual(entryCounts(tables), NO_ENTRIES);
    await world.isTidy(t);
  },
  title: (_, step) => `refused: ${step}`,
});

const on = (table: Attempt['table'], operation: Attempt['operation'], about: RegExp) => {
  return (attempt: Attempt) =>
    attempt.table === table &&
    attempt.operation === operation &&
    about.test(JSON.stringify(attempt.key));
};

test(refused, 'nameServicePort', on('servicePorts', 'put', /./), [none, changed], [[], [NEW_DNS]]);
test(
  refused,
  'addSourceRange',
  on('sourceRanges', 'put', /172\.16/),
  [old, restricted('10.0.0.0/8', '172.16.0.0/12')],
  [[OLD_DNS], [OLD_DNS, `${RESTRICTED} 10.0.0.0/8 172.16.0.0/12`]],
);
test(
  refused,
  'widenMember',
  on('members', 'put', /10\.1\.0\.3/),
  [old, changed],
  [[OLD_DNS], [NEW_DNS]],
);
test(
  refused,
  'publishFrontend',
  on('frontends', 'put', /10\.96\.0\.53/),
  [old, changed],
  [[OLD_DNS], [NEW_DNS]],
);
test(
  refused,
  'deleteFrontend',
  on('frontends', 'delete', /10\.96\.0\.53/),
  [old, gone],
  [[OLD_DNS], []],
);
test(
  refused,
  'narrowMember',
  on('members', 'put', /10\.1\.0\.1/),
  [old, drains],
  [[NEW_DNS], [NEW_DNS]],
);
test(
  refused,
  'removeMember',
  on('members', 'delete', /10\.1\.0\.1/),
  [old, changed],
  [[NEW_DNS], [NEW_DNS]],
);
test(
  refused,
  'removeSourceRange',
  on('sourceRanges', 'delete', /172\.16/),
  [restricted('10.0.0.0/8', '172.16.0.0/12'), restricted('10.0.0.0/8')],
  [
    [OLD_DNS, `${RESTRICTED} 10.0.0.0/8 172.16.0.0/12`],
    [OLD_DNS, `${RESTRICTED} 10.0.0.0/8`],
  ],
);
test(refused, 'forgetServicePort', on('servicePorts', 'delete', /1/), [old, gone], [[], []]);

test('refused: writeRun, in the middle of a run', async (t) => {
  const world = new World({ slots: 64 });
  const { tables, reconciler } = world;
  world.dns('10.1.0.1', '10.1.0.2');
  world.web('10.1.0.9');
  await reconciler.reconcileChanges();
  world.dns('10.1.0.2', '10.1.0.3');
  world.web('10.1.0.8', '10.1.0.9');
  // Slots 0-2 are in use; 3 and 4 are for a/dns.
  tables.beforeWrite = ({ table, key }) => (table === 'slots' && key === 4 ? ENOMEM : undefined);
  const { failures } = await reconciler.reconcileChanges();
  t.deepEqual(
    failures.map(({ service, step }) => [service, step]),
    [['a/dns', 'writeRun']],
  );
  t.deepEqual(rowsOf(tables), [OLD_DNS, NEW_WEB]);
  tables.beforeWrite = () => undefined;
  await world.retry();
  t.deepEqual(rowsOf(tables), [NEW_DNS, NEW_WEB]);
  await world.isTidy(t);
});

test('refused: growing the slots; what fits goes on', async (t) => {
  const world = new World({ slots: 4 });
  const { tables, reconciler } = world;
  world.dns('10.1.0.1', '10.1.0.2');
  world.web('10.1.0.9');
  await reconciler.reconcileChanges();
  tables.beforeWrite = ({ operation }) => (operation === 'grow' ? ENOMEM : undefined);
  world.web('10.1.0.8');
  world.dns('10.1.0.2', '10.1.0.3');
  const { failures } = await reconciler.reconcileChanges();
  t.deepEqual(
    failures.map(({ service, step }) => [service, step]),
    [['a/dns', 'growSlots']],
  );
  t.regex(failures[0]?.message ?? '', /^cannot grow the slots from 4 to \d+: .*ENOMEM/);
  const WEB = 'a/web:http TCP 10.96.0.80:80 -> 10.1.0.8:8080';
  t.deepEqual(rowsOf(tables), [OLD_DNS, WEB]);
  tables.beforeWrite = () => undefined;
  await world.retry();
  t.deepEqual(reconciler.failures, []);
  t.deepEqual(rowsOf(tables), [NEW_DNS, WEB]);
  await world.isTidy(t);
});

test('slots that cannot grow are used for all that fits them', async (t) => {
  const world = new World({ slots: 4 });
  const { tables, reconciler } = world;
  tables.beforeWrite = ({ operation }) => (operation === 'grow' ? ENOMEM : undefined);
  world.dns('10.1.0.1', '10.1.0.2', '10.1.0.3');
  await reconciler.reconcileChanges();
  world.web('10.1.0.1', '10.1.0.2');
  await reconciler.reconcileChanges();
  t.deepEqual(
    reconciler.failures.map(({ service }) => service),
    ['a/web'],
  );
  world.cluster.remove('Service', 'a/dns');
  await reconciler.reconcileChanges();
  await until('slots are given back', () => reconciler.slotsUsed === 0);
  await world.retry();
  t.deepEqual(reconciler.failures, []);
  t.deepEqual(rowsOf(tables), ['a/web:http TCP 10.96.0.80:80 -> 10.1.0.1:8080 10.1.0.2:8080']);
});

test('a full table names the Services that do not fit, and serves the others', async (t) => {
  // Each Service takes two: its clusterIP has other ports.
  const world = new World({ frontends: 4 });
  const { cluster, tables, reconciler } = world;
  for (const n of [1, 2, 3, 4]) {
    world.has(service(`a/s${n}`, [`10.96.0.${n}`], ['http/TCP:80']), [`10.1.0.${n}`]);
  }
  await reconciler.reconcileChanges();
  t.deepEqual(
    reconciler.failures.map(({ service, step }) => [service, step]),
    [
      ['a/s3', 'publishFrontend'],
      ['a/s4', 'publishFrontend'],
    ],
  );
  t.true(reconciler.failures.every(({ message }) => message.includes('E2BIG')));
  cluster.remove('Service', 'a/s1');
  await reconciler.reconcileChanges();
  await world.retry();
  t.deepEqual(rowsOf(tables), [
    'a/s2:http TCP 10.96.0.2:80 -> 10.1.0.2:8080',
    'a/s3:http TCP 10.96.0.3:80 -> 10.1.0.3:8080',
  ]);
  t.deepEqual(
    reconciler.failures.map(({ service }) => service),
    ['a/s4'],
  );
});

test('an address whose next owner cannot have it stays whole, and goes when nobody wants it', async (t) => {
  const world = new World();
  const { cluster, tables, reconciler } = world;
  world.has(service('a/dns', ['10.96.0.53'], ['dns/UDP:53'], '2026-01-01T00:00:00Z'), ['10.1.0.1']);
  await reconciler.reconcileChanges();
  cluster.upsertService('a/other', { spec: service('a/other', ['10.96.0.53'], ['x/UDP:53']) });
  await reconciler.reconcileChanges();
  tables.beforeWrite = ({ table, operation }) =>
    table === 'frontends' && operation === 'put' ? ENOMEM : undefined;
  cluster.remove('Service', 'a/dns');
  await reconciler.reconcileChanges();
  t.deepEqual(rowsOf(tables), ['a/dns:dns UDP 10.96.0.53:53 -> 10.1.0.1:53']);
  t.deepEqual(reconciler.failures.map(({ service, step }) => [service, step]).sort(), [
    ['a/dns', 'deleteFrontend'],
    ['a/other', 'publishFrontend'],
  ]);
  cluster.remove('Service', 'a/other');
  await reconciler.reconcileChanges();
  await world.retry();
  t.deepEqual(entryCounts(tables), NO_ENTRIES);
  t.deepEqual(reconciler.failures, []);
});
