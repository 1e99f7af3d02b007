// SPDX-License-Identifier: Apache-2.0
// Sockets that live longer than one connection, or longer than what they are connected to: each always
// shows the peer that the program asked for last, and keeps a backend for as long as it may.

import test from 'ava';
import { programmed } from './kernel-backends.ts';
import { bothProtocols, kubeService, TARGET_PORT } from './kube-service.ts';
import { canMakeNodes, nodeForFile } from './node-for-file.ts';
import { type ProbeSocket, SocketProbe } from './socket-probe.ts';
import { startBackends } from './start-backends.ts';

const WEB = '10.96.0.1';
const OTHER = '10.96.0.2';
const EMPTY = '10.96.0.3';
const LARGE = '10.96.0.4';
const MOVING = '10.96.0.5';

const WEB_BACKEND = '10.244.1.1';
const LARGE_BACKENDS = ['10.244.1.11', '10.244.1.12', '10.244.1.13', '10.244.1.14'];

let probe: SocketProbe;

const node = nodeForFile(test, async (made) => {
  made.write('services', [
    ...kubeService('web', [WEB], bothProtocols(80, [WEB_BACKEND])),
    ...kubeService('other', [OTHER], bothProtocols(80, ['10.244.1.2'])),
    ...kubeService('empty', [EMPTY], bothProtocols(TARGET_PORT, [])),
    ...kubeService('large', [LARGE], bothProtocols(80, LARGE_BACKENDS)),
    // Shares its backend with `web`.
    ...kubeService('twin', ['10.96.0.6'], bothProtocols(80, [WEB_BACKEND])),
  ]);
  await startBackends(made);
  await made.agent.start();
  probe = await SocketProbe.start(made);
});

/** A Service of one port for a test to change. @returns once it is programmed. */
async function move(protocol: 'TCP' | 'UDP', backends: readonly string[]): Promise<void> {
  node().write('moving', kubeService('moving', [MOVING], [{ protocol, port: 80, backends }]));
  await programmed(node(), `${MOVING}:80/${protocol}`, backends.map(target));
}

async function removeMoving(protocol: 'TCP' | 'UDP'): Promise<void> {
  node().remove('moving');
  await programmed(node(), `${MOVING}:80/${protocol}`, undefined);
}

function target(address: string): string {
  return `${address}:${TARGET_PORT}`;
}

/** Sends one datagram to a connected peer. @returns who answered, shown as whom. */
async function ask(socket: ProbeSocket): Promise<string> {
  await socket.send('?');
  const { data, from } = await socket.receive();
  return `${data} as ${from}`;
}

/** Sends one datagram. @returns who answered, shown as whom; the errno when it was not sent. */
async function askAt(socket: ProbeSocket, host: string, port = 80): Promise<string> {
  const errno = await socket.sendTo([host, port]);
  if (errno) return errno;
  const { data, from } = await socket.receive();
  return `${data} as ${from}`;
}

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
      t.is(await ask(socket), `${target(backend)} as ${host}:${port}`);
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
  t.is(await ask(socket), `${target(WEB_BACKEND)} as ${WEB}:80`);
  await socket.close();
});

test.serial('connected UDP: after AF_UNSPEC it has no peer and may use any', async (t) => {
  if (!canMakeNodes(t)) return;
  const socket = await probe.open('udp', 4);
  t.is(await socket.connect(WEB, 80), '');
  t.is(await socket.disconnect(), '');
  t.is(await socket.peer(), 'ENOTCONN');
  t.is(
    await askAt(socket, WEB_BACKEND, TARGET_PORT),
    `${target(WEB_BACKEND)} as ${target(WEB_BACKEND)}`,
  );
  t.is(await askAt(socket, OTHER), `${target('10.244.1.2')} as ${OTHER}:80`);
  t.is(await socket.connect(WEB_BACKEND, TARGET_PORT), '');
  t.is(await socket.peer(), target(WEB_BACKEND));
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
      const connected = await ask(socket);
      t.is(await askAt(socket, LARGE), connected);
      await socket.close();
    }
  },
);

