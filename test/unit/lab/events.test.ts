// SPDX-License-Identifier: Apache-2.0
// Events through the API: one store, two groups; what is refused of them (Kubernetes 1.36).

import test from 'ava';
import { list, openWatch, send, serve, TABLE } from './api-client.ts';

const CORE = '/api/v1/namespaces/default/events';
const GROUPED = '/apis/events.k8s.io/v1/namespaces/default/events';
const MERGE = 'application/merge-patch+json';
const STRATEGIC = 'application/strategic-merge-patch+json';
const WHEN = '2026-01-01T10:00:00.000000Z';
const LATER = '2026-01-01T10:05:00.123456Z';

const event = (fields: object = {}) => ({
  apiVersion: 'events.k8s.io/v1',
  kind: 'Event',
  metadata: { name: 'web.1' },
  eventTime: WHEN,
  reportingController: 'example.org/controller',
  reportingInstance: 'node-1',
  action: 'Look',
  reason: 'Seen',
  regarding: { kind: 'Service', namespace: 'default', name: 'web' },
  note: 'hello',
  type: 'Warning',
  ...fields,
});
const coreEvent = (fields: object = {}) => ({
  apiVersion: 'v1',
  kind: 'Event',
  metadata: { name: 'old.1' },
  involvedObject: { kind: 'Pod', namespace: 'default', name: 'p' },
  reason: 'Pulled',
  message: 'done',
  type: 'Normal',
  count: 3,
  firstTimestamp: '2026-01-01T10:00:00Z',
  lastTimestamp: '2026-01-01T10:01:00Z',
  source: { component: 'kubelet', host: 'node-1' },
  ...fields,
});

test('each group shows the Events of both, under its own names only', async (t) => {
  const { url } = await serve(t);
  const created = await send('POST', url + GROUPED, event());
  t.is(created.status, 201);
  t.like(created.body, event());
  t.is((await send('POST', url + CORE, coreEvent())).status, 201);
  const [old, fresh] = (await list(url + CORE)).items;
  t.like(fresh, {
    apiVersion: 'v1',
    message: 'hello',
    involvedObject: { name: 'web' },
    reportingComponent: 'example.org/controller',
    eventTime: WHEN,
  });
  t.false('note' in (fresh ?? {}) || 'regarding' in (fresh ?? {}));
  t.like(old, coreEvent());
  t.like(await list(url + GROUPED), {
    kind: 'EventList',
    apiVersion: 'events.k8s.io/v1',
    items: [
      {
        apiVersion: 'events.k8s.io/v1',
        note: 'done',
        deprecatedCount: 3,
        deprecatedSource: { component: 'kubelet' },
        regarding: { name: 'p' },
      },
      { note: 'hello' },
    ],
  });
  t.like((await send('GET', `${url}${CORE}/web.1`)).body, { message: 'hello' });
});

test('field selectors go by the names of the group', async (t) => {
  const { url } = await serve(t);
  await send('POST', url + GROUPED, event());
  await send('POST', url + CORE, coreEvent());
  const names = async (path: string) => (await list(url + path)).items.map((e) => e.metadata.name);
  t.deepEqual(await names(`${CORE}?fieldSelector=involvedObject.name%3Dweb`), ['web.1']);
  t.deepEqual(await names(`${GROUPED}?fieldSelector=regarding.name%3Dweb`), ['web.1']);
  t.deepEqual(await names(`${GROUPED}?fieldSelector=type%3DNormal`), ['old.1']);
  t.deepEqual(await names('/api/v1/events?fieldSelector=reason%3DSeen'), ['web.1']);
});

test('watches of both groups hear of an Event', async (t) => {
  const { url } = await serve(t);
  const core = await openWatch(t, `${url}${CORE}?watch=1`);
  const grouped = await openWatch(t, `${url}/apis/events.k8s.io/v1/events?watch=1`);
  await send('POST', url + GROUPED, event());
  t.like(await core.next(), { type: 'ADDED', object: { apiVersion: 'v1', message: 'hello' } });
  t.like(await grouped.next(), {
    type: 'ADDED',
    object: { apiVersion: 'events.k8s.io/v1', note: 'hello' },
  });
});

for (const mediaType of [MERGE, STRATEGIC]) {
  test(`a series is counted by ${mediaType}`, async (t) => {
    const { url } = await serve(t);
    await send('POST', url + GROUPED, event());
    const series = { count: 2, lastObservedTime: LATER };
    const patched = await send('PATCH', `${url}${GROUPED}/web.1`, { series }, mediaType);
    t.is(patched.status, 200);
    t.like(patched.body, { ...event(), series });
    const [seen] = (await list(url + CORE)).items;
    t.like(seen, { series, message: 'hello', involvedObject: { name: 'web' } });
  });
}

