// SPDX-License-Identifier: Apache-2.0
// Events on their way to a real HTTP server: what is sent, what is not sent again, what is given up. Time is not
// waited for: the clock is the test's, pauses are recorded and end at once.

import { text } from 'node:stream/consumers';
import test, { type ExecutionContext } from 'ava';
import { createApiClient } from '../../../agent/cluster/api-client.ts';
import type { ServiceIdentity } from '../../../agent/cluster/event.ts';
import { EventRecorder } from '../../../agent/cluster/event-recorder.ts';
import { ApiServer } from '../../lab/api-server.ts';
import { ObjectStore } from '../../lab/object-store.ts';
import { eventually } from './eventually.ts';
import { recordLog } from './recorded-log.ts';
import { page, refusal, type Step, startScript } from './scripted-server.ts';

const MINUTE = 60_000;
const SERVICE = { namespace: 'kiada', name: 'quiz', creationTimestamp: '2026-01-01T00:00:00Z' };
const EVENTS = '/apis/events.k8s.io/v1/namespaces/kiada/events';
const SERVICES = '/api/v1/namespaces/kiada/services';

function recorderOf(t: ExecutionContext, server: URL, answerMs = 10_000) {
  const { log, lines } = recordLog();
  const stop = new AbortController();
  const client = createApiClient({
    access: { server, credentials: async () => ({ headers: {}, tls: {} }), forget() {} },
    answerMs,
  });
  t.teardown(() => {
    stop.abort();
    client.close();
  });
  const clock = { ms: 0 };
  const pauses: number[] = [];
  let ended = 0;
  const ending = <T>(request: Promise<T>) => request.finally(() => (ended += 1));
  const recorder = new EventRecorder({
    client: {
      get: (request) => ending(client.get(request)),
      write: (request) => ending(client.write(request)),
    },
    nodeName: 'node-1',
    log,
    signal: stop.signal,
    timing: {
      now: () => clock.ms,
      random: () => 1,
      pause: async (ms) => {
        pauses.push(ms);
      },
    },
  });
  const told = (level: number, msg: string) =>
    lines.filter((line) => line.level === level && line.msg === msg);
  return {
    recorder,
    clock,
    pauses,
    stop,
    warn: (service: ServiceIdentity = SERVICE, note = 'taken') =>
      recorder.warn(service, 'FrontendConflict', note),
    /** Until this many requests have ended, and what follows from them has been done. */
    ended: (count: number) => eventually(t, `end of request ${count}`, () => ended === count),
    /** Where everybody sees them. */
    complaints: () => told(30, 'an Event was not recorded'),
    drops: () => told(20, 'dropped an Event'),
  };
}

/** What was sent in a body. */
interface Sent {
  readonly method: string | undefined;
  readonly path: string | undefined;
  readonly body: {
    readonly metadata?: { readonly name: string };
    readonly series?: { readonly count: number; readonly lastObservedTime: string };
  };
}

async function setup(t: ExecutionContext, steps: readonly Step[], answerMs?: number) {
  const writes: Sent[] = [];
  const noted = steps.map(
    (step): Step =>
      async (response, request) => {
        const { method, url: path } = request;
        if (method !== 'GET') writes.push({ method, path, body: JSON.parse(await text(request)) });
        return step(response, request);
      },
  );
  const { url, requests } = await startScript(t, noted);
  return { ...recorderOf(t, url, answerMs), requests, writes };
}

/** The list that has the Service. */
const listed = page([{ metadata: { ...SERVICE, uid: 'u-1' } }], { resourceVersion: '7' });
const created: Step = (response) => response.writeHead(201).end('{}');
const patched: Step = (response) => response.end('{}');

test('an Event about the Service that is there now', async (t) => {
  const { warn, ended, writes, requests, complaints } = await setup(t, [listed, created]);
  warn();
  await ended(2);
  t.like(requests[0], { path: SERVICES, query: { fieldSelector: 'metadata.name=quiz' } });
  t.like(writes[0], {
    method: 'POST',
    path: EVENTS,
    body: {
      reason: 'FrontendConflict',
      note: 'taken',
      reportingInstance: 'node-1',
      regarding: { namespace: 'kiada', name: 'quiz', uid: 'u-1' },
    },
  });
  t.deepEqual(complaints(), []);
});

