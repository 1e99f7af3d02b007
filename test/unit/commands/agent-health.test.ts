// SPDX-License-Identifier: Apache-2.0
// The agent's health as a kubelet and a load balancer are told of it, while tables refuse one Service, or all.

import { once } from 'node:events';
import net from 'node:net';
import test, { type ExecutionContext } from 'ava';
import { AgentHealth } from '../../../agent/commands/agent-health.ts';
import { ClusterState } from '../../../agent/model/cluster-state.ts';
import { type NodeFacts, nodeFacts } from '../../../agent/model/node-facts.ts';
import type { ObjectKey } from '../../../agent/model/objects.ts';
import { DEFAULT_MASQUERADE_PORTS } from '../../../agent/model/port-ranges.ts';
import { runLoop } from '../../../agent/reconcile/loop.ts';
import { Reconciler } from '../../../agent/reconcile/reconciler.ts';
import { Wakeup } from '../../../agent/reconcile/wakeup.ts';
import type { FrontendKey } from '../../../agent/sys/layout.gen.ts';
import { ENOMEM, FakeTables } from '../../helpers/fake-tables.ts';
import { address, prefixes, service, slice } from '../../helpers/objects.ts';
import { until } from '../../lab/until.ts';
import { recordLog } from '../cluster/recorded-log.ts';

const NEVER_MS = 2 ** 30;
/** Of a change that is not programmed. */
const LIMIT_MS = 100;
const NODE = 'node-1';
const WEB: ObjectKey = 'a/web';
const QUIZ: ObjectKey = 'a/quiz';
const ADDRESSES: Readonly<Record<ObjectKey, string>> = { [WEB]: '10.96.0.1', [QUIZ]: '10.96.0.2' };
const CONFIG = {
  nodeName: NODE,
  nodeIPs: [],
  clusterCIDRs: [],
  serviceCIDRs: [],
  nodePortAddresses: prefixes('127.0.0.0/8'),
  masqueradeAll: false,
  masqueradePorts: DEFAULT_MASQUERADE_PORTS,
};

async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, '0.0.0.0');
  await once(server, 'listening');
  const { port } = server.address() as net.AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** An agent's core with two Services in its tables. */
async function start(t: ExecutionContext) {
  const [port, checkPort] = [await freePort(), await freePort()];
  const changed = new Wakeup();
  const cluster = new ClusterState(() => {
    changed.ring();
    health.queued();
  });
  const events: string[] = [];
  const tell = (reason: string, note: string) => void events.push(`${reason}: ${note}`);
  const health = new AgentHealth({
    config: {
      healthz: { host: '127.0.0.1', port },
      bindAddressHardFail: false,
      syncPeriodMs: LIMIT_MS / 2,
      node: CONFIG,
    },
    cluster,
    node: (): NodeFacts => nodeFacts(CONFIG, cluster.node, [], []),
    isToldOfNodes: () => true,
    isBeside: () => false,
    notReady: () => undefined,
    recorder: { warn: (_, reason, note) => tell(reason, note), tellOfNode: tell },
    onFatal: (error) => t.fail(error.message),
    log: recordLog().log,
  });
  const tables = new FakeTables();
  const reconciler = new Reconciler(
    cluster,
    tables,
    { passed: (pass) => health.passed(pass), audited: () => {} },
    () => ({ traits: { name: NODE, zone: '', nodeIPs: [] }, state: undefined }),
  );
  health.watch(reconciler);
  health.start();
  const stop = new AbortController();
  const ended = runLoop({
    cluster,
    reconciler,
    changed,
    auditEveryMs: NEVER_MS,
    progress: health,
    onComplete: async () => health.ready(),
    signal: stop.signal,
  });
  t.teardown(async () => {
    stop.abort();
    health.close();
    await ended;
  });
  const change = (key: ObjectKey, backend: string) => {
    const name = key.slice(2);
    const endpoints = [`${backend} on:${NODE}`];
    cluster.upsertEndpointSlice(`${key}-1` as ObjectKey, {
      spec: slice(`${key}-1` as ObjectKey, name, ['TCP:8080'], endpoints),
    });
  };
  for (const key of [WEB, QUIZ]) {
    const more = key === QUIZ ? { healthCheckNodePort: checkPort } : {};
    cluster.upsertService(key, {
      spec: service(key, [ADDRESSES[key] ?? ''], ['TCP:80'], undefined, more),
    });
    change(key, '10.1.0.1');
  }
  cluster.listed('Service', new Set([WEB, QUIZ]));
  cluster.listed('EndpointSlice', new Set([`${WEB}-1`, `${QUIZ}-1`]));
  cluster.upsertNode(NODE, { spec: { name: NODE, addresses: [], podCIDRs: [] } });
  cluster.listed('Node', new Set([NODE]));
  cluster.listed('ServiceCIDR', new Set());
  await until('the first pass', () => events.length > 0);
  const code = async (path: string, at = port) =>
    (await fetch(`http://127.0.0.1:${at}${path}`)).status;
  const codes = async () => [
    await code('/healthz'),
    await code('/livez'),
    await code('/', checkPort),
  ];
  return { tables, events, change, codes, code };
}

/** What refuses the frontends of these Services. */
function refuse(tables: FakeTables, ...keys: readonly ObjectKey[]): void {
  const refused = keys.map((key) => address(ADDRESSES[key] ?? ''));
  tables.beforeWrite = ({ table, key }) =>
    table === 'frontends' && refused.includes((key as FrontendKey).address) ? ENOMEM : undefined;
}

const GOOD = [200, 200, 200];

test('one Service that the tables refuse: an Event, and the node stays where it is', async (t) => {
  const { tables, events, change, codes } = await start(t);
  t.regex(events[0] ?? '', /^Starting: signalbox .* serves 2 Services$/);
  t.deepEqual(await codes(), GOOD);
  refuse(tables, WEB);
  change(WEB, '10.1.0.2');
  await until('the Event', () => events.some((event) => event.startsWith('FailedToProgram: ')));
  await new Promise((resolve) => setTimeout(resolve, 2 * LIMIT_MS));
  t.deepEqual(await codes(), GOOD);
});

test('every Service is refused: unhealthy in the end, and healthy as soon as they are taken', async (t) => {
  const { tables, change, codes, code } = await start(t);
  refuse(tables, WEB, QUIZ);
  change(WEB, '10.1.0.2');
  change(QUIZ, '10.1.0.2');
  await until('it is stuck', async () => (await code('/livez')) === 503);
  t.deepEqual(await codes(), [503, 503, 503]);
  refuse(tables);
  await until('it is well again', async () => (await code('/livez')) === 200);
  t.deepEqual(await codes(), GOOD);
});
