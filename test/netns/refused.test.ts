// SPDX-License-Identifier: Apache-2.0
// The kernel says no to an agent at work: to each table's writes and reads, to growing and to settling. What is refused is
// told, tried again, and right in the end; others change meanwhile, and clients notice nothing.

import test, { type ExecutionContext } from 'ava';
import { fetchStatus } from '../../agent/telemetry/status-socket.ts';
import { FaultOrders } from '../faults/fault-orders.ts';
import { faultTest } from '../faults/fault-test.ts';
import { lookAtPins } from '../faults/pinned-look.ts';
import { until } from '../lab/until.ts';
import { bothProtocols, kubeService, targetAt } from './kube-service.ts';
import { canMakeNodes, nodeForFile } from './node-for-file.ts';
import { SocketProbe } from './socket-probe.ts';
import { startBackends } from './start-backends.ts';

const WEB = '10.96.0.1';
const WEB_BACKENDS = ['10.244.1.1', '10.244.1.2'];
/** The Service that suffers. Whatever is written of it has this in it, but for what is deleted by its id. */
const VICTIM = 'default/victim';
const VICTIM_BYTES = ['0a60004d', '0af44d', '4d4d4d', Buffer.from('victim').toString('hex')];

let orders: FaultOrders;
let round = 0;

const node = nodeForFile(test, async (made) => {
  await startBackends(made);
  orders = new FaultOrders(made.directory);
  made.agent.env = orders.env;
  made.agent.flags = [
    ...['--service-cidr', '10.96.0.0/16'],
    // Audits, and what was refused, come soon.
    ...['--config-sync-period', '300ms', '--iptables-min-sync-period', '0s'],
    ...['--iptables-sync-period', '200ms'],
  ];
  made.write('web', kubeService('web', [WEB], bothProtocols(80, WEB_BACKENDS)));
  change();
  await made.agent.start();
});

/** Everything of two Services but their addresses: each table is written, and deleted from. */
function change(): void {
  round++;
  const port = 80 + (round % 2);
  const service = (name: string, net: number) =>
    kubeService(
      name,
      [`10.96.0.${net}`],
      bothProtocols(port, [`10.244.${net}.${1 + (round % 2)}`]),
      {
        spec: {
          type: 'LoadBalancer',
          sessionAffinity: 'ClientIP',
          loadBalancerSourceRanges: [`${net}.${net}.${net}.${128 * (round % 2)}/25`],
        },
        ingress: [`203.0.113.${net}`],
      },
    );
  node().write('changing', [...service('victim', 77), ...service('other', 78)]);
}

/** What the tables say of a Service, and what they are to say after the last {@link change}. */
function rowsOf(name: string): string[] {
  return [...lookAtPins(node().bpffs).rows.values()].filter((row) =>
    row.startsWith(`default/${name}:`),
  );
}

function isAsChanged(name: string): boolean {
  const rows = rowsOf(name);
  const [port, net] = [80 + (round % 2), name === 'victim' ? 77 : 78];
  // TCP and UDP, of the clusterIP and the load balancer's address.
  return (
    rows.length === 4 &&
    rows.every((row) => row.includes(`:${port} `) || row.includes(`:${port};`)) &&
    rows.every((row) => row.includes(targetAt(`10.244.${net}.${1 + (round % 2)}`)))
  );
}

async function status() {
  return until('the agent answers', () => fetchStatus(node().bpffs));
}

async function problems(): Promise<readonly string[]> {
  return (await status()).problems;
}

async function becomesWell(): Promise<void> {
  orders.give();
  await until('nothing is wrong', async () => (await problems()).length === 0, 30_000);
}

interface Case {
  readonly order: string;
  readonly errno: string;
  /** Whether the other Service has to wait, too. */
  readonly isWhole?: boolean;
}

const PUT = ['service_ports', 'source_ranges', 'members', 'slot_array', 'frontends'];
const DELETED = ['frontends', 'members', 'source_ranges'];

