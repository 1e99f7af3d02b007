// SPDX-License-Identifier: Apache-2.0
// The status socket as the lock of the tables: who has it, who may take it.

import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import path from 'node:path';
import { promisify } from 'node:util';
import test, { type ExecutionContext } from 'ava';
import type { Status } from '../../../agent/telemetry/status.ts';
import {
  fetchStatus,
  findAgent,
  removeStatusSocket,
  serveStatus,
  statusSocketPath,
} from '../../../agent/telemetry/status-socket.ts';
import { requireRoot } from '../../helpers/requirements.ts';

const STATUS = { pid: 4711 } as Status;

function bpffsFor(t: ExecutionContext): string {
  const bpffs = `/sys/fs/bpf/${process.pid}-${t.title.replaceAll(/\W+/g, '-')}`;
  t.teardown(() => removeStatusSocket(bpffs));
  return bpffs;
}

test('an agent that answers is found, and keeps a second one out', async (t) => {
  if (!requireRoot(t)) return;
  const bpffs = bpffsFor(t);
  t.is(await findAgent(bpffs), undefined);
  const server = await serveStatus(bpffs, () => STATUS);
  t.teardown(() => server.close());
  t.deepEqual(await fetchStatus(bpffs), STATUS);
  await t.throwsAsync(
    serveStatus(bpffs, () => STATUS),
    { message: `another agent (pid 4711) keeps the tables in ${bpffs}` },
  );
});

test('so does one that does not answer', async (t) => {
  if (!requireRoot(t)) return;
  const bpffs = bpffsFor(t);
  mkdirSync(path.dirname(statusSocketPath(bpffs)), { recursive: true });
  const silent = net.createServer().listen(statusSocketPath(bpffs));
  t.teardown(() => silent.close());
  await once(silent, 'listening');
  await t.throwsAsync(
    serveStatus(bpffs, () => STATUS),
    { message: `another agent (one that does not answer) keeps the tables in ${bpffs}` },
  );
});

test('an answer that makes no sense is none', async (t) => {
  if (!requireRoot(t)) return;
  const bpffs = bpffsFor(t);
  mkdirSync(path.dirname(statusSocketPath(bpffs)), { recursive: true });
  const answers: [number, string][] = [
    [200, '{"pid": 4'],
    [500, '{"pid": 4711}'],
  ];
  for (const [code, body] of answers) {
    const server = http.createServer((_, response) => response.writeHead(code).end(body));
    server.listen(statusSocketPath(bpffs));
    await once(server, 'listening');
    t.is(await fetchStatus(bpffs), undefined);
    server.closeAllConnections();
    await promisify(server.close.bind(server))();
  }
});

test('of many at the same moment one gets it, and later the next', async (t) => {
  if (!requireRoot(t)) return;
  const bpffs = bpffsFor(t);
  for (let round = 1; round <= 2; round++) {
    const starts = Array.from({ length: 5 }, () => serveStatus(bpffs, () => STATUS));
    const served = (await Promise.allSettled(starts)).flatMap((start) =>
      start.status === 'fulfilled' ? start.value : [],
    );
    t.is(served.length, 1);
    t.deepEqual(await fetchStatus(bpffs), STATUS);
    for (const server of served) {
      server.closeAllConnections();
      await promisify(server.close.bind(server))();
    }
  }
});