test('repetitions are counted, and told after ten minutes', async (t) => {
  const steps = [listed, created, patched, patched];
  const { warn, ended, clock, pauses, writes } = await setup(t, steps);
  warn();
  warn();
  await ended(2);
  clock.ms = 9.9 * MINUTE;
  warn();
  warn();
  t.is(pauses.length, 1, 'nothing is about to be sent');
  clock.ms = 10 * MINUTE;
  warn();
  await ended(3);
  clock.ms = 19.9 * MINUTE;
  warn();
  t.is(pauses.length, 2, 'nothing is about to be sent');
  clock.ms = 20 * MINUTE;
  warn();
  await ended(4);
  const name = writes[0]?.body.metadata?.name;
  t.deepEqual(
    writes.slice(1).map(({ method, path, body }) => [method, path, body.series?.count]),
    [
      ['PATCH', `${EVENTS}/${name}`, 4],
      ['PATCH', `${EVENTS}/${name}`, 6],
    ],
  );
  t.regex(writes[1]?.body.series?.lastObservedTime ?? '', /^\d{4}-.*T.*\.\d{6}Z$/);
  t.deepEqual(Object.keys(writes[1]?.body ?? {}), ['series']);
});

test('an Event that has expired is made anew', async (t) => {
  const { warn, ended, clock, writes } = await setup(t, [
    ...[listed, created],
    ...[refusal(404, 'not found'), listed, refusal(503, 'not now'), listed, created],
    patched,
  ]);
  warn();
  await ended(2);
  clock.ms = 100 * MINUTE;
  warn();
  await ended(7);
  clock.ms = 110 * MINUTE;
  warn();
  await ended(8);
  t.deepEqual(
    writes.map(({ method, body }) => [method, body.series?.count]),
    [
      ['POST', undefined],
      ['PATCH', 2],
      ['POST', undefined],
      ['POST', undefined],
      ['PATCH', 2],
    ],
  );
});

test("another agent's Event is good enough; its repetitions are for that agent to count", async (t) => {
  const there = refusal(409, 'already exists');
  const { warn, ended, clock, writes, recorder, complaints } = await setup(t, [
    listed,
    there,
    listed,
    there,
  ]);
  warn();
  await ended(2);
  warn();
  clock.ms = 10 * MINUTE;
  warn();
  await ended(4);
  t.deepEqual(
    writes.map(({ method }) => method),
    ['POST', 'POST'],
  );
  t.is(recorder.dropped, 0);
  t.deepEqual(complaints(), []);
});

test('a Service that was made anew is told at once, and so is other news', async (t) => {
  const { warn, ended, writes } = await setup(t, [
    ...[listed, created, listed, created],
    ...[listed, created],
  ]);
  warn();
  warn({ ...SERVICE, creationTimestamp: '2026-01-01T00:01:00Z' });
  warn(SERVICE, 'taken by somebody else');
  await ended(6);
  t.is(new Set(writes.map(({ body }) => body.metadata?.name)).size, 3);
});

test('nobody is told of a Service that is gone', async (t) => {
  const gone = page([], { resourceVersion: '7' });
  const { warn, ended, recorder, complaints, writes } = await setup(t, [gone, listed, created]);
  warn({ ...SERVICE, name: 'gone' });
  warn();
  await ended(3);
  t.is(writes.length, 1);
  t.is(recorder.dropped, 0);
  t.deepEqual(complaints(), []);
});

test('no more than 25 at once, then one in ten seconds; the others are dropped and counted', async (t) => {
  const { warn, ended, recorder, clock, drops, writes } = await setup(
    t,
    Array(27).fill([listed, created]).flat(),
  );
  for (let i = 0; i < 30; i++) warn(SERVICE, `news ${i}`);
  await ended(50);
  t.is(recorder.dropped, 5);
  t.like(drops()[0], { service: 'kiada/quiz', note: 'news 25', why: 'too many at once' });
  clock.ms = 10_000;
  warn(SERVICE, 'news 29');
  warn(SERVICE, 'news 28');
  await ended(52);
  t.is(recorder.dropped, 6);
  t.like(writes.at(-1)?.body, { note: 'news 29' });
});

test('what is dropped neither ends a series nor makes one forgotten', async (t) => {
  const { warn, ended, recorder, clock, writes } = await setup(t, [
    ...Array(50).fill([listed, created]).flat(),
    patched,
  ]);
  for (let i = 0; i < 25; i++) warn(SERVICE, `news ${i}`);
  await ended(50);
  clock.ms = 10 * MINUTE;
  for (let i = 0; i < 1000; i++) warn({ ...SERVICE, name: 'other' }, `news ${i}`);
  warn(SERVICE, 'news 0');
  t.is(recorder.dropped, 976);
  await ended(100);
  clock.ms += 10_000;
  warn(SERVICE, 'news 0');
  await ended(101);
  t.deepEqual([writes.at(-1)?.method, writes.at(-1)?.body.series?.count], ['PATCH', 3]);
});

