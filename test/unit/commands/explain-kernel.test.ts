// SPDX-License-Identifier: Apache-2.0
// What the tables make of a connection: the same as explain says, in whatever cluster, as long as nobody
// else has touched them; and what is told when somebody has.

import test from 'ava';
import fc from 'fast-check';
import { answerOf } from '../../../agent/commands/explain-answer.ts';
import { compareWithKernel, kernelDecision } from '../../../agent/commands/explain-kernel.ts';
import { parseQueryLine } from '../../../agent/commands/explain-query.ts';
import { type IpAddress, parsePrefix, unspecifiedAddress } from '../../../agent/model/address.ts';
import { ClusterState } from '../../../agent/model/cluster-state.ts';
import { Explainer } from '../../../agent/model/explain.ts';
import type { NodeFacts, NodePortAddresses } from '../../../agent/model/node-facts.ts';
import type { EndpointSliceSpec, ServiceSpec } from '../../../agent/model/objects.ts';
import { DEFAULT_MASQUERADE_PORTS } from '../../../agent/model/port-ranges.ts';
import { frontendEntryKey } from '../../../agent/reconcile/entries.ts';
import { nodeStateOf } from '../../../agent/reconcile/node-tables.ts';
import { Reconciler } from '../../../agent/reconcile/reconciler.ts';
import { FrontendFlags } from '../../../agent/sys/layout.gen.ts';
import { FakeTables } from '../../helpers/fake-tables.ts';
import { address, frontend, keyOf, service, slice } from '../../helpers/objects.ts';
import { changes, clusterAfter, nodes } from '../../helpers/random-cluster.ts';
import { lookupsIn } from '../../helpers/table-lookups.ts';

const prefixes = (...texts: string[]) => texts.flatMap((text) => parsePrefix(text) ?? []);
const addresses = (...texts: string[]) => texts.map(address);

async function tablesOf(cluster: ClusterState, facts: NodeFacts): Promise<FakeTables> {
  const tables = new FakeTables();
  const view = { traits: facts, state: nodeStateOf(facts, cluster.foreignAddresses, 1n) };
  const silent = { passed() {}, audited() {} };
  await new Reconciler(cluster, tables, silent, () => view).reconcileAll();
  return tables;
}

const facts = fc
  .record({
    node: nodes.map((node) => node().traits),
    nodePortAddresses: fc.constantFrom<NodePortAddresses>(
      [],
      [],
      'primary',
      prefixes('172.17.0.0/16'),
      prefixes('127.0.0.0/8'),
    ),
    clusterCIDRs: fc.constantFrom(prefixes(), prefixes('10.244.0.0/24', 'fd01::/64')),
    serviceCIDRs: fc.constantFrom(prefixes(), prefixes('10.96.0.0/12', 'fd00::/64')),
    masqueradeAll: fc.boolean(),
    masqueradePorts: fc.constant(DEFAULT_MASQUERADE_PORTS),
  })
  .map(
    ({ node, ...more }): NodeFacts => ({
      ...node,
      ...more,
      localAddresses: new Set([...node.nodeIPs, ...addresses('172.17.0.1')]),
    }),
  );

const DIALLED = ['10.96.0.1', '10.96.0.2', '[fd00::1]', '192.0.2.1', '192.0.2.2', '10.1.1.1'];
const SELDOM_DIALLED = ['10.96.0.3', '192.0.2.3', '172.17.0.1', '172.16.0.1', '[fd00::9]'];
const LOOPBACK = ['127.0.0.1', '[::1]', '0.0.0.0'];

const query = fc
  .record({
    from: fc.constantFrom('host', 'external', '10.244.0.1', '10.244.0.9', '172.16.3.3', 'fd01::1'),
    protocol: fc.constantFrom('tcp', 'tcp', 'udp'),
    to: fc.constantFrom(...DIALLED, ...DIALLED, ...DIALLED, ...SELDOM_DIALLED, ...LOOPBACK),
    port: fc.constantFrom(80, 80, 80, 53, 53, 81, 30080, 30081),
  })
  .map(({ from, protocol, to, port }) => `${from} ${protocol}/${to}:${port}`);

