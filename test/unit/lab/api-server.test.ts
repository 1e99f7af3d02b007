// SPDX-License-Identifier: Apache-2.0
// The lab's API server over real loopback HTTP, as client-go and kubectl speak to it.

import { createServer } from 'node:net';
import test from 'ava';
import type { KubeObject } from '../../lab/object-store.ts';
import { list, openWatch, serve, service, TABLE } from './api-client.ts';

test('list: kind, version and items; selected by label, field and namespace', async (t) => {
  const { store, url } = await serve(t);
  store.create(service('a', { labels: { app: 'web', 'service.kubernetes.io/headless': '' } }));
  store.create(service('b', { labels: { app: 'db' } }));
  store.create(service('c', { namespace: 'kube-system' }, { clusterIP: 'None' }));
  const names = async (path: string) =>
    (await list(url + path)).items.map((item) => item.metadata.name);
  const all = await list(`${url}/api/v1/services`);
  t.like(all, { kind: 'ServiceList', apiVersion: 'v1', metadata: { resourceVersion: '3' } });
  t.deepEqual(await names('/api/v1/services'), ['a', 'b', 'c']);
  t.deepEqual(await names('/api/v1/namespaces/kube-system/services'), ['c']);
  const rows: [string, string[]][] = [
    ['labelSelector=app%3Dweb', ['a']],
    ['labelSelector=app!%3Dweb', ['b', 'c']],
    ['labelSelector=app%20in%20(web,db)', ['a', 'b']],
    ['labelSelector=app%20notin%20(web),app', ['b']],
    ['labelSelector=!service.kubernetes.io/headless', ['b', 'c']],
    ['fieldSelector=spec.clusterIP!%3DNone', ['a', 'b']],
    ['fieldSelector=metadata.name%3Db,metadata.namespace%3Ddefault', ['b']],
  ];
  for (const [query, expected] of rows)
    t.deepEqual(await names(`/api/v1/services?${query}`), expected, query);
});

test('list: pages of one snapshot; a forgotten snapshot is 410', async (t) => {
  const { store, api, url } = await serve(t);
  for (const name of ['e', 'd', 'c', 'b', 'a']) store.create(service(name));
  const path = `${url}/api/v1/services?limit=2`;
  const first = await list(path);
  store.delete('Service', 'default', 'd');
  const second = await list(`${path}&continue=${first.metadata.continue}`);
  const third = await list(`${path}&continue=${second.metadata.continue}`);
  t.is(first.metadata.remainingItemCount, 3);
  t.deepEqual(
    [first, second, third].map((page) => page.items.map((item) => item.metadata.name)),
    [['a', 'b'], ['c', 'd'], ['e']],
  );
  t.is(third.metadata.continue, undefined);
  t.is(third.metadata.resourceVersion, '5');
  api.compact();
  const late = await fetch(`${path}&continue=${first.metadata.continue}`);
  t.like(await late.json(), { code: 410, reason: 'Expired' });
});

test('watch: resumes after a resourceVersion, then follows', async (t) => {
  const { store, url } = await serve(t);
  const created = store.create(service('a'));
  store.create(service('b'));
  const watch = await openWatch(
    t,
    `${url}/api/v1/services?watch=1&resourceVersion=${created.metadata.resourceVersion}`,
  );
  store.apply(service('b', { labels: { x: 'y' } }));
  store.delete('Service', 'default', 'a');
  t.deepEqual(await watch.take(3), ['2 ADDED b', '3 MODIFIED b', '4 DELETED a']);
});

test('watch: without a resourceVersion the state comes first', async (t) => {
  const { store, url } = await serve(t);
  store.create(service('b'));
  store.create(service('a'));
  const watch = await openWatch(t, `${url}/api/v1/services?watch=true`);
  store.create(service('c'));
  t.deepEqual(await watch.take(3), ['2 ADDED a', '1 ADDED b', '3 ADDED c']);
});