test('an old Event is counted through the core group', async (t) => {
  const { url } = await serve(t);
  await send('POST', url + CORE, coreEvent());
  const patch = { count: 4, lastTimestamp: '2026-01-01T10:09:00Z', message: 'again' };
  const patched = await send('PATCH', `${url}${CORE}/old.1`, patch, STRATEGIC);
  t.like(patched.body, { count: 4, message: 'again', reason: 'Pulled' });
  const replaced = await send('PUT', `${url}${CORE}/old.1`, coreEvent({ count: 5 }));
  t.like(replaced.body, { count: 5, message: 'done' });
});

const refusals: [title: string, path: string, body: object, code: number, message: RegExp][] = [
  ['no eventTime', GROUPED, event({ eventTime: undefined }), 422, /eventTime: Required value/],
  [
    'a time of milliseconds',
    GROUPED,
    event({ eventTime: '2026-01-01T10:00:00.000Z' }),
    400,
    /parsing time/,
  ],
  ['no controller', GROUPED, event({ reportingController: '' }), 422, /Controller: Required/],
  ['no instance', GROUPED, event({ reportingInstance: undefined }), 422, /Instance: Required/],
  ['no action', GROUPED, event({ action: undefined }), 422, /action: Required/],
  ['no reason', GROUPED, event({ reason: undefined }), 422, /reason: Required/],
  ['another type', GROUPED, event({ type: 'Error' }), 422, /type: .*has invalid value: Error/],
  ['too long a note', GROUPED, event({ note: 'ä'.repeat(513) }), 422, /at most 1024/],
  ['a count', GROUPED, event({ deprecatedCount: 1 }), 422, /count: .*needs to be unset/],
  ['a series of one', GROUPED, event({ series: { count: 1 } }), 422, /at least 2.*Required/],
  [
    'about a Node, outside of the default namespace',
    GROUPED.replace('default', 'kiada'),
    event({ regarding: { kind: 'Node', name: 'node-1' } }),
    422,
    /involvedObject\.namespace/,
  ],
  [
    'an old one about another namespace',
    CORE,
    coreEvent({ involvedObject: { kind: 'Pod', namespace: 'kiada', name: 'p' } }),
    422,
    /does not match event\.namespace/,
  ],
];
for (const [title, path, body, code, message] of refusals) {
  test(`refused: ${title}`, async (t) => {
    const { store, url } = await serve(t);
    const answer = await send('POST', url + path, body);
    t.like(answer.body, { kind: 'Status', code });
    t.regex(String(answer.body.message), message);
    t.deepEqual(store.list('Event'), []);
  });
}

test('events.k8s.io changes nothing but the series; the core group may', async (t) => {
  const { url } = await serve(t);
  await send('POST', url + GROUPED, event());
  const change = (path: string, patch: object) =>
    send('PATCH', `${url}${path}/web.1`, patch, MERGE);
  t.like((await change(GROUPED, { note: 'other' })).body, { code: 422 });
  t.is((await change(GROUPED, { metadata: { labels: { a: 'b' } } })).status, 200);
  t.is((await change(CORE, { message: 'other' })).status, 200);
});

test('kubectl get events: the series counts, an old Event shows its own fields', async (t) => {
  const { url } = await serve(t);
  const now = `${new Date().toISOString().slice(0, 19)}.000000Z`;
  await send('POST', url + GROUPED, event());
  const series = { count: 7, lastObservedTime: now };
  await send('PATCH', `${url}${GROUPED}/web.1`, { series }, MERGE);
  await send('POST', url + CORE, coreEvent());
  for (const path of [CORE, GROUPED]) {
    const answer = await fetch(url + path, { headers: { accept: TABLE } });
    const { columnDefinitions, rows } = (await answer.json()) as {
      columnDefinitions: { name: string }[];
      rows: { cells: unknown[] }[];
    };
    const column = (name: string) => {
      const at = columnDefinitions.findIndex((each) => each.name === name);
      return rows.map(({ cells }) => cells[at]);
    };
    t.deepEqual(column('Object'), ['pod/p', 'service/web']);
    t.deepEqual(column('Message'), ['done', 'hello']);
    t.deepEqual(column('Source'), ['kubelet, node-1', 'example.org/controller, node-1']);
    t.deepEqual(column('Count'), [3, 7]);
    const [old, fresh] = column('Last Seen').map(String);
    t.regex(old ?? '', /^\d+d$/);
    t.regex(fresh ?? '', /^\d+s$/);
  }
});
