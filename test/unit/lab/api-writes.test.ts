// SPDX-License-Identifier: Apache-2.0
// Changes through the lab's API server: create, replace, the kinds of patches, status, scale, delete.

import test from 'ava';
import { send, serve, service } from './api-client.ts';

const SERVICES = '/api/v1/namespaces/default/services';

test('create answers 201 with what the server set; twice is 409', async (t) => {
  const { url } = await serve(t);
  const created = await send('POST', url + SERVICES, service('web'));
  t.is(created.status, 201);
  t.like(created.body, { metadata: { namespace: 'default' }, spec: { clusterIP: '10.96.1.0' } });
  const again = await send('POST', url + SERVICES, service('web'));
  t.like(again.body, {
    kind: 'Status',
    status: 'Failure',
    reason: 'AlreadyExists',
    message: 'services "web" already exists',
    code: 409,
  });
});

const refusals: [title: string, method: string, path: string, body: unknown, code: number][] = [
  ['another kind', 'POST', SERVICES, { ...service('x'), kind: 'Pod' }, 400],
  ['another namespace', 'POST', SERVICES, service('x', { namespace: 'other' }), 400],
  ['no JSON', 'POST', SERVICES, '{', 400],
  ['no object', 'POST', SERVICES, '7', 400],
  ['an invalid Service', 'POST', SERVICES, service('x', {}, { ports: [] }), 422],
  ['nothing there', 'PUT', `${SERVICES}/x`, service('x'), 404],
  ['POST on an object', 'POST', `${SERVICES}/web`, service('web'), 405],
  ['a dry run', 'POST', `${SERVICES}?dryRun=All`, service('x'), 400],
  ['an unknown kind', 'GET', '/api/v1/namespaces/default/gadgets', undefined, 404],
  ['an unknown subresource', 'GET', `${SERVICES}/web/colour`, undefined, 404],
];
for (const [title, method, path, body, code] of refusals) {
  test(`refused: ${title}`, async (t) => {
    const { store, url } = await serve(t);
    store.create(service('web'));
    const answer = await send(method, url + path, body);
    t.is(answer.status, code);
    t.like(answer.body, { kind: 'Status', status: 'Failure', code });
    t.is(store.resourceVersion, 1);
  });
}

test('a protobuf body is refused as such', async (t) => {
  const { url } = await serve(t);
  const answer = await send('POST', url + SERVICES, 'k8s', 'application/vnd.kubernetes.protobuf');
  t.is(answer.status, 415);
  t.like(answer.body, { reason: 'UnsupportedMediaType' });
});

test('who would rather have protobuf, as clients written in Go, is answered in JSON', async (t) => {
  const { store, url } = await serve(t);
  store.create(service('web'));
  const accept = 'application/vnd.kubernetes.protobuf, */*';
  const answer = await fetch(`${url}${SERVICES}/web`, { headers: { accept } });
  t.is(answer.headers.get('content-type'), 'application/json');
  t.like(await answer.json(), { kind: 'Service' });
});

test('replace keeps the status; the status subresource changes nothing else', async (t) => {
  const { store, url } = await serve(t);
  const spec = { type: 'LoadBalancer' };
  store.create(service('web', {}, spec));
  const ingress = { loadBalancer: { ingress: [{ ip: '192.0.2.1', ipMode: 'VIP' }] } };
  await send('PUT', `${url}${SERVICES}/web/status`, {
    ...service('web', { labels: { ignored: 'yes' } }, spec),
    status: ingress,
  });
  const after = await send('PUT', `${url}${SERVICES}/web`, {
    ...service('web', { labels: { app: 'web' } }, spec),
    status: {},
  });
  t.deepEqual(after.body.status, ingress);
  t.deepEqual(after.body.metadata.labels, { app: 'web' });
});

test('replace of an old version is a Conflict', async (t) => {
  const { store, url } = await serve(t);
  store.create(service('web'));
  const stale = service('web', { resourceVersion: '0' });
  const answer = await send('PUT', `${url}${SERVICES}/web`, {
    ...stale,
    metadata: { ...stale.metadata, resourceVersion: '99' },
  });
  t.like(answer.body, { code: 409, reason: 'Conflict' });
});

const ports = [
  { name: 'a', port: 80 },
  { name: 'b', port: 81 },
];
const patches: [
  title: string,
  type: string,
  patch: unknown,
  expected: { name: string; port: number }[],
][] = [
  [
    'merge patch replaces a list',
    'application/merge-patch+json',
    { spec: { ports: [{ name: 'c', port: 90 }] } },
    [{ name: 'c', port: 90 }],
  ],
  [
    'strategic merge patch merges ports by number, deletes and adds',
    'application/strategic-merge-patch+json',
    {
      spec: {
        '$setElementOrder/ports': [{ port: 81 }, { port: 82 }],
        ports: [
          { port: 81, name: 'bb' },
          { port: 80, $patch: 'delete' },
          { port: 82, name: 'c' },
        ],
      },
    },
    [
      { name: 'bb', port: 81 },
      { name: 'c', port: 82 },
    ],
  ],
  [
    'strategic merge patch with $patch: replace',
    'application/strategic-merge-patch+json',
    { spec: { ports: [{ port: 90, name: 'c' }, { $patch: 'replace' }] } },
    [{ name: 'c', port: 90 }],
  ],
  [
    'JSON patch',
    'application/json-patch+json',
    [
      { op: 'test', path: '/spec/ports/0/name', value: 'a' },
      { op: 'replace', path: '/spec/ports/0/port', value: 88 },
      { op: 'remove', path: '/spec/ports/1' },
      { op: 'add', path: '/spec/ports/-', value: { name: 'z', port: 99 } },
    ],
    [
      { name: 'a', port: 88 },
      { name: 'z', port: 99 },
    ],
  ],
];
for (const [title, mediaType, patch, expected] of patches) {
  test(title, async (t) => {
    const { store, url } = await serve(t);
    store.create(service('web', {}, { ports }));
    const { status, body } = await send('PATCH', `${url}${SERVICES}/web`, patch, mediaType);
    t.is(status, 200);
    const after = (body.spec as { ports: typeof ports }).ports;
    t.deepEqual(
      after.map(({ name, port }) => ({ name, port })),
      expected,
    );
  });
}