test('watch: sendInitialEvents ends the state with the bookmark that client-go waits for', async (t) => {
  const { store, url } = await serve(t);
  store.create(service('a'));
  const query =
    'watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true';
  const watch = await openWatch(t, `${url}/api/v1/services?${query}`);
  await watch.take(1);
  t.like(await watch.next(), {
    type: 'BOOKMARK',
    object: {
      kind: 'Service',
      apiVersion: 'v1',
      metadata: { resourceVersion: '1', annotations: { 'k8s.io/initial-events-end': 'true' } },
    },
  });
  store.create(service('b'));
  t.deepEqual(await watch.take(1), ['2 ADDED b']);
});

test('watch: what leaves the selection is DELETED, what enters it ADDED', async (t) => {
  const { store, url } = await serve(t);
  const watch = await openWatch(t, `${url}/api/v1/services?watch=1&labelSelector=app%3Dweb`);
  store.create(service('other'));
  store.create(service('a', { labels: { app: 'web' } }));
  store.apply(service('a', { labels: { app: 'db' } }));
  store.apply(service('other', { labels: { app: 'web' } }));
  store.apply(service('other', { labels: { app: 'web', more: 'x' } }));
  t.deepEqual(await watch.take(4), [
    '2 ADDED a',
    '3 DELETED a',
    '4 ADDED other',
    '5 MODIFIED other',
  ]);
});

test('watch: bookmarks carry the version of changes elsewhere, and come before the time-out', async (t) => {
  const { store, url } = await serve(t, { bookmarkEveryMs: 20 });
  const watch = await openWatch(
    t,
    `${url}/api/v1/services?watch=1&allowWatchBookmarks=true&timeoutSeconds=1`,
  );
  store.create({ apiVersion: 'v1', kind: 'Node', metadata: { name: 'n1' } });
  const events = await watch.rest();
  t.true(events.every((event) => event.type === 'BOOKMARK'));
  // One may have been sent before the change.
  const versions = events.map(({ object }) => object.metadata?.resourceVersion);
  t.true(versions.filter((version) => version === '1').length > 1, versions.join());
});

test('410: compaction is told as an ERROR event, or as the status', async (t) => {
  const { store, api, url } = await serve(t);
  store.create(service('a'));
  store.create(service('b'));
  const path = `${url}/api/v1/services?watch=1&resourceVersion=1`;
  api.compact();
  const watch = await openWatch(t, path);
  t.like(await watch.next(), {
    type: 'ERROR',
    object: { kind: 'Status', code: 410, reason: 'Expired' },
  });
  t.deepEqual(await watch.rest(), []);
  api.compact('status');
  const response = await fetch(path);
  t.is(response.status, 410);
  t.like(await response.json(), { kind: 'Status', status: 'Failure', reason: 'Gone' });
});

test('a resourceVersion of the future is refused', async (t) => {
  const { url } = await serve(t);
  const response = await fetch(`${url}/api/v1/services?watch=1&resourceVersion=77`);
  t.like(await response.json(), {
    code: 504,
    message: 'Too large resource version: 77, current: 0',
  });
});

test('faults: disconnectWatches breaks the stream, refuse answers everything with a status', async (t) => {
  const { store, api, url } = await serve(t);
  const watch = await openWatch(t, `${url}/api/v1/services?watch=1`);
  t.is(api.watchCount, 1);
  api.disconnectWatches();
  store.create(service('unheard'));
  await t.throwsAsync(watch.next());
  api.refuse(503);
  const refused = await fetch(`${url}/api/v1/services`);
  t.is(refused.status, 503);
  t.like(await refused.json(), { kind: 'Status', reason: 'ServiceUnavailable' });
  api.refuse(undefined);
  t.is((await list(`${url}/api/v1/services`)).items.length, 1);
});

test('close ends open watches at once', async (t) => {
  const { api, url } = await serve(t);
  const watch = await openWatch(t, `${url}/api/v1/services?watch=1`);
  await api.close();
  await t.throwsAsync(watch.next());
  await t.throwsAsync(fetch(url));
});

test('one server serves several listeners, also one that is not its own', async (t) => {
  const { store, api, url } = await serve(t);
  const foreign = createServer();
  await new Promise<void>((resolve) => foreign.listen(0, '127.0.0.1', resolve));
  t.teardown(() => foreign.close());
  const port = await api.listen(foreign);
  store.create(service('a'));
  t.is((await list(`http://127.0.0.1:${port}/api/v1/services`)).items.length, 1);
  t.is((await list(`${url}/api/v1/services`)).items.length, 1);
});