test.serial('TCP: after a refused connect() the socket can be used', async (t) => {
  if (!canMakeNodes(t)) return;
  const socket = await probe.open('tcp', 4);
  t.is(await socket.connect(EMPTY, TARGET_PORT), 'ECONNREFUSED');
  t.is(await socket.connect(WEB, 80), '');
  t.is(await socket.peer(), `${WEB}:80`);
  t.is((await socket.receive()).data, target(WEB_BACKEND));
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
    t.is((await socket.receive()).data, target(backend));
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

test.serial('unconnected UDP: a socket keeps its backend', async (t) => {
  if (!canMakeNodes(t)) return;
  const socket = await probe.open('udp', 4);
  const first = await askAt(socket, LARGE);
  t.regex(first, /^10\.244\.1\.1[1-4]:8080 as 10\.96\.0\.4:80$/);
  for (let i = 0; i < 100; i++) t.is(await askAt(socket, LARGE), first);
  await socket.close();
});

test.serial(
  'unconnected UDP: when its backend is gone the next datagram goes to another',
  async (t) => {
    if (!canMakeNodes(t)) return;
    const socket = await probe.open('udp', 4);
    let backends = LARGE_BACKENDS;
    await move('UDP', backends);
    while (backends.length > 1) {
      const before = await askAt(socket, MOVING);
      backends = backends.filter((address) => !before.startsWith(`${address}:`));
      await move('UDP', backends);
      const after = await askAt(socket, MOVING);
      t.true(
        backends.some((address) => after === `${target(address)} as ${MOVING}:80`),
        `${before}, then ${after}; ${backends}`,
      );
      t.is(await askAt(socket, MOVING), after);
    }
    await move('UDP', []);
    t.is(await askAt(socket, MOVING), 'ECONNREFUSED');
    await move('UDP', [WEB_BACKEND]);
    t.is(await askAt(socket, MOVING), `${target(WEB_BACKEND)} as ${MOVING}:80`);
    await removeMoving('UDP');
    await socket.close();
  },
);

test.serial('unconnected UDP: what others lose does not move a socket', async (t) => {
  if (!canMakeNodes(t)) return;
  const socket = await probe.open('udp', 4);
  await move('UDP', LARGE_BACKENDS);
  const before = await askAt(socket, MOVING);
  const kept = before.slice(0, before.indexOf(':'));
  await move('UDP', [kept, '10.244.1.21', '10.244.1.22']);
  for (let i = 0; i < 20; i++) t.is(await askAt(socket, MOVING), before);
  await removeMoving('UDP');
  await socket.close();
});

test.serial('unconnected UDP: several Services on one socket', async (t) => {
  if (!canMakeNodes(t)) return;
  const socket = await probe.open('udp', 4);
  const large = await askAt(socket, LARGE);
  for (let i = 0; i < 10; i++) {
    t.is(await askAt(socket, WEB), `${target(WEB_BACKEND)} as ${WEB}:80`);
    t.is(await askAt(socket, OTHER), `${target('10.244.1.2')} as ${OTHER}:80`);
    t.is(await askAt(socket, EMPTY, TARGET_PORT), 'ECONNREFUSED');
    t.is(await askAt(socket, LARGE), large);
  }
  await socket.close();
});

test.serial(
  'unconnected UDP: one backend under three names answers as the one that was asked',
  async (t) => {
    if (!canMakeNodes(t)) return;
    const socket = await probe.open('udp', 4);
    for (const [host, port] of [
      [WEB, 80],
      ['10.96.0.6', 80],
      [WEB_BACKEND, TARGET_PORT],
      [WEB, 80],
      [WEB_BACKEND, TARGET_PORT],
    ] as const) {
      t.is(await askAt(socket, host, port), `${target(WEB_BACKEND)} as ${host}:${port}`);
    }
    await socket.close();
  },
);

test.serial(
  'UDP: a socket that asked a Service, then connects to its backend, hears the backend',
  async (t) => {
    if (!canMakeNodes(t)) return;
    const socket = await probe.open('udp', 4);
    t.is(await askAt(socket, WEB), `${target(WEB_BACKEND)} as ${WEB}:80`);
    t.is(await socket.connect(WEB_BACKEND, TARGET_PORT), '');
    t.is(await ask(socket), `${target(WEB_BACKEND)} as ${target(WEB_BACKEND)}`);
    t.is(await socket.peer(), target(WEB_BACKEND));
    await socket.close();
  },
);

test.serial('unconnected UDP: sockets choose for themselves', async (t) => {
  if (!canMakeNodes(t)) return;
  const answers = new Set<string>();
  // Chance alone gives 40 sockets the same of 4 backends once in 10^23 runs.
  for (let i = 0; i < 40; i++) {
    const socket = await probe.open('udp', 4);
    answers.add(await askAt(socket, LARGE));
    await socket.close();
  }
  t.true(answers.size > 1, [...answers].join());
});

test.serial('unconnected UDP: sendmmsg() and recvmmsg() with several Services', async (t) => {
  if (!canMakeNodes(t)) return;
  for (const [family, prefix] of [
    [4, ''],
    [6, '::ffff:'],
  ] as const) {
    const socket = await probe.open('udp', family);
    const hosts = [WEB, OTHER, LARGE].map((host) => `${prefix}${host}`);
    t.is(await socket.sendTo(...hosts.map((host) => [host, 80] as const)), '');
    const received = await socket.receiveMany(3);
    const shown = hosts.map((host) => (family === 6 ? `[${host}]:80` : `${host}:80`));
    t.deepEqual(received.map(({ from }) => from).sort(), shown.sort());
    await socket.close();
  }
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
    await move('TCP', [WEB_BACKEND]);
    t.is(await socket.connect(MOVING, 80), '');
    t.is((await socket.receive()).data, target(WEB_BACKEND));
    const isAlive = async (word: string) => {
      t.is(await socket.send(word), '');
      t.is((await socket.receive()).data, word);
      t.is(await socket.peer(), `${MOVING}:80`);
    };
    await move('TCP', ['10.244.1.21']);
    await isAlive('moved');
    await move('TCP', []);
    await isAlive('emptied');
    await removeMoving('TCP');
    await isAlive('deleted');
    await socket.close();
  },
);

test.serial(
  'UDP: answers to a Service that is deleted meanwhile come from its address',
  async (t) => {
    if (!canMakeNodes(t)) return;
    const connected = await probe.open('udp', 4);
    const unconnected = await probe.open('udp', 4);
    await move('UDP', [WEB_BACKEND]);
    t.is(await connected.connect(MOVING, 80), '');
    t.is(await connected.send('?'), '');
    t.is(await unconnected.sendTo([MOVING, 80]), '');
    await removeMoving('UDP');
    t.is((await connected.receive()).from, `${MOVING}:80`);
    t.is((await unconnected.receive()).from, `${MOVING}:80`);
    t.is(await connected.peer(), `${MOVING}:80`);
    await connected.close();
    await unconnected.close();
  },
);