test('a patch with null removes; a JSON patch whose test fails changes nothing', async (t) => {
  const { store, url } = await serve(t);
  store.create(service('web', { labels: { a: '1', b: '2' } }));
  const removal = { metadata: { labels: { a: null } } };
  const path = `${url}${SERVICES}/web`;
  const { body } = await send('PATCH', path, removal, 'application/strategic-merge-patch+json');
  t.deepEqual(body.metadata.labels, { b: '2' });
  const operations = [
    { op: 'add', path: '/metadata/labels/c~1d', value: '3' },
    { op: 'test', path: '/metadata/labels/b', value: 'other' },
  ];
  t.is((await send('PATCH', path, operations, 'application/json-patch+json')).status, 422);
  t.is(store.resourceVersion, 2);
});

test('server-side apply creates, then replaces', async (t) => {
  const { url } = await serve(t);
  const path = `${url}${SERVICES}/web?fieldManager=test`;
  const yaml = 'apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {ports: [{port: 80}]}';
  const apply = (text: string) => send('PATCH', path, text, 'application/apply-patch+yaml');
  t.is((await apply(yaml)).status, 201);
  const again = await apply(yaml.replace('80', '90'));
  t.is(again.status, 200);
  t.like(again.body.spec, { clusterIP: '10.96.1.0', ports: { 0: { port: 90 } } });
});

test('scale reads and writes replicas', async (t) => {
  const { store, url } = await serve(t);
  const spec = { replicas: 1, selector: { matchLabels: { app: 'web' } } };
  store.create({ apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'web' }, spec });
  const path = `${url}/apis/apps/v1/namespaces/default/deployments/web/scale`;
  const scale = await send('GET', path);
  t.like(scale.body, { kind: 'Scale', spec: { replicas: 1 }, status: { selector: 'app=web' } });
  await send('PUT', path, { ...scale.body, spec: { replicas: 3 } });
  t.deepEqual(store.get('Deployment', 'default', 'web')?.spec, { ...spec, replicas: 3 });
  const patch = { spec: { replicas: 5 } };
  const patched = await send('PATCH', path, patch, 'application/merge-patch+json');
  t.like(patched.body, { kind: 'Scale', spec: { replicas: 5 } });
});

test('delete confirms with a Status, honours preconditions, empties a namespace', async (t) => {
  const { store, url } = await serve(t);
  store.create(service('web'));
  const path = `${url}${SERVICES}/web`;
  const refused = await send('DELETE', path, { preconditions: { uid: 'other' } });
  t.is(refused.status, 409);
  const done = await send('DELETE', path, { propagationPolicy: 'Background' });
  t.like(done.body, {
    kind: 'Status',
    status: 'Success',
    details: { name: 'web', kind: 'services' },
  });
  t.is((await send('DELETE', path)).status, 404);
  store.create({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'demo' } });
  store.create(service('a', { namespace: 'demo' }));
  store.create(service('b'));
  await send('DELETE', `${url}/api/v1/namespaces/demo`);
  t.deepEqual(
    store.list('Service').map((object) => object.metadata.name),
    ['b'],
  );
  await send('DELETE', `${url}${SERVICES}?labelSelector=!none`);
  t.deepEqual(store.list('Service'), []);
});

test('a Pod on a node is only marked, where somebody plays the kubelet', async (t) => {
  const { store, url } = await serve(t, { gracefulPodDeletion: true });
  store.create({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'p' },
    spec: { nodeName: 'n1', terminationGracePeriodSeconds: 20 },
  });
  const path = `${url}/api/v1/namespaces/default/pods/p`;
  const grace = async (query: string, body?: object) => {
    const answer = await send('DELETE', path + query, body);
    t.is(answer.body.kind, 'Pod');
    t.truthy(answer.body.metadata.deletionTimestamp);
    return answer.body.metadata.deletionGracePeriodSeconds;
  };
  t.is(await grace(''), 20);
  t.is(await grace('', { kind: 'DeleteOptions', apiVersion: 'v1', gracePeriodSeconds: null }), 20);
  t.is(await grace('?gracePeriodSeconds=5'), 5);
  t.is(await grace('', { gracePeriodSeconds: 3 }), 3);
  t.is(await grace('?gracePeriodSeconds=60'), 3);
  const gone = await send('DELETE', path, { gracePeriodSeconds: 0 });
  t.like(gone.body, { kind: 'Status', status: 'Success' });
  t.is(store.get('Pod', 'default', 'p'), undefined);
});