/** The bytes by which the victim is known in entries of a table. */
const MARKS: Readonly<Record<string, string | undefined>> = {
  service_ports: VICTIM_BYTES[3],
  source_ranges: VICTIM_BYTES[2],
  members: VICTIM_BYTES[1],
  slot_array: VICTIM_BYTES[1],
  frontends: VICTIM_BYTES[0],
};

const CASES: readonly Case[] = [
  ...PUT.flatMap((table) => [
    ...['E2BIG', 'ENOSPC', 'ENOENT', 'ENOMEM'].map((errno) => ({
      order: `errno=${errno}@mapUpdateBatch:${table},holding=${MARKS[table]}`,
      errno,
    })),
    ...['EPERM', 'EINTR'].map((errno) => ({
      order: `errno=${errno}@mapUpdateBatch:${table}`,
      errno,
      isWhole: true,
    })),
  ]),
  ...DELETED.flatMap((table) => [
    { order: `errno=ENOMEM@mapDeleteBatch:${table},holding=${MARKS[table]}`, errno: 'ENOMEM' },
    { order: `errno=EPERM@mapDeleteBatch:${table}`, errno: 'EPERM', isWhole: true },
  ]),
  { order: 'errno=EPERM@mapDeleteBatch:service_ports', errno: 'EPERM', isWhole: true },
];

/** Clients, while `body` runs. @returns how many connections they made; none fails. */
async function underLoad(t: ExecutionContext, body: () => Promise<void>): Promise<number> {
  const probe = await SocketProbe.start(node());
  const load = probe.repeat(
    (['tcp', 'udp', 'sendto', 'kept'] as const).map((kind) => ({ kind, address: WEB, port: 80 })),
    { timeoutMs: 30_000, pauseUs: 500 },
  );
  await body();
  probe.stop();
  const attempts = await load;
  const backends = WEB_BACKENDS.map(targetAt);
  t.deepEqual(
    attempts.filter(({ landed }) => !backends.includes(landed)),
    [],
  );
  return attempts.length;
}

faultTest(test, 'refused-write', async (t, report) => {
  if (!canMakeNodes(t)) return;
  let repairMs = 0;
  const attempts = await underLoad(t, async () => {
    for (const { order, errno, isWhole = false } of CASES) {
      orders.give(order);
      change();
      await until(`it is told: ${order}`, async () => {
        const { failures } = await status();
        return failures.some(({ service, message }) => {
          return service === VICTIM && message.includes(errno);
        });
      });
      const told = await problems();
      t.true(told.some((problem) => problem.includes(`Service ${VICTIM} is not programmed`)));
      t.deepEqual(lookAtPins(node().bpffs).broken, [], order);
      if (!isWhole) {
        t.false(
          told.some((problem) => problem.includes('default/other')),
          order,
        );
        await until(`the other one changes: ${order}`, () => isAsChanged('other'));
      }
      const endedMs = performance.now();
      await becomesWell();
      repairMs = Math.max(repairMs, performance.now() - endedMs);
      t.true(isAsChanged('victim') && isAsChanged('other'), order);
      t.deepEqual(lookAtPins(node().bpffs).broken, [], order);
    }
  });
  report({ injections: CASES.length, attempts, failed: 0, repairMs: Math.round(repairMs) });
});

faultTest(
  test,
  'refused-write',
  async (t, report) => {
    if (!canMakeNodes(t)) return;
    const tables = ['nodes', 'node_port_addresses', 'served_networks'];
    const refusals = tables.map((table) => `errno=ENOSPC@mapUpdateBatch:${table}`);
    orders.give(...refusals);
    await node().configure('addr add 10.0.9.1/32 dev lo', 'addr add 10.0.9.2/32 dev lo');
    // In a network that nothing else is served in.
    const far = '100.64.9.1';
    node().write('far', kubeService('far', [far], bothProtocols(80, WEB_BACKENDS)));
    const isTold = async () => {
      const told = await problems();
      return (
        told.some((problem) => problem.startsWith('node tables: ')) &&
        told.some((problem) => problem.includes('Service default/far is not programmed'))
      );
    };
    t.true(await until('it is told', isTold));
    change();
    await until('others change', () => isAsChanged('victim') && isAsChanged('other'));
    await becomesWell();
    const found = lookAtPins(node().bpffs);
    t.deepEqual(found.broken, []);
    t.true([...found.rows.keys()].some((dialled) => dialled.includes(far)));
    node().remove('far');
    report({ injections: refusals.length });
  },
  'the node’s own tables, and those of networks',
);

