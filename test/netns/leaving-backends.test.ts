// SPDX-License-Identifier: Apache-2.0
// Connected UDP when backends leave, with a real agent: as a resolver sees it whose DNS server moves, or a
// sender of metrics that never hears a word. What exactly is destroyed is in stale-sockets.test.ts.

import test, { type ExecutionContext } from 'ava';
import type { KubeObject } from '../lab/kube-object.ts';
import { until } from '../lab/until.ts';
import { kernelFrontends, programmed } from './kernel-backends.ts';
import { kubeService, targetAt } from './kube-service.ts';
import { MOVING, moveService, removeService } from './moving-service.ts';
import { canMakeNodes, nodeForFile } from './node-for-file.ts';
import { type ProbeSocket, SocketProbe } from './socket-probe.ts';
import { startBackends } from './start-backends.ts';

const [OLD, NEW] = ['10.244.1.21', '10.244.1.22'];

let probe: SocketProbe;

const node = nodeForFile(test, async (made) => {
  await startBackends(made);
  await made.agent.start();
  probe = await SocketProbe.start(made);
});

test.serial('a backend is replaced: its clients dial again and reach the new one', async (t) => {
  if (!canMakeNodes(t)) return;
  await moveService(node(), 'UDP', [OLD]);
  const socket = await connected(t);
  t.is(await socket.ask(), `${targetAt(OLD)} as ${MOVING}:80`);
  await moveService(node(), 'UDP', [NEW]);
  await isClosed(socket);
  // The error waits for whoever asks first; a datagram sent before that is not sent.
  await t.throwsAsync(socket.receive(), { message: /: ECONNABORTED$/ });
  t.is(await socket.connect(MOVING, 80), '');
  t.is(await socket.ask(), `${targetAt(NEW)} as ${MOVING}:80`);
});

test.serial('the last backend leaves', async (t) => {
  if (!canMakeNodes(t)) return;
  await moveService(node(), 'UDP', [OLD]);
  const socket = await connected(t);
  await moveService(node(), 'UDP', []);
  await isClosed(socket);
  t.is(await socket.connect(MOVING, 80), 'ECONNREFUSED');
});

test.serial('the Service is deleted', async (t) => {
  if (!canMakeNodes(t)) return;
  await moveService(node(), 'UDP', [OLD]);
  const socket = await connected(t);
  await removeService(node(), 'UDP');
  await isClosed(socket);
  t.is(await socket.send('?'), 'EDESTADDRREQ');
});

test.serial('a backend that terminates keeps its clients for as long as it serves', async (t) => {
  if (!canMakeNodes(t)) return;
  await moveService(node(), 'UDP', [OLD]);
  const socket = await connected(t);
  await draining(OLD, { serving: true });
  t.is(await (await connected(t)).ask(), `${targetAt(NEW)} as ${MOVING}:80`);
  // Once another client has lost its backend, this one would have lost it too.
  await otherClientLosesItsBackend(t);
  t.is(await socket.ask(), `${targetAt(OLD)} as ${MOVING}:80`);
  await draining(OLD, { serving: false });
  await isClosed(socket);
});

test.serial('a backend leaves while no agent is there', async (t) => {
  if (!canMakeNodes(t)) return;
  await moveService(node(), 'UDP', [OLD]);
  const socket = await connected(t);
  await node().agent.end('SIGKILL');
  node().write('moving', movingTo([NEW]));
  t.is(await socket.ask(), `${targetAt(OLD)} as ${MOVING}:80`);
  await node().agent.start();
  await isClosed(socket);
});

test.serial('an agent that starts anew leaves clients of backends that stay alone', async (t) => {
  if (!canMakeNodes(t)) return;
  await moveService(node(), 'UDP', [OLD]);
  const socket = await connected(t);
  await node().agent.end('SIGTERM');
  await node().agent.start();
  await otherClientLosesItsBackend(t);
  t.is(await socket.ask(), `${targetAt(OLD)} as ${MOVING}:80`);
});

async function connected(t: ExecutionContext, host = MOVING): Promise<ProbeSocket> {
  const socket = await probe.open('udp', 4);
  t.teardown(() => socket.close());
  t.is(await socket.connect(host, 80), '');
  return socket;
}

function isClosed(socket: ProbeSocket): Promise<unknown> {
  return until('the socket is closed', async () => (await socket.peer()) === 'ENOTCONN');
}

function movingTo(backends: readonly string[]): KubeObject[] {
  return kubeService('moving', [MOVING], [{ protocol: 'UDP', port: 80, backends }]);
}

/** Makes `leaving` terminate while NEW is ready. @returns once that is in force. */
async function draining(leaving: string, { serving }: { serving: boolean }): Promise<void> {
  const [service, slice] = movingTo([leaving, NEW]) as [KubeObject, KubeObject];
  const endpoints = [
    { addresses: [leaving], conditions: { ready: false, serving, terminating: true } },
    { addresses: [NEW], conditions: { ready: true } },
  ];
  node().write('moving', [service, { ...slice, endpoints }]);
  await until('new traffic goes elsewhere', () => {
    const frontend = kernelFrontends(node()).get(`${MOVING}:80/UDP`);
    return frontend?.backends.join() === targetAt(NEW);
  });
}

async function otherClientLosesItsBackend(t: ExecutionContext): Promise<void> {
  const host = '10.96.0.7';
  const write = (backends: readonly string[]) =>
    node().write('other', kubeService('other', [host], [{ protocol: 'UDP', port: 80, backends }]));
  write(['10.244.1.31']);
  await programmed(node(), `${host}:80/UDP`, [targetAt('10.244.1.31')]);
  const socket = await connected(t, host);
  write([]);
  await isClosed(socket);
  node().remove('other');
}
