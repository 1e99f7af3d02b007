// SPDX-License-Identifier: Apache-2.0
// The sample servers of the lab as processes: what they answer, and how they end.

import { spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { exchangeDatagrams } from '../../../lab/apps/datagram.ts';
import { DOWNLOAD_SIZE, Download } from '../../../lab/apps/download.ts';
import { request } from '../../../lab/apps/request.ts';
import { until } from '../../../lab/until.ts';

const QUOTE = fileURLToPath(new URL('../../../lab/apps/quote.ts', import.meta.url));
const DEADLINE_MS = 30_000;
const PIECE = 2 ** 20;

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

test('it says whom it sees', async (t) => {
  const { url } = await start(t);
  const { host } = new URL(url);
  const { servedBy, peer, seenAs } = await request({
    host: '127.0.0.1',
    port: Number(new URL(url).port),
  });
  t.deepEqual([servedBy, peer], ['quote-1', host]);
  t.regex(seenAs, /^127\.0\.0\.1:\d+$/);
});

test('a download comes by pieces, and is whole', async (t) => {
  const { url } = await start(t);
  const target = { host: '127.0.0.1', port: Number(new URL(url).port) };
  const download = new Download(target);
  for (const piece of [1, 2, 3]) {
    const bytes = await download.read(PIECE);
    t.true(bytes >= piece * PIECE && bytes < (piece + 1) * PIECE, `${bytes}`);
  }
  const { bytes, isWhole, errno, client, seenAs, servedBy } = await download.finish();
  t.deepEqual([bytes, isWhole, errno, servedBy], [DOWNLOAD_SIZE, true, undefined, 'quote-1']);
  t.is(client, seenAs);
});

test('a download that is cut off says so', async (t) => {
  const { child, url } = await start(t);
  const target = { host: '127.0.0.1', port: Number(new URL(url).port) };
  const download = new Download(target);
  await download.read(PIECE);
  child.kill('SIGKILL');
  const { isWhole, errno } = await download.finish();
  t.deepEqual([isWhole, errno], [false, 'ECONNRESET']);
});

test('a datagram is answered, refused, or meets silence', async (t) => {
  const server = createSocket('udp4');
  t.teardown(() => server.close());
  server.bind(0, '127.0.0.1');
  await once(server, 'listening');
  const target = { host: '127.0.0.1', port: server.address().port };
  t.is((await exchangeDatagrams({ ...target, timeoutMs: 1 })).errno, 'ETIMEDOUT');
  server.on('message', (_, { port, address }) => server.send('here', port, address));
  t.is((await exchangeDatagrams({ ...target, timeoutMs: DEADLINE_MS })).errno, undefined);
  const refused = { host: '127.0.0.1', port: await freePort(), timeoutMs: DEADLINE_MS };
  t.is((await exchangeDatagrams(refused)).errno, 'ECONNREFUSED');
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