const READ = [...PUT, 'served_networks', 'nodes', 'node_port_addresses', 'service_cidrs'];

faultTest(test, 'refused-read', async (t, report) => {
  if (!canMakeNodes(t)) return;
  const { pid } = await status();
  const refusals = [
    ...READ.map((table) => `errno=ENOMEM@mapLookupBatch:${table}`),
    'errno=EPERM@mapLookupBatch:members',
    'errno=EINTR@mapLookupBatch:members',
  ];
  const attempts = await underLoad(t, async () => {
    for (const order of refusals) {
      const [, table = ''] = /:(\w+)$/.exec(order) ?? [];
      orders.give(order);
      await until(`it is told: ${order}`, async () =>
        (await problems()).some(
          (problem) => problem.includes(`read map`) && problem.includes(table),
        ),
      );
      change();
      await until(`what changes is written: ${order}`, () => {
        return isAsChanged('victim') && isAsChanged('other');
      });
      await becomesWell();
    }
    // All at once, whoever reads.
    orders.give(
      ...['mapLookupBatch', 'mapLookup', 'objectInfo', 'objectGet', 'mapFdById'].map(
        (call) => `errno=ENOMEM@${call}`,
      ),
    );
    await until('it is told', async () =>
      (await problems()).some((problem) => problem.includes('read map')),
    );
    await new Promise((resolve) => setTimeout(resolve, 2000));
    await becomesWell();
    change();
    await until('it goes on', () => isAsChanged('victim') && isAsChanged('other'));
  });
  t.is((await status()).pid, pid);
  t.false(node().agent.hasEnded);
  report({ injections: refusals.length + 1, attempts, failed: 0 });
});

/** More than the slots have room for, each time. */
const MANY = Array.from({ length: 5000 }, (_, i) => `10.244.${100 + (i >> 8)}.${i & 255}`);

faultTest(test, 'refused-growth', async (t, report) => {
  if (!canMakeNodes(t)) return;
  const large = (backends: readonly string[]) =>
    kubeService('large', ['10.96.0.99'], [{ protocol: 'TCP', port: 80, backends }]);
  const { capacity } = lookAtPins(node().bpffs);
  const cases = ['ENOMEM@mapCreate:slot_array', 'EPERM@mapUpdateAsync:slots'];
  const attempts = await underLoad(t, async () => {
    for (const refusal of cases) {
      orders.give(`errno=${refusal}`);
      node().write('large', large(MANY));
      await until(`it is told: ${refusal}`, async () =>
        (await status()).failures.some(({ service, message }) => {
          return service === 'default/large' && message.includes('cannot grow the slots');
        }),
      );
      change();
      await until('others change', () => isAsChanged('victim') && isAsChanged('other'));
      t.deepEqual(lookAtPins(node().bpffs).broken, []);
      t.is(lookAtPins(node().bpffs).capacity, capacity);
      node().write('large', large([]));
      await becomesWell();
    }
    node().write('large', large(MANY));
    await until('it has grown', () => rowsOf('large').some((row) => row.includes(`${MANY[0]}`)));
    t.true(lookAtPins(node().bpffs).capacity > capacity);

    // The kernel does not say when slots are free again.
    orders.give('errno=EINTR@mapUpdateAsync:slots');
    const isTold = async () => {
      change();
      await until('the change is written', () => isAsChanged('victim') && isAsChanged('other'));
      t.deepEqual(lookAtPins(node().bpffs).broken, []);
      return (await problems()).some((problem) => problem.includes('cannot be given back'));
    };
    t.true(await until('it is told', isTold, 20_000));
    await becomesWell();
  });
  report({ injections: cases.length + 1, attempts, failed: 0 });
});
