// SPDX-License-Identifier: Apache-2.0
// The lab's object store: what Kubernetes' clients rely on when they compare versions and resume.

import test from 'ava';
import { ApiError, type KubeObject, ObjectStore, type StoreEvent } from '../../lab/object-store.ts';

const configMap = (name: string, data: Record<string, string> = {}): KubeObject => ({
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name },
  data,
});

test('create sets what the server sets, in a namespace, frozen', (t) => {
  const store = new ObjectStore();
  const created = store.create(configMap('a', { k: 'v' }));
  t.is(created.metadata.namespace, 'default');
  t.is(created.metadata.resourceVersion, '1');
  t.is(created.metadata.generation, 1);
  t.regex(created.metadata.uid ?? '', /^[0-9a-f-]{36}$/);
  t.regex(created.metadata.creationTimestamp ?? '', /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
  t.throws(() => Object.assign(created.data as object, { k: 'other' }), { instanceOf: TypeError });
  t.is(store.get('ConfigMap', 'default', 'a'), created);
});

test('a node has no namespace; generateName is completed', (t) => {
  const store = new ObjectStore();
  const node = store.create({ apiVersion: 'v1', kind: 'Node', metadata: { name: 'n1' } });
  t.is(node.metadata.namespace, undefined);
  t.is(store.get('Node', '', 'n1'), node);
  const generated = store.create({
    ...configMap(''),
    metadata: { name: '', generateName: 'web-' },
  });
  t.regex(generated.metadata.name, /^web-[a-z0-9]{5}$/);
});

const refusals: [string, number, string, (store: ObjectStore) => unknown][] = [
  ['the same name twice', 409, 'AlreadyExists', (store) => store.create(configMap('a'))],
  ['update of nothing', 404, 'NotFound', (store) => store.update(configMap('b'))],
  ['delete of nothing', 404, 'NotFound', (store) => store.delete('ConfigMap', 'default', 'b')],
  ['a name in capitals', 422, 'Invalid', (store) => store.create(configMap('A'))],
  [
    'update of an old version',
    409,
    'Conflict',
    (store) => store.update({ ...configMap('a'), metadata: { name: 'a', resourceVersion: '999' } }),
  ],
];
for (const [title, code, reason, attempt] of refusals) {
  test(`refused: ${title}`, (t) => {
    const store = new ObjectStore();
    store.create(configMap('a'));
    const error = t.throws(() => attempt(store), { instanceOf: ApiError });
    t.like(error, { code, reason });
    t.is(store.resourceVersion, 1);
  });
}

test('update keeps server-set fields and counts generations of the spec only', (t) => {
  const store = new ObjectStore();
  const created = store.create({ ...configMap('a'), spec: { n: 1 } });
  const respecified = store.update({ ...configMap('a'), spec: { n: 2 } });
  t.is(respecified.metadata.uid, created.metadata.uid);
  t.is(respecified.metadata.generation, 2);
  const labelled = store.update({ ...respecified, status: { ok: true } });
  t.is(labelled.metadata.generation, 2);
  t.is(labelled.metadata.resourceVersion, '3');
});

test('an update without a difference is nobody’s business', (t) => {
  const store = new ObjectStore();
  const created = store.create(configMap('a', { k: 'v', l: 'w' }));
  const events: StoreEvent[] = [];
  store.subscribe((event) => events.push(event));
  t.is(store.update(configMap('a', { l: 'w', k: 'v' })), created);
  t.deepEqual(events, []);
  t.is(store.resourceVersion, 1);
});

test('apply creates, then replaces what it names and keeps the rest', (t) => {
  const store = new ObjectStore();
  store.apply({ ...configMap('a', { k: 'v', old: 'x' }), status: { seen: true } });
  const applied = store.apply({
    ...configMap('a', { k: 'w' }),
    metadata: { name: 'a', labels: { app: 'web' } },
  });
  t.deepEqual(applied.data, { k: 'w' });
  t.deepEqual(applied.status, { seen: true });
  t.deepEqual(applied.metadata.labels, { app: 'web' });
});

test('listeners hear every change in order, also of changes made by listeners', (t) => {
  const store = new ObjectStore();
  const heard: string[] = [];
  store.subscribe(({ type, object }) => {
    if (type === 'ADDED' && object.metadata.name === 'a') store.create(configMap('b'));
  });
  const end = store.subscribe(({ type, object, resourceVersion, previous }) => {
    heard.push(`${resourceVersion} ${type} ${object.metadata.name} ${previous ? 'had' : 'new'}`);
  });
  store.create(configMap('a'));
  store.delete('ConfigMap', 'default', 'a');
  end();
  store.create(configMap('c'));
  t.deepEqual(heard, ['1 ADDED a new', '2 ADDED b new', '3 DELETED a had']);
});

test('a deleted object carries the resourceVersion of its deletion', (t) => {
  const store = new ObjectStore();
  store.create(configMap('a'));
  t.is(store.delete('ConfigMap', 'default', 'a').metadata.resourceVersion, '2');
  t.deepEqual(store.list('ConfigMap'), []);
});

test('history: per kind, bounded, and gone after compaction', (t) => {
  const store = new ObjectStore({ historyLimit: 3 });
  store.create({ apiVersion: 'v1', kind: 'Node', metadata: { name: 'n1' } });
  for (let i = 0; i < 6; i++) store.apply(configMap('a', { i: String(i) }));
  const since = (resourceVersion: number) => {
    const events = store.eventsSince('ConfigMap', resourceVersion);
    return events === 'gone' ? events : events.map((event) => event.resourceVersion);
  };
  t.deepEqual(since(0), [2, 3, 4, 5, 6, 7]);
  t.deepEqual(since(5), [6, 7]);
  store.apply(configMap('a', { i: 'last' }));
  t.is(since(1), 'gone');
  t.deepEqual(since(5), [6, 7, 8]);
  store.compact();
  t.is(since(7), 'gone');
  t.deepEqual(since(8), []);
  t.is(store.eventsSince('Node', 1), 'gone');
});
