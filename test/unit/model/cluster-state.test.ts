// SPDX-License-Identifier: Apache-2.0
// The state of the cluster: what is held, what is dirty, what is reported, and when it is complete. What is said
// of the node makes Services dirty only as far as it decides something about them.

import test from 'ava';
import {
  ClusterState,
  type ObjectSink,
  WATCHED_KINDS,
} from '../../../agent/model/cluster-state.ts';
import type { NodeSpec, ObjectKey, ServiceCidrSpec } from '../../../agent/model/objects.ts';
import {
  address,
  prefix,
  service as serviceSpec,
  slice as sliceSpec,
} from '../../helpers/objects.ts';

const QUIZ: ObjectKey = 'kiada/quiz';

const service = (clusterIP = '10.96.0.1') => serviceSpec(QUIZ, [clusterIP], ['TCP:80']);
const slice = (name: string, endpoint: string, serviceName = 'quiz') =>
  sliceSpec(`kiada/${name}`, serviceName, ['TCP:8080'], [endpoint]);

function node(fields: Partial<NodeSpec> = {}): NodeSpec {
  return {
    name: 'node-1',
    zone: 'zone-a',
    addresses: [address('192.0.2.1')],
    podCIDRs: [prefix('10.244.1.0/24')],
    ...fields,
  };
}

function serviceCidr(name: string, cidr: string): ServiceCidrSpec {
  return { name, cidrs: [prefix(cidr)] };
}

const addresses = (state: ClusterState, key: ObjectKey = QUIZ) =>
  state.endpointSlices(key).map(({ endpoints }) => endpoints[0]?.address as string);

/** A state in which one Service with one slice, the node, and a range of Services are already dealt with. */
function settled(): ClusterState {
  const state = new ClusterState();
  state.upsertNode('node-1', { spec: node() });
  state.upsertServiceCidr('kubernetes', { spec: serviceCidr('kubernetes', '10.96.0.0/16') });
  state.upsertService(QUIZ, { spec: service() });
  state.upsertEndpointSlice('kiada/quiz-1', { spec: slice('quiz-1', '10.244.0.1') });
  state.takeDirty();
  return state;
}

const dirties = test.macro({
  exec(t, act: (sink: ObjectSink) => void, expected: ObjectKey[]) {
    const state = settled();
    act(state);
    t.deepEqual([...state.takeDirty()], expected);
    t.deepEqual([...state.takeDirty()], []);
  },
  title: (what) => `what is dirty after: ${what}`,
});
test(
  'a Service that changed',
  dirties,
  (s) => s.upsertService(QUIZ, { spec: service('10.96.0.2') }),
  [QUIZ],
);
test('a Service that is the same', dirties, (s) => s.upsertService(QUIZ, { spec: service() }), []);
test('a Service that is gone', dirties, (s) => s.remove('Service', QUIZ), [QUIZ]);
test('a Service that never was', dirties, (s) => s.remove('Service', 'kiada/x'), []);
test('a Service now ignored', dirties, (s) => s.upsertService(QUIZ, { ignored: 'headless' }), [
  QUIZ,
]);
test('a Service always ignored', dirties, (s) => s.upsertService('kiada/x', { ignored: 'x' }), []);
test('a Service now invalid', dirties, (s) => s.upsertService(QUIZ, { invalid: 'x' }), []);
test(
  'a slice that changed',
  dirties,
  (s) => s.upsertEndpointSlice('kiada/quiz-1', { spec: slice('quiz-1', '10.244.0.2') }),
  [QUIZ],
);
test(
  'a slice that is the same',
  dirties,
  (s) => s.upsertEndpointSlice('kiada/quiz-1', { spec: slice('quiz-1', '10.244.0.1') }),
  [],
);
test(
  'a slice that changed hands',
  dirties,
  (s) => s.upsertEndpointSlice('kiada/quiz-1', { spec: slice('quiz-1', '10.244.0.1', 'quote') }),
  [QUIZ, 'kiada/quote'],
);
test('a slice that is gone', dirties, (s) => s.remove('EndpointSlice', 'kiada/quiz-1'), [QUIZ]);
test(
  'a slice now ignored',
  dirties,
  (s) => s.upsertEndpointSlice('kiada/quiz-1', { ignored: 'headless' }),
  [QUIZ],
);
test(
  'a slice always ignored',
  dirties,
  (s) => s.upsertEndpointSlice('kiada/x', { ignored: 'headless' }),
  [],
);

