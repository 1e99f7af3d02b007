// SPDX-License-Identifier: Apache-2.0
// The sample servers of the lab as processes: what they answer, and how they end.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { until } from '../../../lab/until.ts';

const QUOTE = fileURLToPath(new URL('../../../lab/apps/quote.ts', import.meta.url));
const DEADLINE_MS = 30_000;

async function start(t: ExecutionContext, env: Record<string, string> = {}) {
  const port = await freePort();
  const child = spawn(process.execPath, [QUOTE], {
    env: { ...process.env, PORT: String(port), HOSTNAME: 'quote-1', ...env },
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  t.teardown(() => child.kill('SIGKILL'));
  const url = `http://127.0.0.1:${port}`;
  const status = (path = '/', method = 'GET') =>
    fetch(url + path, { method, headers: { connection: 'close' } }).then(
      (response) => response.status,
      () => 0,
    );
  await until('it listens', async () => (await status()) === 200, DEADLINE_MS);
  return { child, url, status };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '::');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}

test('it says who it is; readiness can be switched', async (t) => {
  const { url, status } = await start(t);
  const response = await fetch(url);
  t.is(response.headers.get('served-by'), 'quote-1');
  t.like(await response.json(), { servedBy: 'quote-1' });
  t.is(await status('/nothing'), 404);
  t.is(await status('/healthz/ready'), 200);
  await status('/healthz/ready', 'DELETE');
  t.is(await status('/healthz/ready'), 503);
  await status('/healthz/ready', 'PUT');
  t.is(await status('/healthz/ready'), 200);
});

test('SIGTERM ends it', async (t) => {
  const { child } = await start(t);
  child.kill('SIGTERM');
  t.deepEqual(await once(child, 'exit'), [0, null]);
});

test('it serves new connections for as long as it drains', async (t) => {
  const { child, status } = await start(t, { DRAIN_SECONDS: '3600' });
  child.kill('SIGTERM');
  for (let i = 0; i < 20; i++) t.is(await status(), 200);
  t.is(await status('/healthz/ready'), 200);
  t.is(child.exitCode, null);
});

test('then it ends', async (t) => {
  const { child } = await start(t, { DRAIN_SECONDS: '0.2' });
  child.kill('SIGTERM');
  t.deepEqual(await once(child, 'exit'), [0, null]);
});
