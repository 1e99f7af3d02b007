// SPDX-License-Identifier: Apache-2.0
// The HTTP layer against a real server: what is sent, and what each way of failing is called.

import { text } from 'node:stream/consumers';
import test, { type ExecutionContext } from 'ava';
import type { ApiAccess } from '../../../agent/cluster/api-access.ts';
import { type ApiClient, createApiClient } from '../../../agent/cluster/api-client.ts';
import { ApiError, type ApiErrorKind } from '../../../agent/cluster/api-error.ts';
import { refusal, type Step, startScript, watch } from './scripted-server.ts';

function clientOf(t: ExecutionContext, access: Partial<ApiAccess> & Pick<ApiAccess, 'server'>) {
  const client = createApiClient({
    access: { credentials: async () => ({ headers: {}, tls: {} }), forget() {}, ...access },
    answerMs: 100,
  });
  t.teardown(() => client.close());
  return client;
}

const REQUEST = { path: '/api/v1/services', query: {}, signal: new AbortController().signal };

async function failure(t: ExecutionContext, client: ApiClient): Promise<ApiError | undefined> {
  return await t.throwsAsync(client.get(REQUEST), { instanceOf: ApiError });
}

test('path, query and headers', async (t) => {
  const server = await startScript(t, [(response) => response.end('{"a":"é"}')]);
  const client = clientOf(t, {
    server: new URL('/k8s/clusters/c-1/', server.url),
    credentials: async () => ({ headers: { Authorization: 'Bearer x' }, tls: {} }),
  });
  const query = { labelSelector: '!a/b', fieldSelector: 'c!=d' };
  t.deepEqual(await client.get({ ...REQUEST, query }), { a: 'é' });
  t.like(server.requests[0], {
    path: '/k8s/clusters/c-1/api/v1/services',
    query,
    headers: { accept: 'application/json', authorization: 'Bearer x' },
  });
});

const POST = { ...REQUEST, method: 'POST', body: { name: 'é' } } as const;

test('a write sends its body, as the media type of its method', async (t) => {
  const sent: unknown[] = [];
  const record =
    (status: number): Step =>
    async (response, request) => {
      const { method, headers } = request;
      sent.push([method, headers['content-type'], headers.authorization, await text(request)]);
      response.writeHead(status).end('{}');
    };
  const server = await startScript(t, [record(201), record(200)]);
  const client = clientOf(t, {
    server: server.url,
    credentials: async () => ({ headers: { Authorization: 'Bearer x' }, tls: {} }),
  });
  await client.write(POST);
  await client.write({ ...POST, method: 'PATCH' });
  t.deepEqual(sent, [
    ['POST', 'application/json', 'Bearer x', '{"name":"é"}'],
    ['PATCH', 'application/merge-patch+json', 'Bearer x', '{"name":"é"}'],
  ]);
  t.is(server.connections.size, 1);
});

test('a write that is refused says what was attempted', async (t) => {
  const server = await startScript(t, [refusal(409, 'already exists')]);
  const error = await t.throwsAsync(clientOf(t, { server: server.url }).write(POST), {
    instanceOf: ApiError,
  });
  t.regex(error?.message ?? '', /^POST http:.*\/services: 409 Conflict: already exists$/);
  t.is(error?.status, 409);
});

test('a write that is not answered ends', async (t) => {
  const server = await startScript(t, []);
  const error = await t.throwsAsync(clientOf(t, { server: server.url }).write(POST), {
    instanceOf: ApiError,
  });
  t.is(error?.kind, 'timeout');
});

test('one connection serves request after request', async (t) => {
  const answer: Step = (response) => response.end('{}');
  const server = await startScript(t, [answer, answer, answer]);
  const client = clientOf(t, { server: server.url });
  for (let i = 0; i < 3; i++) await client.get(REQUEST);
  t.is(server.connections.size, 1);
});