test('of many Events, those that were told longest ago are forgotten', async (t) => {
  const { warn, ended, clock, writes } = await setup(t, [
    ...Array(525).fill([listed, created]).flat(),
    ...[patched, listed, created],
  ]);
  for (let told = 0; told < 525; told += 25) {
    for (let i = told; i < told + 25; i++) warn(SERVICE, `news ${i}`);
    await ended(2 * (told + 25));
    clock.ms += 25 * 10_000;
  }
  clock.ms += 10 * MINUTE;
  warn(SERVICE, 'news 25');
  warn(SERVICE, 'news 0');
  await ended(1053);
  t.deepEqual(
    writes.slice(525).map(({ method }) => method),
    ['PATCH', 'POST'],
  );
});

test('a server that never answers costs no more than a hundred Events in waiting', async (t) => {
  const { warn, recorder, clock } = await setup(t, []);
  for (let i = 0; i < 200; i++) {
    warn(SERVICE, `news ${i}`);
    clock.ms += 10_000;
  }
  t.is(recorder.dropped, 100);
});

test('who starts sending waits a little, so that not all agents send at once', async (t) => {
  const { warn, ended, pauses } = await setup(t, Array(3).fill([listed, created]).flat());
  warn(SERVICE, 'a');
  warn(SERVICE, 'b');
  await ended(4);
  t.deepEqual(pauses, [5_000]);
  warn(SERVICE, 'c');
  await ended(6);
  t.deepEqual(pauses, [5_000, 5_000]);
});

const passes = test.macro({
  async exec(t, status: number) {
    const trouble = refusal(status, 'not now');
    const { warn, ended, pauses, recorder, complaints, drops, writes } = await setup(t, [
      ...[listed, trouble, listed, trouble, listed, trouble],
      ...[listed, created],
    ]);
    warn();
    await ended(6);
    t.deepEqual(pauses, [5_000, 2_000, 15_000]);
    t.is(recorder.dropped, 1);
    t.like(drops()[0], { why: 'not accepted', dropped: 1 });
    t.is(complaints().length, 1);
    t.regex(String(complaints()[0]?.error), new RegExp(`^POST .*: ${status} .*: not now$`));
    warn();
    await ended(8);
    t.is(writes.length, 4);
    t.is(recorder.dropped, 1);
  },
  title: (_, status) =>
    `${status} may pass: two more attempts, then it is dropped until it comes again`,
});
test(passes, 401);
test(passes, 429);
test(passes, 503);

test('an attempt may succeed after all; Retry-After is kept to', async (t) => {
  const slowly = refusal(429, 'slowly', { 'Retry-After': 60 });
  const { warn, ended, pauses, recorder, writes } = await setup(t, [
    ...[listed, slowly, listed, created, patched],
  ]);
  warn();
  await ended(4);
  t.deepEqual(pauses, [5_000, 60_000]);
  t.is(recorder.dropped, 0);
  t.is(writes.length, 2);
});

test('a refusal for good is not tried again, and said once, with how to mend it', async (t) => {
  const forbidden = refusal(403, 'events.events.k8s.io is forbidden');
  const { warn, ended, recorder, pauses, complaints } = await setup(t, [
    ...[listed, forbidden, listed, forbidden, listed, refusal(422, 'invalid')],
  ]);
  for (const note of ['a', 'b', 'c']) warn(SERVICE, note);
  await ended(6);
  t.deepEqual(pauses, [5_000]);
  t.is(recorder.dropped, 3);
  const [first, second, ...more] = complaints();
  t.regex(String(first?.error), /403 Forbidden: events\.events\.k8s\.io is forbidden$/);
  t.is(first?.hint, 'its role needs the verbs create and patch on events of events.k8s.io');
  t.regex(String(second?.error), /422 Unprocessable Entity: invalid$/);
  t.is(second?.hint, undefined);
  t.deepEqual(more, []);
});

