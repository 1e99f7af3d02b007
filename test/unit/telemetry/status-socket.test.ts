// SPDX-License-Identifier: Apache-2.0
// The status socket: who answers there, and what is no answer.

import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import path from 'node:path';
import { promisify } from 'node:util';
import test, { type ExecutionContext } from 'ava';
import type { Status } from '../../../agent/telemetry/status.ts';
import {
  fetchStatus,
  isListening,
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

test('an agent answers, and takes the place of one that was killed', async (t) => {
  if (!requireRoot(t)) return;
  const bpffs = bpffsFor(t);
  t.is(await fetchStatus(bpffs), undefined);
  t.false(await isListening(bpffs));
  mkdirSync(path.dirname(statusSocketPath(bpffs)), { recursive: true });
  writeFileSync(statusSocketPath(bpffs), '');
  const server = await serveStatus(bpffs, () => STATUS);
  t.teardown(() => server.close());
  t.deepEqual(await fetchStatus(bpffs), STATUS);
  t.true(await isListening(bpffs));
});

test('one that does not answer listens all the same', async (t) => {
  if (!requireRoot(t)) return;
  const bpffs = bpffsFor(t);
  mkdirSync(path.dirname(statusSocketPath(bpffs)), { recursive: true });
  const silent = net.createServer().listen(statusSocketPath(bpffs));
  t.teardown(() => silent.close());
  await once(silent, 'listening');
  t.true(await isListening(bpffs));
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