const fails = test.macro({
  async exec(t, step: Step, kind: ApiErrorKind, message: RegExp, fields: Partial<ApiError> = {}) {
    const server = await startScript(t, [step]);
    const error = await failure(t, clientOf(t, { server: server.url }));
    t.regex(error?.message ?? '', /^GET http:\/\/127\.0\.0\.1:\d+\/api\/v1\/services: /);
    t.regex(error?.message ?? '', message);
    t.like(error, { kind, ...fields });
  },
  title: (what) => `a failure says what it is: ${what}`,
});
test(
  'a Status of Kubernetes',
  fails,
  refusal(403, 'services is forbidden'),
  'status',
  /: 403 Forbidden: services is forbidden$/,
  { status: 403, retryAfterMs: undefined },
);
test(
  "somebody else's refusal",
  fails,
  (response) => {
    response.writeHead(502);
    response.end('<html>');
  },
  'status',
  /: 502 Bad Gateway$/,
);
test('Retry-After', fails, refusal(429, 'slowly', { 'Retry-After': 3 }), 'status', /429/, {
  retryAfterMs: 3000,
});
test('an absurd Retry-After', fails, refusal(503, 'x', { 'Retry-After': 1e9 }), 'status', /503/, {
  retryAfterMs: 300_000,
});
test(
  'a Retry-After that is a date',
  fails,
  refusal(503, 'x', { 'Retry-After': 'Fri' }),
  'status',
  /503/,
  {
    retryAfterMs: undefined,
  },
);
test('no answer', fails, () => {}, 'timeout', /: nothing came for 0\.1 s$/);
test(
  'an answer that stops',
  fails,
  watch(['{"a":'], 'open'),
  'timeout',
  /: nothing came for 0\.1 s$/,
);
test('an answer that is cut', fails, watch(['{"a":'], 'cut'), 'connection', /: aborted$/);
test('a connection that is closed', fails, (r) => r.socket?.destroy(), 'connection', /hang up/);
test('no JSON', fails, (response) => response.end('<html>'), 'answer', /: not JSON: /);

test('no server', async (t) => {
  const error = await failure(t, clientOf(t, { server: new URL('http://127.0.0.1:1') }));
  t.is(error?.kind, 'connection');
  t.regex(error?.message ?? '', /ECONNREFUSED 127\.0\.0\.1:1$/);
});

test('credentials that cannot be had', async (t) => {
  const server = new URL('http://127.0.0.1:1');
  const credentials = async () => {
    throw new Error('no such file');
  };
  const error = await failure(t, clientOf(t, { server, credentials }));
  t.is(error?.kind, 'credentials');
  t.regex(error?.message ?? '', /services: no credentials: no such file$/);
});

test('credentials that do not come', async (t) => {
  const server = new URL('http://127.0.0.1:1');
  const error = await failure(t, clientOf(t, { server, credentials: () => new Promise(() => {}) }));
  t.is(error?.kind, 'timeout');
  t.regex(error?.message ?? '', /no credentials within 0\.1 s$/);
});

test('401 makes the credentials forget what they have', async (t) => {
  const server = await startScript(t, [refusal(401, 'Unauthorized')]);
  let forgotten = 0;
  await failure(t, clientOf(t, { server: server.url, forget: () => forgotten++ }));
  t.is(forgotten, 1);
});

test('a stream may be silent for longer than an answer may take to begin, but not for ever', async (t) => {
  const later: Step = (response) => {
    response.flushHeaders();
    setTimeout(() => response.write('late'), 200);
  };
  const server = await startScript(t, [later]);
  const client = clientOf(t, { server: server.url });
  const chunks: string[] = [];
  const error = await t.throwsAsync(
    async () => {
      for await (const chunk of client.stream({ ...REQUEST, silenceMs: () => 400 })) {
        chunks.push(chunk.toString());
      }
    },
    { instanceOf: ApiError },
  );
  t.deepEqual(chunks, ['late']);
  t.is(error?.kind, 'timeout');
});

test('a signal that has already aborted sends nothing', async (t) => {
  const server = await startScript(t, [(response) => response.end('{}')]);
  const client = clientOf(t, { server: server.url });
  const request = client.get({ ...REQUEST, signal: AbortSignal.abort() });
  const error = await t.throwsAsync(request, { instanceOf: ApiError });
  t.regex(error?.message ?? '', /: stopped$/);
  t.is(server.requests.length, 0);
});

test('a proxy is asked instead of the server', async (t) => {
  const proxy = await startScript(t, [(response) => response.end('{}')]);
  const server = new URL('http://server.test:6443');
  const client = clientOf(t, { server, proxyUrl: proxy.url.href });
  await client.get(REQUEST);
  t.is(proxy.requests[0]?.headers.host, 'server.test:6443');
});
