// SPDX-License-Identifier: Apache-2.0
// Health checks of Services, asked as a load balancer asks them, on loopback: each family has an address of its own.

import { once } from 'node:events';
import net from 'node:net';
import test, { type ExecutionContext } from 'ava';
import type { IpAddress, IpFamily } from '../../../agent/model/address.ts';
import type { HealthCheck } from '../../../agent/model/health-checks.ts';
import type { ObjectKey } from '../../../agent/model/objects.ts';
import { ServiceHealthServers } from '../../../agent/telemetry/service-health-servers.ts';
import { address } from '../../helpers/objects.ts';
import { until } from '../../lab/until.ts';

const IPV4 = '127.0.0.1';
/** What stands for an address of IPv6. */
const IPV6 = '127.0.0.2';
const QUIZ: ObjectKey = 'kiada/quiz';

function serve(t: ExecutionContext) {
  const hosts: Record<IpFamily, readonly IpAddress[]> = {
    IPv4: [address(IPV4)],
    IPv6: [address(IPV6)],
  };
  const state = { isHealthy: true, hosts };
  const failures: string[] = [];
  const servers = new ServiceHealthServers({
    hosts: (family) => state.hosts[family],
    isProxyHealthy: () => state.isHealthy,
    onFailure: ({ name, port }, host, error) =>
      failures.push(`${name} ${host}:${port} ${(error as NodeJS.ErrnoException).code}`),
    retryMs: { soonest: 0, latest: 50 },
  });
  t.teardown(() => servers.close());
  return { servers, state, failures };
}

function check(port: number, ipv4: number, ipv6?: number, name = 'quiz'): HealthCheck {
  const counts: [IpFamily, number][] = [['IPv4', ipv4]];
  if (ipv6 !== undefined) counts.push(['IPv6', ipv6]);
  return { namespace: 'kiada', name, port, localEndpoints: new Map(counts) };
}

/** A port that nobody listens on, at any address. */
async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, '0.0.0.0');
  await once(server, 'listening');
  const { port } = server.address() as net.AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

async function occupy(t: ExecutionContext, port: number): Promise<net.Server> {
  const server = net.createServer().listen(port, IPV4);
  t.teardown(() => server.close());
  await once(server, 'listening');
  return server;
}

const ask = (port: number, host = IPV4, init: RequestInit = {}) =>
  fetch(`http://${host}:${port}/`, init);

/** What it answers; undefined when nobody listens. */
async function codeAt(port: number, host = IPV4): Promise<number | undefined> {
  try {
    return (await ask(port, host)).status;
  } catch {
    return undefined;
  }
}

const answers = (code: number | undefined, port: number, host = IPV4) =>
  until(`${code} at ${host}:${port}`, async () => (await codeAt(port, host)) === code);

test('kube-proxy’s words, headers and codes', async (t) => {
  const { servers, state } = serve(t);
  const port = await freePort();
  servers.update([[QUIZ, check(port, 2)]]);
  await answers(200, port);
  const response = await ask(port);
  t.is(response.headers.get('Content-Type'), 'application/json');
  t.is(response.headers.get('X-Content-Type-Options'), 'nosniff');
  t.is(response.headers.get('X-Load-Balancing-Endpoint-Weight'), '2');
  t.truthy(response.headers.get('Content-Length'));
  t.is(
    await response.text(),
    '{\n\t"service": {\n\t\t"namespace": "kiada",\n\t\t"name": "quiz"\n\t},\n\t"localEndpoints": 2,\n\t"serviceProxyHealthy": true\n}',
  );
  t.is((await ask(port, IPV4, { method: 'POST', body: 'x' })).status, 200, 'any method');
  state.isHealthy = false;
  const stuck = await ask(port);
  t.is(stuck.status, 503);
  t.is(stuck.headers.get('X-Load-Balancing-Endpoint-Weight'), '2');
  t.like(await stuck.json(), { localEndpoints: 2, serviceProxyHealthy: false });
});