test('the tables say what explain says', async (t) => {
  const verdicts = new Map<string, number>();
  await fc.assert(
    fc.asyncProperty(
      fc.array(changes, { minLength: 8, maxLength: 20 }),
      facts,
      fc.array(query, { minLength: 100, maxLength: 100 }),
      async (history, node, queries) => {
        const cluster = clusterAfter([history]);
        const tables = lookupsIn(await tablesOf(cluster, node));
        const explainer = new Explainer(cluster, node);
        for (const line of queries) {
          const asked = parseQueryLine(line);
          const answer = answerOf(explainer.explain(asked), node);
          const decision = kernelDecision(tables, asked, answer.origin);
          t.deepEqual(compareWithKernel(answer, decision).differences, [], line);
          verdicts.set(answer.verdict, (verdicts.get(answer.verdict) ?? 0) + 1);
        }
      },
    ),
    { includeErrorInReport: true, numRuns: 300 },
  );
  t.log(Object.fromEntries(verdicts));
  for (const verdict of ['forward', 'reject', 'drop', 'pass']) {
    t.true((verdicts.get(verdict) ?? 0) >= 100, verdict);
  }
});

const NODE: NodeFacts = {
  name: 'node-1',
  zone: '',
  nodeIPs: addresses('192.168.0.1'),
  localAddresses: new Set(addresses('192.168.0.1')),
  nodePortAddresses: [],
  clusterCIDRs: prefixes('10.244.0.0/16'),
  serviceCIDRs: prefixes('10.96.0.0/12'),
  masqueradeAll: false,
  masqueradePorts: DEFAULT_MASQUERADE_PORTS,
};

/** Tables for one Service; then somebody else's hand; then what is told. */
const tells = test.macro({
  async exec(
    t,
    asked: string,
    spoil: (tables: FakeTables) => void,
    differences: readonly string[],
    more: Partial<ServiceSpec> = {},
    slices: readonly EndpointSliceSpec[] = [
      slice('default/web-1', 'web', ['http/TCP:8080'], ['10.244.1.1', '10.244.1.2']),
    ],
  ) {
    const cluster = new ClusterState();
    const spec = service('default/web', ['10.96.0.1'], ['http/TCP:80 30080'], undefined, more);
    cluster.upsertService(keyOf(spec), { spec });
    for (const spec of slices) cluster.upsertEndpointSlice(keyOf(spec), { spec });
    const tables = await tablesOf(cluster, NODE);
    const answer = answerOf(new Explainer(cluster, NODE).explain(parseQueryLine(asked)), NODE);
    const compare = () =>
      compareWithKernel(
        answer,
        kernelDecision(lookupsIn(tables), parseQueryLine(asked), answer.origin),
      );
    t.deepEqual([compare().agrees, compare().differences], [true, []]);
    spoil(tables);
    t.deepEqual([compare().agrees, compare().differences], [false, differences]);
  },
  title: (title = '') => `told: ${title}`,
});

test('no program acts on SCTP of sockets', async (t) => {
  const cluster = new ClusterState();
  const spec = service('default/web', ['10.96.0.1'], ['http/TCP:80', 'assoc/SCTP:80']);
  cluster.upsertService(keyOf(spec), { spec });
  const tables = lookupsIn(await tablesOf(cluster, NODE));
  const acts = (asked: string) => {
    const answer = answerOf(new Explainer(cluster, NODE).explain(parseQueryLine(asked)), NODE);
    const decision = kernelDecision(tables, parseQueryLine(asked), answer.origin);
    return compareWithKernel(answer, decision).hasProgram;
  };
  t.true(acts('host tcp/10.96.0.1:80'));
  t.true(acts('external tcp/10.96.0.1:80'));
  t.true(acts('external sctp/10.96.0.1:80'));
  t.false(acts('host sctp/10.96.0.1:80'));
  t.true(acts('external tcp/192.0.2.99:80'), 'what is left alone needs none');
});