test('answers that make no sense are trouble, too', async (t) => {
  const noUid = page([{ metadata: {} }], { resourceVersion: '7' });
  const noJson: Step = (response) => response.end('<html>');
  const noList: Step = (response) => response.end('{}');
  const { warn, ended, recorder, complaints } = await setup(t, [noUid, noJson, noList]);
  warn();
  await ended(3);
  t.is(recorder.dropped, 1);
  t.regex(String(complaints()[0]?.error), /: Service quiz has no uid$/);
});

test('a server that is not there, or does not answer, is trouble and nothing more', async (t) => {
  const absent = recorderOf(t, new URL('http://127.0.0.1:1'));
  absent.warn();
  await absent.ended(3);
  t.is(absent.recorder.dropped, 1);
  t.regex(String(absent.complaints()[0]?.error), /ECONNREFUSED/);
  const silent = await setup(t, [], 200);
  silent.warn();
  await silent.ended(3);
  t.is(silent.recorder.dropped, 1);
  t.regex(String(silent.complaints()[0]?.error), /nothing came for 0\.2 s$/);
});

test('nothing is sent, tried again or said after the end', async (t) => {
  const { warn, ended, stop, requests, pauses, recorder, complaints } = await setup(t, []);
  warn();
  warn(SERVICE, 'still in the queue');
  await eventually(t, 'a request', () => requests.length === 1);
  stop.abort();
  await ended(1);
  warn(SERVICE, 'late');
  t.is(requests.length, 1);
  t.is(pauses.length, 1, 'nothing is about to be sent');
  t.is(recorder.dropped, 0);
  t.deepEqual(complaints(), []);
});

test("kubectl finds it, by the Service's uid; two agents make one Event", async (t) => {
  const store = new ObjectStore();
  const api = new ApiServer(store);
  t.teardown(() => api.close());
  const url = new URL(`http://127.0.0.1:${await api.listen({ host: '127.0.0.1', port: 0 })}`);
  const spec = { ports: [{ port: 80 }] };
  store.create({ apiVersion: 'v1', kind: 'Service', metadata: { name: 'other' }, spec });
  const metadata = { name: 'quiz', namespace: 'kiada' };
  const service = store.create({ apiVersion: 'v1', kind: 'Service', metadata, spec });
  const [one, two] = [recorderOf(t, url), recorderOf(t, url)];
  const note = 'é'.repeat(513);
  one.warn(SERVICE, note);
  await one.ended(2);
  two.warn(SERVICE, note);
  await two.ended(2);
  one.clock.ms = 10 * MINUTE;
  one.warn(SERVICE, note);
  await one.ended(3);
  const fieldSelector = Object.entries({
    'involvedObject.kind': 'Service',
    'involvedObject.namespace': 'kiada',
    'involvedObject.name': 'quiz',
    'involvedObject.uid': service.metadata.uid,
  }).map(([field, value]) => `${field}=${value}`);
  const query = new URLSearchParams({ fieldSelector: fieldSelector.join(',') });
  const answer = await fetch(new URL(`/api/v1/namespaces/kiada/events?${query}`, url));
  const { items } = (await answer.json()) as { items: object[] };
  t.is(items.length, 1);
  t.like(items[0], {
    type: 'Warning',
    reason: 'FrontendConflict',
    message: 'é'.repeat(512),
    series: { count: 2 },
  });
  t.deepEqual([...one.complaints(), ...two.complaints()], []);
});

test('an Event about the node: kubectl finds it by the name that kubelets take for the uid; repetitions are counted', async (t) => {
  const api = new ApiServer(new ObjectStore());
  t.teardown(() => api.close());
  const url = new URL(`http://127.0.0.1:${await api.listen({ host: '127.0.0.1', port: 0 })}`);
  const { recorder, clock, ended, complaints } = recorderOf(t, url);
  recorder.tellOfNode('SelfTestFailed', 'a backend is not reached');
  await ended(1);
  recorder.tellOfNode('SelfTestFailed', 'a backend is not reached');
  clock.ms = 10 * MINUTE;
  recorder.tellOfNode('SelfTestFailed', 'a backend is not reached');
  await ended(2);
  const fieldSelector =
    'involvedObject.kind=Node,involvedObject.name=node-1,involvedObject.uid=node-1';
  const query = new URLSearchParams({ fieldSelector });
  const answer = await fetch(new URL(`/api/v1/events?${query}`, url));
  const { items } = (await answer.json()) as { items: object[] };
  t.is(items.length, 1);
  t.like(items[0], {
    type: 'Warning',
    reason: 'SelfTestFailed',
    message: 'a backend is not reached',
    series: { count: 3 },
  });
  t.deepEqual(complaints(), []);
});