const ZONE_B: NodeSpec = node({ zone: 'zone-b' });
for (const [what, spec] of [
  ['a zone', ZONE_B],
  ['no zone', { name: 'node-1', addresses: node().addresses, podCIDRs: node().podCIDRs }],
  ['an address', node({ addresses: [address('192.0.2.2')] })],
  ['no addresses', node({ addresses: [] })],
  ['a name', node({ name: 'node-2' })],
] as const) {
  test(`the node: ${what}`, dirties, (s) => s.upsertNode(spec.name, { spec }), [QUIZ]);
}
test('the node that is gone', dirties, (s) => s.remove('Node', 'node-1'), [QUIZ]);
test('the node that is ignored', dirties, (s) => s.upsertNode('node-1', { ignored: 'x' }), [QUIZ]);
test('the node that is no longer listed', dirties, (s) => s.listed('Node', new Set()), [QUIZ]);
test('the node that is the same', dirties, (s) => s.upsertNode('node-1', { spec: node() }), []);
test('the node that is invalid', dirties, (s) => s.upsertNode('node-1', { invalid: 'x' }), []);
test('another node that is gone', dirties, (s) => s.remove('Node', 'node-2'), []);
test('another node ignored', dirties, (s) => s.upsertNode('node-2', { ignored: 'x' }), []);
test(
  "the node's podCIDRs",
  dirties,
  (s) => s.upsertNode('node-1', { spec: node({ podCIDRs: [] }) }),
  [],
);
test(
  'the ranges of Services',
  dirties,
  (s) => s.upsertServiceCidr('kubernetes', { spec: serviceCidr('kubernetes', '10.97.0.0/16') }),
  [],
);

test('every Service is dirty when the node changes, and those that come later are as ever', (t) => {
  const state = settled();
  state.upsertService('kiada/quote', { spec: { ...service('10.96.0.2'), name: 'quote' } });
  state.takeDirty();
  state.upsertNode('node-1', { spec: ZONE_B });
  t.deepEqual(state.node, ZONE_B);
  t.deepEqual([...state.takeDirty()], [QUIZ, 'kiada/quote']);
});

const revises = test.macro({
  exec(t, act: (sink: ObjectSink) => void, expected: boolean) {
    let rings = 0;
    const state = new ClusterState(() => rings++);
    state.upsertNode('node-1', { spec: node() });
    state.upsertServiceCidr('kubernetes', { spec: serviceCidr('kubernetes', '10.96.0.0/16') });
    const revision = state.nodeRevision;
    rings = 0;
    act(state);
    t.is(state.nodeRevision > revision, expected);
    t.is(rings > 0, expected);
  },
  title: (what, _, expected) => `the node's revision ${expected ? 'grows' : 'stays'}: ${what}`,
});
const range = (cidr: string) => ({ spec: serviceCidr('kubernetes', cidr) });
test('a zone', revises, (s) => s.upsertNode('node-1', { spec: ZONE_B }), true);
test('podCIDRs', revises, (s) => s.upsertNode('node-1', { spec: node({ podCIDRs: [] }) }), true);
test('the node is gone', revises, (s) => s.remove('Node', 'node-1'), true);
test('the same node', revises, (s) => s.upsertNode('node-1', { spec: node() }), false);
test('an invalid node', revises, (s) => s.upsertNode('node-1', { invalid: 'x' }), false);
test('another node is gone', revises, (s) => s.remove('Node', 'node-2'), false);
test('a range', revises, (s) => s.upsertServiceCidr('kubernetes', range('fd00::/108')), true);
test('one more range', revises, (s) => s.upsertServiceCidr('more', range('fd00::/108')), true);
test('a range is gone', revises, (s) => s.remove('ServiceCIDR', 'kubernetes'), true);
test(
  'a range is ignored',
  revises,
  (s) => s.upsertServiceCidr('kubernetes', { ignored: '' }),
  true,
);
test(
  'the same range',
  revises,
  (s) => s.upsertServiceCidr('kubernetes', range('10.96.0.0/16')),
  false,
);
test(
  'an invalid range',
  revises,
  (s) => s.upsertServiceCidr('kubernetes', { invalid: 'x' }),
  false,
);
test('an unknown range is gone', revises, (s) => s.remove('ServiceCIDR', 'more'), false);

test('the node and the ranges of Services, as they are now', (t) => {
  const state = settled();
  t.deepEqual(state.node, node());
  state.upsertServiceCidr('more', { spec: serviceCidr('more', 'fd00::/108') });
  t.deepEqual(state.serviceCidrs, [
    serviceCidr('kubernetes', '10.96.0.0/16'),
    serviceCidr('more', 'fd00::/108'),
  ]);
  state.listed('ServiceCIDR', new Set(['more']));
  t.deepEqual(state.serviceCidrs, [serviceCidr('more', 'fd00::/108')]);
  state.listed('Node', new Set());
  t.is(state.node, undefined);
});

