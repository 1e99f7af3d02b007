// SPDX-License-Identifier: Apache-2.0
// What the API client tells of its requests, for metrics.

import test from 'ava';
import { type ApiObserver, createApiClient } from '../../../agent/cluster/api-client.ts';
import { refusal, type Step, startScript } from './scripted-server.ts';

const REQUEST = { path: '/api/v1/services', query: {} };

test('each request with its answer; how long it took, but of watches', async (t) => {
  const ok: Step = (response) => response.end('{}');
  const cut: Step = (response) => response.destroy();
  const server = await startScript(t, [ok, ok, ok, refusal(403, 'no'), cut]);
  const told: string[] = [];
  const { host } = server.url;
  const observer: ApiObserver = {
    answered: (method, to, code) => told.push(`${method} ${to === host} ${code}`),
    done: (method, to, seconds) => told.push(`${method} ${to === host} ${seconds > 0}`),
  };
  const client = createApiClient({
    access: {
      server: server.url,
      credentials: async () => ({ headers: {}, tls: {} }),
      forget() {},
    },
    observer,
  });
  t.teardown(() => client.close());
  const { signal } = new AbortController();
  const each = async (request: () => Promise<unknown>) => {
    told.length = 0;
    await request().catch(() => {});
    return [...told];
  };
  t.deepEqual(await each(() => client.get({ ...REQUEST, signal })), [
    'GET true 200',
    'GET true true',
  ]);
  const post = { ...REQUEST, signal, method: 'POST', body: {} } as const;
  t.deepEqual(await each(() => client.write(post)), ['POST true 200', 'POST true true']);
  const stream = { ...REQUEST, signal, silenceMs: () => 1000 };
  t.deepEqual(await each(() => Array.fromAsync(client.stream(stream))), ['GET true 200']);
  const get = () => client.get({ ...REQUEST, signal });
  t.deepEqual(await each(get), ['GET true 403', 'GET true true']);
  t.deepEqual(await each(get), ['GET true undefined', 'GET true true']);
  const stopped = AbortSignal.abort();
  t.deepEqual(await each(() => client.get({ ...REQUEST, signal: stopped })), []);
});
