// SPDX-License-Identifier: Apache-2.0
// /healthz and /livez as load balancers and kubelets meet them: bodies, headers and codes of kube-proxy 1.36.

import net from 'node:net';
import test, { type ExecutionContext } from 'ava';
import type { ProxyHealthReport } from '../../../agent/model/proxy-health.ts';
import {
  ProxyHealthServer,
  type ProxyHealthServerOptions,
} from '../../../agent/telemetry/proxy-health-server.ts';
import { until } from '../../lab/until.ts';
import { recordLog } from '../cluster/recorded-log.ts';

const UPDATED = new Date('2026-01-01T00:00:00.123Z');
const AT = '2026-01-01T00:00:00.123Z';

async function serve(t: ExecutionContext, more: Partial<ProxyHealthServerOptions> = {}) {
  const state: {
    health: ProxyHealthReport;
    isEligible: boolean;
    notReady: string | undefined;
  } = {
    health: { isHealthy: true, updatedAt: UPDATED },
    isEligible: true,
    notReady: undefined,
  };
  const answers: string[] = [];
  const { log, lines } = recordLog();
  const server = new ProxyHealthServer({
    bind: { host: '127.0.0.1', port: 0 },
    health: () => state.health,
    isNodeEligible: () => state.isEligible,
    notReady: () => state.notReady,
    families: ['IPv4', 'IPv6'],
    onAnswer: (path, code) => answers.push(`${path} ${code}`),
    log,
    ...more,
  });
  t.teardown(() => server.close());
  server.start();
  const url = async (path: string) => {
    const { port } = await until('it listens', () => server.address);
    return `http://127.0.0.1:${port}${path}`;
  };
  const ask = async (path: string) => {
    const response = await fetch(await url(path));
    const { headers, status } = response;
    t.is(headers.get('Content-Type'), 'application/json');
    t.is(headers.get('X-Content-Type-Options'), 'nosniff');
    t.truthy(headers.get('Content-Length'));
    return { code: status, text: await response.text() };
  };
  return { state, server, answers, lines, url, ask };
}

test('healthy: 200, and the last update is now', async (t) => {
  const { ask, answers } = await serve(t);
  const before = Date.now();
  for (const path of ['/healthz', '/livez', '/healthz?timeout=5s']) {
    const { code, text } = await ask(path);
    t.is(code, 200);
    const { lastUpdated, currentTime, ...rest } = JSON.parse(text);
    t.is(lastUpdated, currentTime);
    t.true(Date.parse(currentTime) >= before);
    t.deepEqual(rest, {
      ...(path !== '/livez' && { nodeEligible: true }),
      healthy: true,
      status: {
        IPv4: { lastUpdated: AT, healthy: true },
        IPv6: { lastUpdated: AT, healthy: true },
      },
    });
  }
  t.deepEqual(answers, ['healthz 200', 'livez 200', 'healthz 200']);
});

test('fields stand in the order of kube-proxy', async (t) => {
  const { ask } = await serve(t);
  t.regex(
    (await ask('/healthz')).text,
    /^\{"lastUpdated":"[^"]+","currentTime":"[^"]+","nodeEligible":true,"healthy":true,"status":\{"IPv4":\{"lastUpdated":"[^"]+","healthy":true\},/,
  );
});

test('stuck: both say so, and when the last update was', async (t) => {
  const { state, ask, answers } = await serve(t);
  state.health = { isHealthy: false, updatedAt: UPDATED };
  for (const path of ['/healthz', '/livez']) {
    const { code, text } = await ask(path);
    t.is(code, 503);
    t.like(JSON.parse(text), {
      lastUpdated: AT,
      healthy: false,
      status: { IPv4: { lastUpdated: AT, healthy: false } },
    });
  }
  t.deepEqual(answers, ['healthz 503', 'livez 503']);
});

test('the node is not eligible: load balancers are told, the kubelet is not', async (t) => {
  const { state, ask } = await serve(t);
  state.isEligible = false;
  const { code, text } = await ask('/healthz');
  t.is(code, 503);
  t.like(JSON.parse(text), { lastUpdated: AT, nodeEligible: false, healthy: true });
  t.is((await ask('/livez')).code, 200);
});

test('nothing programmed yet: healthy, no family is listed, and a time that never was', async (t) => {
  const { state, ask } = await serve(t);
  state.health = { isHealthy: true, updatedAt: undefined };
  const { code, text } = await ask('/livez');
  t.is(code, 200);
  t.deepEqual(Object.keys(JSON.parse(text)), ['lastUpdated', 'currentTime', 'healthy']);
  state.isEligible = false;
  t.is(JSON.parse((await ask('/healthz')).text).lastUpdated, '0001-01-01T00:00:00Z');
});

test('ready once all is programmed; no path of kube-proxy, and not counted', async (t) => {
  const { state, url, answers } = await serve(t);
  const ask = async () => {
    const response = await fetch(await url('/readyz'));
    return [response.status, await response.text()];
  };
  state.notReady = 'the tables are being written';
  t.deepEqual(await ask(), [503, 'the tables are being written\n']);
  state.notReady = undefined;
  t.deepEqual(await ask(), [200, 'ok\n']);
  t.deepEqual(answers, []);
});

test('other paths: 404, and no count', async (t) => {
  const { url, answers } = await serve(t);
  for (const path of ['/', '/metrics', '/healthz/', '/livez/x']) {
    const response = await fetch(await url(path));
    t.is(response.status, 404);
    t.is(await response.text(), '404 page not found\n');
  }
  t.deepEqual(answers, []);
});

test('an address that is taken: told, and had as soon as it is free', async (t) => {
  const other = net.createServer();
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
  const { port } = other.address() as net.AddressInfo;
  let failures = 0;
  const { ask, lines } = await serve(t, {
    bind: { host: '127.0.0.1', port },
    retryMs: 20,
    onFailure: (error) => {
      failures += 1;
      t.regex(error.message, /EADDRINUSE/);
    },
  });
  await until('a second attempt', () => failures >= 2);
  t.true(lines.some(({ msg }) => msg === 'cannot serve /healthz and /livez'));
  other.close();
  t.is((await ask('/healthz')).code, 200);
});

test('closed: nobody listens, and nobody tries to any more', async (t) => {
  const { server, url } = await serve(t);
  const healthz = await url('/healthz');
  server.close();
  await t.throwsAsync(fetch(healthz));
  t.is(server.address, undefined);
});