const CLUSTER_IP = frontendEntryKey(frontend('10.96.0.1:80/TCP'));
const ASKED = 'host tcp/10.96.0.1:80';
const change =
  (values: object) =>
  ({ frontends }: FakeTables) => {
    const value = frontends.get(CLUSTER_IP);
    if (value) frontends.put([[CLUSTER_IP, { ...value, ...values }]]);
  };

test('a frontend is gone', tells, ASKED, ({ frontends }) => void frontends.delete([CLUSTER_IP]), [
  'its verdict is reject, not forward',
  'its kind is otherPorts, not clusterIP',
  'it lacks the backend 10.244.1.1:8080',
  'it lacks the backend 10.244.1.2:8080',
]);
test(
  'a backend is another',
  tells,
  ASKED,
  ({ frontends, slots }) => {
    const first = frontends.get(CLUSTER_IP)?.inside.first ?? 0;
    slots.write([[first, { address: address('10.244.9.9'), port: 9 }]]);
  },
  ['it lacks the backend 10.244.1.1:8080', 'it has the backend 10.244.9.9:9 too'],
);
test(
  'outside clients have their own run',
  tells,
  'external tcp/10.96.0.1:80',
  change({ outside: { first: 0, count: 0 } }),
  [
    'its verdict is reject, not forward',
    'it lacks the backend 10.244.1.1:8080',
    'it lacks the backend 10.244.1.2:8080',
  ],
);
test('affinity', tells, ASKED, change({ affinityTimeoutSeconds: 9 }), [
  'its affinity time-out is 9, not 0',
]);
test('balancing', tells, ASKED, change({ flags: FrontendFlags.MAGLEV }), [
  'its balancing is maglev, not random',
]);
test(
  'a table in place of backends by themselves',
  tells,
  ASKED,
  ({ frontends, slots }) => {
    const { first = 0, count = 0 } = frontends.get(CLUSTER_IP)?.inside ?? {};
    const one = slots.at(first);
    if (one) slots.write([[first + count, one]]);
    change({ inside: { first, count: count + 1 } })({ frontends } as FakeTables);
  },
  ['its number of slots is 3, not 2'],
);
test(
  'the name of the Service',
  tells,
  ASKED,
  ({ servicePorts }) => void servicePorts.delete(servicePorts.entries().map(([id]) => id)),
  ['its Service is none, not default/web'],
);
test(
  'an address of the node',
  tells,
  'external tcp/192.168.0.1:30080',
  ({ nodePortAddresses }) => void nodePortAddresses.delete([{ address: address('192.168.0.1') }]),
  [
    'its verdict is pass, not forward',
    'its Service is none, not default/web',
    'its kind is none, not nodePort',
    'it lacks the backend 10.244.1.1:8080',
    'it lacks the backend 10.244.1.2:8080',
  ],
);
test(
  'a ServiceCIDR',
  tells,
  'host tcp/10.96.0.9:80',
  ({ serviceCidrs }) => void serviceCidrs.delete(serviceCidrs.entries().map(([key]) => key)),
  ['its verdict is pass, not drop'],
);
test(
  'the node’s address, by which source ranges judge it',
  tells,
  'host tcp/192.0.2.9:80',
  ({ nodes: table }) => {
    const [[index, node] = []] = table.entries();
    if (index !== undefined && node) {
      table.put([[index, { ...node, ipv4: unspecifiedAddress('IPv4') as IpAddress }]]);
    }
  },
  [
    'its verdict is drop, not forward',
    'it lacks the backend 10.244.1.1:8080',
    'it lacks the backend 10.244.1.2:8080',
  ],
  {
    loadBalancerIPs: addresses('192.0.2.9'),
    loadBalancerSourceRanges: prefixes('192.168.0.0/16'),
  },
);
test(
  'many backends are counted',
  tells,
  ASKED,
  change({ inside: { first: 0, count: 0 } }),
  [
    'its verdict is reject, not forward',
    ...[1, 2, 3, 4, 5].map((i) => `it lacks the backend 10.244.1.${i}:8080`),
    'and 2 more like that',
  ],
  {},
  [
    slice(
      'default/web-1',
      'web',
      ['http/TCP:8080'],
      [1, 2, 3, 4, 5, 6, 7].map((i) => `10.244.1.${i}`),
    ),
  ],
);
