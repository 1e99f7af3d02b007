// SPDX-License-Identifier: Apache-2.0
// Connected sockets that live longer than one connection, or longer than what they are connected to: each
// shows the peer that the program asked for last.

import test from 'ava';
import { TARGET_PORT, targetAt } from './kube-service.ts';
import { MOVING, moveService, removeService } from './moving-service.ts';
import { canMakeNodes, nodeForFile } from './node-for-file.ts';
import { SocketProbe } from './socket-probe.ts';
import { EMPTY, LARGE, OTHER, SERVICES, WEB, WEB_BACKEND } from './socket-services.ts';
import { startBackends } from './start-backends.ts';

let probe: SocketProbe;

const node = nodeForFile(test, async (made) => {
  made.write('services', SERVICES);
  await startBackends(made);
  await made.agent.start();
  probe = await SocketProbe.start(made);
});

test.serial(
  'connected UDP: a Service, then its backend itself, then another Service',
  async (t) => {
    if (!canMakeNodes(t)) return;
    const socket = await probe.open('udp', 4);
    for (const [host, port, backend] of [
      [WEB, 80, WEB_BACKEND],
      [WEB_BACKEND, TARGET_PORT, WEB_BACKEND],
      [OTHER, 80, '10.244.1.2'],
      [WEB, 80, WEB_BACKEND],
    ] as const) {
      t.is(await socket.connect(host, port), '');
      t.is(await socket.peer(), `${host}:${port}`);
      t.is(await socket.ask(), `${targetAt(backend)} as ${host}:${port}`);
    }
    await socket.close();
  },
);

test.serial('connected UDP: after a refused connect() the peer is the one before', async (t) => {
  if (!canMakeNodes(t)) return;
  const socket = await probe.open('udp', 4);
  t.is(await socket.connect(EMPTY, TARGET_PORT), 'ECONNREFUSED');
  t.is(await socket.peer(), 'ENOTCONN');
  t.is(await socket.connect(WEB, 80), '');
  t.is(await socket.connect(EMPTY, TARGET_PORT), 'ECONNREFUSED');
  t.is(await socket.peer(), `${WEB}:80`);
  t.is(await socket.ask(), `${targetAt(WEB_BACKEND)} as ${WEB}:80`);
  await socket.close();
});

test.serial(
  'connected UDP: a connect() that finds no route leaves the peer as it is',
  async (t) => {
    if (!canMakeNodes(t)) return;
    const socket = await probe.open('udp', 4);
    t.is(await socket.connect(WEB, 80), '');
    t.is(await socket.connect('192.0.2.1', 80), 'ENETUNREACH');
    t.is(await socket.peer(), `${WEB}:80`);
    t.is(await socket.ask(), `${targetAt(WEB_BACKEND)} as ${WEB}:80`);
    await socket.close();
  },
);

test.serial('connected UDP: after AF_UNSPEC it has no peer and may use any', async (t) => {
  if (!canMakeNodes(t)) return;
  const socket = await probe.open('udp', 4);
  t.is(await socket.connect(WEB, 80), '');
  t.is(await socket.disconnect(), '');
  t.is(await socket.peer(), 'ENOTCONN');
  t.is(
    await socket.askAt(WEB_BACKEND, TARGET_PORT),
    `${targetAt(WEB_BACKEND)} as ${targetAt(WEB_BACKEND)}`,
  );
  t.is(await socket.askAt(OTHER, 80), `${targetAt('10.244.1.2')} as ${OTHER}:80`);
  t.is(await socket.connect(WEB_BACKEND, TARGET_PORT), '');
  t.is(await socket.peer(), targetAt(WEB_BACKEND));
  await socket.close();
});

test.serial(
  'connected UDP: a datagram that names the Service goes to the same backend',
  async (t) => {
    if (!canMakeNodes(t)) return;
    // The kernel takes datagrams of no other peer: a socket whose sendto() went elsewhere hears nothing.
    for (let i = 0; i < 20; i++) {
      const socket = await probe.open('udp', 4);
      t.is(await socket.connect(LARGE, 80), '');
      const connected = await socket.ask();
      t.is(await socket.askAt(LARGE, 80), connected);
      await socket.close();
    }
  },
);