test('a Node and a ServiceCIDR that make no sense are reported by their name alone', (t) => {
  const state = settled();
  state.upsertNode('node-1', { invalid: 'x' });
  state.upsertServiceCidr('kubernetes', {
    spec: serviceCidr('kubernetes', '10.96.0.0/16'),
    leftOut: 'y',
  });
  t.deepEqual(state.skipped, [
    { kind: 'Node', key: 'node-1', reason: 'x' },
    { kind: 'ServiceCIDR', key: 'kubernetes', reason: 'y' },
  ]);
  t.deepEqual(state.node, node());
  state.listed('Node', new Set(['node-1']));
  state.listed('ServiceCIDR', new Set());
  t.deepEqual(state.skipped, [{ kind: 'Node', key: 'node-1', reason: 'x' }]);
  state.remove('Node', 'node-1');
  t.deepEqual(state.skipped, []);
});

test('externalIPs in no allowed range are left out and named, others stay', (t) => {
  const externalIPs = ['192.0.2.7', '203.0.113.9', 'fd00::9'].map(address);
  const spec = { ...service(), externalIPs };
  const taken = (...cidrs: string[]) => {
    const state = new ClusterState(undefined, undefined, cidrs.map(prefix));
    state.upsertService(QUIZ, { spec, leftOut: 'x' });
    return [state.service(QUIZ)?.externalIPs, state.skipped[0]?.reason] as const;
  };
  const why = 'in no range of --external-ip-cidrs';
  t.deepEqual(taken('192.0.2.0/24', 'fd00::/8'), [
    [address('192.0.2.7'), address('fd00::9')],
    `x; spec.externalIPs: 203.0.113.9: ${why}`,
  ]);
  t.deepEqual(taken(), [[], `x; spec.externalIPs: 192.0.2.7, 203.0.113.9, fd00::9: ${why}`]);
  t.deepEqual(taken('0.0.0.0/0', '::/0'), [externalIPs, 'x']);
  t.deepEqual(spec.externalIPs, externalIPs, 'what was read is as it was');

  const state = new ClusterState(undefined, undefined, []);
  const many = Array.from({ length: 40 }, (_, i) => address(`192.0.2.${i}`));
  state.upsertService(QUIZ, { spec: { ...service(), externalIPs: many } });
  t.regex(state.skipped[0]?.reason ?? '', / 192\.0\.2\.31 and 8 more: /);
  state.upsertService(QUIZ, { spec: service() });
  t.deepEqual(state.skipped, []);
});

test('slices and Services may come in any order, and are counted apart', (t) => {
  const state = new ClusterState();
  state.upsertEndpointSlice('kiada/quiz-1', { spec: slice('quiz-1', '10.244.0.1') });
  t.is(state.service(QUIZ), undefined);
  t.deepEqual(addresses(state), ['10.244.0.1']);
  state.upsertService(QUIZ, { spec: service() });
  state.upsertEndpointSlice('kiada/quiz-2', { spec: slice('quiz-2', '10.244.0.2') });
  t.deepEqual(addresses(state), ['10.244.0.1', '10.244.0.2']);
  t.is(state.serviceCount, 1);
  t.is(state.endpointSliceCount, 2);
});

test('a slice that changes hands leaves its old Service', (t) => {
  const state = settled();
  state.upsertEndpointSlice('kiada/quiz-1', { spec: slice('quiz-1', '10.244.0.1', 'quote') });
  t.deepEqual(addresses(state), []);
  t.deepEqual(addresses(state, 'kiada/quote'), ['10.244.0.1']);
});

test('an invalid object is reported, and its last good form stays in force', (t) => {
  const state = settled();
  state.upsertService(QUIZ, { invalid: 'bad address' });
  state.upsertEndpointSlice('kiada/quiz-1', { invalid: 'bad port' });
  t.deepEqual(state.service(QUIZ), service());
  t.deepEqual(addresses(state), ['10.244.0.1']);
  t.deepEqual(state.skipped, [
    { kind: 'Service', key: QUIZ, reason: 'bad address' },
    { kind: 'EndpointSlice', key: 'kiada/quiz-1', reason: 'bad port' },
  ]);
});