test('Accept: protobuf with JSON beside it gets JSON; protobuf alone is refused', async (t) => {
  const { url } = await serve(t);
  const ask = (accept: string) => fetch(`${url}/api/v1/services`, { headers: { accept } });
  const both = await ask('application/vnd.kubernetes.protobuf,application/json');
  t.is(both.headers.get('content-type'), 'application/json');
  t.is((await ask('application/vnd.kubernetes.protobuf, */*')).status, 200);
  t.is((await ask('application/vnd.kubernetes.protobuf')).status, 406);
});

test('Table: what kubectl get shows', async (t) => {
  const { store, url } = await serve(t);
  store.create(service('web', {}, { type: 'NodePort', ports: [{ port: 80, nodePort: 30_080 }] }));
  const pod: KubeObject = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'p' },
    spec: { nodeName: 'n1', containers: [{ name: 'c' }] },
    status: {
      phase: 'Running',
      podIPs: [{ ip: '10.244.0.5' }],
      conditions: [{ type: 'Ready', status: 'True' }],
    },
  };
  store.create(pod);
  store.create({
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: 'web-x' },
    addressType: 'IPv4',
    ports: [{ port: 8080 }],
    endpoints: [1, 2, 3, 4].map((n) => ({ addresses: [`10.244.0.${n}`] })),
  });
  store.create({
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: 'n1' },
    status: {
      conditions: [{ type: 'Ready', status: 'True' }],
      nodeInfo: { kubeletVersion: 'v1.36.0' },
    },
  });
  const rows: [path: string, cells: (string | number)[]][] = [
    [
      '/api/v1/services',
      ['web', 'NodePort', '10.96.1.0', '<none>', '80:30080/TCP', '0s', 'app=web'],
    ],
    ['/api/v1/pods', ['p', '1/1', 'Running', 0, '0s', '10.244.0.5', 'n1']],
    [
      '/apis/discovery.k8s.io/v1/endpointslices',
      ['web-x', 'IPv4', '8080', '10.244.0.1,10.244.0.2,10.244.0.3 + 1 more...', '0s'],
    ],
    ['/api/v1/nodes', ['n1', 'Ready', '<none>', '0s', 'v1.36.0']],
  ];
  for (const [path, cells] of rows) {
    const table = (await (await fetch(url + path, { headers: { accept: TABLE } })).json()) as {
      kind: string;
      columnDefinitions: object[];
      rows: { cells: unknown[]; object: KubeObject }[];
    };
    t.is(table.kind, 'Table');
    const shown = table.rows[0]?.cells.map((cell) => (/^\d+s$/.test(String(cell)) ? '0s' : cell));
    t.deepEqual(shown?.slice(0, cells.length), cells);
    t.is(shown?.length, table.columnDefinitions.length);
    t.is(table.rows[0]?.object.kind, 'PartialObjectMetadata');
  }
});

test('discovery: old and aggregated', async (t) => {
  const { url } = await serve(t);
  const get = async (path: string, accept = 'application/json') =>
    (await fetch(url + path, { headers: { accept } })).json();
  t.like(await get('/version'), { major: '1', minor: '36' });
  t.like(await get('/api'), { kind: 'APIVersions', versions: ['v1'] });
  const groups = (await get('/apis')) as { groups: { name: string }[] };
  t.true(groups.groups.some((group) => group.name === 'discovery.k8s.io'));
  const core = (await get('/api/v1')) as { resources: { name: string }[] };
  t.true(
    ['services', 'services/status', 'pods'].every((name) =>
      core.resources.some((entry) => entry.name === name),
    ),
  );
  t.like(await get('/apis/discovery.k8s.io/v1'), { groupVersion: 'discovery.k8s.io/v1' });
  t.like(await get('/apis/apps'), { kind: 'APIGroup', name: 'apps' });
  const accept =
    'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json';
  t.like(await get('/api', accept), { kind: 'APIGroupDiscoveryList' });
  t.like(await get('/nothing'), { kind: 'Status', code: 404 });
});