test('endpoints come and go at the same port', async (t) => {
  const { servers } = serve(t);
  const port = await freePort();
  servers.update([[QUIZ, check(port, 0)]]);
  await answers(503, port);
  servers.update([[QUIZ, check(port, 1)]]);
  t.is(await codeAt(port), 200);
  servers.update([[QUIZ, check(port, 0)]]);
  t.is(await codeAt(port), 503);
});

test('each family has its own count, and is answered where it is served alone', async (t) => {
  const { servers } = serve(t);
  const port = await freePort();
  servers.update([[QUIZ, check(port, 1, 0)]]);
  await answers(200, port);
  await answers(503, port, IPV6);
  servers.update([[QUIZ, check(port, 1)]]);
  await answers(undefined, port, IPV6);
  t.is(await codeAt(port), 200);
});

test('the port changes, passes to another Service, and goes with it', async (t) => {
  const { servers, failures } = serve(t);
  const [a, b] = [await freePort(), await freePort()];
  servers.update([[QUIZ, check(a, 1)]]);
  await answers(200, a);
  servers.update([
    ['kiada/quote', check(a, 0, undefined, 'quote')],
    [QUIZ, check(b, 1)],
  ]);
  await answers(503, a);
  await answers(200, b);
  servers.update([
    ['kiada/quote', undefined],
    ['kiada/none', undefined],
    [QUIZ, undefined],
  ]);
  t.is(await codeAt(a), undefined);
  t.is(await codeAt(b), undefined);
  t.deepEqual(failures, []);
});

test('addresses are followed', async (t) => {
  const { servers, state } = serve(t);
  const port = await freePort();
  servers.update([[QUIZ, check(port, 1)]]);
  await answers(200, port);
  state.hosts = { IPv4: [address(IPV4), address('127.0.0.3')], IPv6: [] };
  servers.addressesChanged();
  await answers(200, port, '127.0.0.3');
  t.is(await codeAt(port), 200);
  state.hosts = { IPv4: [address('127.0.0.3')], IPv6: [] };
  servers.addressesChanged();
  t.is(await codeAt(port), undefined);
  t.is(await codeAt(port, '127.0.0.3'), 200);
});

test('a port that is taken: told each time, tried with the next change, and by itself', async (t) => {
  for (const isQuiet of [false, true]) {
    const { servers, failures } = serve(t);
    const port = await freePort();
    const other = await occupy(t, port);
    servers.update([[QUIZ, check(port, 1, 1)]]);
    await until('it is told', () => failures.length > 0);
    t.is(failures[0], `quiz ${IPV4}:${port} EADDRINUSE`);
    t.deepEqual([...servers.failures.keys()], [QUIZ]);
    await answers(200, port, IPV6);
    other.close();
    if (!isQuiet) servers.update([['kiada/quote', check(await freePort(), 1)]]);
    await answers(200, port);
    t.is(servers.failures.size, 0);
    servers.close();
  }
});

test('a Service with a taken port may leave, or take another', async (t) => {
  const { servers, failures } = serve(t);
  const [taken, free] = [await freePort(), await freePort()];
  await occupy(t, taken);
  servers.update([
    [QUIZ, check(taken, 1)],
    ['kiada/quote', check(taken, 1, undefined, 'quote')],
  ]);
  await until('both are told', () => new Set(failures).size === 2);
  servers.update([
    [QUIZ, check(free, 1)],
    ['kiada/quote', undefined],
  ]);
  await answers(200, free);
  t.is(servers.failures.size, 0);
});

test('closed: nobody listens', async (t) => {
  const { servers } = serve(t);
  const ports = [await freePort(), await freePort()] as const;
  servers.update([[QUIZ, check(ports[0], 1)]]);
  await answers(200, ports[0]);
  servers.update([['kiada/quote', check(ports[1], 1)]]);
  servers.close();
  for (const port of ports) await answers(undefined, port);
  t.pass();
});