test('an object that is good but for a part of it is in force and reported', (t) => {
  const state = settled();
  const spec = slice('quiz-1', '10.244.0.9');
  state.upsertEndpointSlice('kiada/quiz-1', { spec, leftOut: 'endpoints[1]: bad' });
  t.deepEqual(addresses(state), ['10.244.0.9']);
  t.deepEqual(state.skipped, [
    { kind: 'EndpointSlice', key: 'kiada/quiz-1', reason: 'endpoints[1]: bad' },
  ]);
});

test('a report goes when the object is good again, ignored, removed, or no longer listed', (t) => {
  const state = new ClusterState();
  const keys: ObjectKey[] = ['kiada/a', 'kiada/b', 'kiada/c', 'kiada/d'];
  for (const key of keys) state.upsertService(key, { invalid: 'x' });
  const reported = () => state.skipped.map(({ key }) => key);
  t.deepEqual(reported(), keys);
  state.upsertService('kiada/a', { spec: service() });
  t.deepEqual(reported(), ['kiada/b', 'kiada/c', 'kiada/d']);
  state.upsertService('kiada/b', { ignored: 'headless' });
  t.deepEqual(reported(), ['kiada/c', 'kiada/d']);
  state.remove('Service', 'kiada/c');
  t.deepEqual(reported(), ['kiada/d']);
  state.listed('EndpointSlice', new Set());
  t.deepEqual(reported(), ['kiada/d']);
  state.listed('Service', new Set());
  t.deepEqual(reported(), []);
});

test('a manifest is reported until it is in order, whatever is listed', (t) => {
  const state = new ClusterState();
  state.noteManifest('/etc/a.yaml', 'line 3');
  state.noteManifest('/etc/a.yaml', 'line 4');
  state.listed('Service', new Set());
  state.listed('EndpointSlice', new Set());
  t.deepEqual(state.skipped, [{ kind: 'Manifest', key: '/etc/a.yaml', reason: 'line 4' }]);
  state.noteManifest('/etc/a.yaml');
  t.deepEqual(state.skipped, []);
});

test('a list removes what it lacks, of its own kind only', (t) => {
  const state = settled();
  state.upsertService('kiada/quote', { spec: { ...service('10.96.0.2'), name: 'quote' } });
  state.takeDirty();
  state.listed('Service', new Set<ObjectKey>(['kiada/quote']));
  t.deepEqual([...state.takeDirty()], [QUIZ]);
  t.is(state.service(QUIZ), undefined);
  t.deepEqual(addresses(state), ['10.244.0.1']);
  state.listed('EndpointSlice', new Set());
  t.deepEqual(addresses(state), []);
  t.deepEqual([...state.takeDirty()], [QUIZ]);
});

test('in sync once every kind has been listed, however empty', (t) => {
  const state = new ClusterState();
  state.upsertService(QUIZ, { spec: service() });
  t.false(state.synced);
  state.listed('Service', new Set<ObjectKey>([QUIZ]));
  t.false(state.synced);
  state.listed('EndpointSlice', new Set());
  t.true(state.synced);
});

test('settled once all kinds have been listed; in sync without those that are optional', (t) => {
  for (const last of WATCHED_KINDS) {
    const state = new ClusterState();
    for (const kind of WATCHED_KINDS) if (kind !== last) state.listed(kind, new Set());
    t.false(state.settled, last);
    t.is(state.synced, last === 'Node' || last === 'ServiceCIDR');
    state.listed(last, new Set());
    t.true(state.settled && state.synced);
  }
});

test('onDirty is called for changes and for lists, and not for what changes nothing', (t) => {
  let calls = 0;
  const state = new ClusterState(() => calls++);
  const told = (act: () => void) => {
    const before = calls;
    act();
    return calls > before;
  };
  t.true(told(() => state.upsertService(QUIZ, { spec: service() })));
  t.false(told(() => state.upsertService(QUIZ, { spec: service() })));
  t.true(told(() => state.listed('Service', new Set([QUIZ]))));
  t.false(told(() => state.remove('EndpointSlice', 'kiada/x')));
});

/** Found by the simulation, SEED=5010: they went on by what an agent before had been told of the node. */
test('to hear for the first time that there is no Node concerns every Service', (t) => {
  const cluster = new ClusterState();
  cluster.upsertService('a/p', { spec: service() });
  cluster.listed('Service', new Set(['a/p']));
  cluster.takeDirty();
  cluster.listed('Node', new Set());
  t.deepEqual([...cluster.takeDirty()], ['a/p']);
  cluster.listed('Node', new Set());
  t.deepEqual([...cluster.takeDirty()], []);
});
