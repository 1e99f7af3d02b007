// SPDX-License-Identifier: Apache-2.0
// The state of the cluster: what is held, what is dirty, what is reported, and when it is complete.

import test from 'ava';
import type { IpAddress } from '../../../agent/model/address.ts';
import { ClusterState, type ObjectSink } from '../../../agent/model/cluster-state.ts';
import type { EndpointSliceSpec, ObjectKey, ServiceSpec } from '../../../agent/model/objects.ts';

const QUIZ: ObjectKey = 'kiada/quiz';

function service(clusterIP = '10.96.0.1'): ServiceSpec {
  return {
    namespace: 'kiada',
    name: 'quiz',
    clusterIPs: [clusterIP as IpAddress],
    ports: [{ name: '', protocol: 'TCP', port: 80 }],
  };
}

function slice(name: string, address: string, serviceName = 'quiz'): EndpointSliceSpec {
  const conditions = { ready: true, serving: true, terminating: false };
  return {
    namespace: 'kiada',
    name,
    serviceName,
    addressType: 'IPv4',
    ports: [{ name: '', protocol: 'TCP', port: 8080 }],
    endpoints: [{ address: address as IpAddress, ...conditions }],
  };
}

const addresses = (state: ClusterState, key: ObjectKey = QUIZ) =>
  state.endpointSlices(key).map(({ endpoints }) => endpoints[0]?.address as string);

/** A state in which one Service with one slice is already dealt with. */
function settled(): ClusterState {
  const state = new ClusterState();
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