test.serial(
  'connected UDP: a datagram that names the Service goes to the same backend while that drains',
  async (t) => {
    if (!canMakeNodes(t)) return;
    const [one, other] = ['10.244.1.21', '10.244.1.22'];
    await moveService(node(), 'UDP', [one]);
    const socket = await probe.open('udp', 4);
    t.is(await socket.connect(MOVING, 80), '');
    const conditions = { ready: false, serving: true, terminating: true };
    const backends = [{ address: one, conditions }, other];
    await moveService(node(), 'UDP', backends, { eligible: [other] });
    t.is(await socket.ask(), `${targetAt(one)} as ${MOVING}:80`);
    t.is(await socket.askAt(MOVING, 80), `${targetAt(one)} as ${MOVING}:80`);
    await removeService(node(), 'UDP');
    await socket.close();
  },
);

test.serial('TCP: after a refused connect() the socket can be used', async (t) => {
  if (!canMakeNodes(t)) return;
  const socket = await probe.open('tcp', 4);
  t.is(await socket.connect(EMPTY, TARGET_PORT), 'ECONNREFUSED');
  t.is(await socket.connect(WEB, 80), '');
  t.is(await socket.peer(), `${WEB}:80`);
  t.is((await socket.receive()).data, targetAt(WEB_BACKEND));
  await socket.close();
});

test.serial('TCP: after AF_UNSPEC the next connection shows its own peer', async (t) => {
  if (!canMakeNodes(t)) return;
  const socket = await probe.open('tcp', 4);
  for (const [host, port, backend] of [
    [WEB, 80, WEB_BACKEND],
    [WEB_BACKEND, TARGET_PORT, WEB_BACKEND],
    [OTHER, 80, '10.244.1.2'],
  ] as const) {
    t.is(await socket.connect(host, port), '');
    t.is(await socket.peer(), `${host}:${port}`);
    t.is((await socket.receive()).data, targetAt(backend));
    t.is(await socket.disconnect(), '');
    t.is(await socket.peer(), 'ENOTCONN');
  }
  await socket.close();
});

test.serial('TCP: a second connect() on an open connection changes nothing', async (t) => {
  if (!canMakeNodes(t)) return;
  const socket = await probe.open('tcp', 4);
  t.is(await socket.connect(WEB, 80), '');
  t.is(await socket.connect(OTHER, 80), 'EISCONN');
  t.is(await socket.connect(WEB_BACKEND, TARGET_PORT), 'EISCONN');
  t.is(await socket.peer(), `${WEB}:80`);
  await socket.close();
});

test.serial('connected UDP: recvmmsg() shows the Service', async (t) => {
  if (!canMakeNodes(t)) return;
  const socket = await probe.open('udp', 4);
  t.is(await socket.connect(LARGE, 80), '');
  for (let i = 0; i < 3; i++) t.is(await socket.send('?'), '');
  const received = await socket.receiveMany(3);
  t.deepEqual(new Set(received.map(({ from }) => from)), new Set([`${LARGE}:80`]));
  t.is(new Set(received.map(({ data }) => data)).size, 1);
  await socket.close();
});

test.serial(
  'TCP: an open connection survives its backend’s removal and its Service’s deletion',
  async (t) => {
    if (!canMakeNodes(t)) return;
    const socket = await probe.open('tcp', 4);
    await moveService(node(), 'TCP', [WEB_BACKEND]);
    t.is(await socket.connect(MOVING, 80), '');
    t.is((await socket.receive()).data, targetAt(WEB_BACKEND));
    const isAlive = async (word: string) => {
      t.is(await socket.send(word), '');
      t.is((await socket.receive()).data, word);
      t.is(await socket.peer(), `${MOVING}:80`);
    };
    await moveService(node(), 'TCP', ['10.244.1.21']);
    await isAlive('moved');
    await moveService(node(), 'TCP', []);
    await isAlive('emptied');
    await removeService(node(), 'TCP');
    await isAlive('deleted');
    await socket.close();
  },
);

test.serial(
  'unconnected UDP: answers to a Service that is deleted meanwhile come from its address',
  async (t) => {
    if (!canMakeNodes(t)) return;
    // Connected sockets are closed then: leaving-backends.test.ts.
    const socket = await probe.open('udp', 4);
    await moveService(node(), 'UDP', [WEB_BACKEND]);
    t.is(await socket.sendTo([MOVING, 80]), '');
    await removeService(node(), 'UDP');
    t.is((await socket.receive()).from, `${MOVING}:80`);
    await socket.close();
  },
);
