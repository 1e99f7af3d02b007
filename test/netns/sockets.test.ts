// SPDX-License-Identifier: Apache-2.0
// What a program sees of a Service through each kind of socket: it lands on a backend, hears from the
// service address, and is refused as by a closed port when there is no backend (semantics 1.20).

import test from 'ava';
import { bothProtocols, kubeService, TARGET_PORT } from './kube-service.ts';
import { canMakeNodes, nodeForFile } from './node-for-file.ts';
import { type AttemptKind, type ProbeSocket, SocketProbe } from './socket-probe.ts';
import { startBackends } from './start-backends.ts';

const PORT = 80;

/** How a program writes an address: the family of its socket, and of its sockaddr. */
interface Form {
  readonly name: string;
  readonly socket: 4 | 6;
  /** The address of Service `n`, as dialled. */
  readonly dialled: (n: number) => string;
  /** The same address, as the kernel writes it back. */
  readonly shown: (n: number) => string;
  /** The same address, in the words of a backend that is reached there. */
  readonly plain: (n: number) => string;
  readonly backend: (n: number) => string;
}

const IPV4: Form = {
  name: 'IPv4',
  socket: 4,
  dialled: (n) => `10.96.0.${n}`,
  shown: (n) => `10.96.0.${n}`,
  plain: (n) => `10.96.0.${n}`,
  backend: (n) => `10.244.1.${n}:${TARGET_PORT}`,
};
const IPV6: Form = {
  name: 'IPv6',
  socket: 6,
  dialled: (n) => `fd00:10:96::${n}`,
  shown: (n) => `[fd00:10:96::${n}]`,
  plain: (n) => `[fd00:10:96::${n}]`,
  backend: (n) => `[fd00:10:244:1::${n}]:${TARGET_PORT}`,
};
const MAPPED: Form = {
  ...IPV4,
  name: 'IPv4-mapped address, AF_INET6 socket',
  socket: 6,
  dialled: (n) => `::ffff:10.96.0.${n}`,
  shown: (n) => `[::ffff:10.96.0.${n}]`,
};
/** Only UDP takes it. */
const IPV4_ON_IPV6: Form = {
  ...MAPPED,
  name: 'AF_INET address, AF_INET6 socket',
  dialled: IPV4.dialled,
};

const FORMS: Readonly<Record<AttemptKind, readonly Form[]>> = {
  tcp: [IPV4, IPV6, MAPPED],
  udp: [IPV4, IPV6, MAPPED, IPV4_ON_IPV6],
  sendto: [IPV4, IPV6, MAPPED, IPV4_ON_IPV6],
};
const ROWS = Object.entries(FORMS).flatMap(([kind, forms]) =>
  forms.map((form) => [kind as AttemptKind, form] as const),
);
const NAMES: Readonly<Record<AttemptKind, string>> = {
  tcp: 'TCP',
  udp: 'connected UDP',
  sendto: 'unconnected UDP',
};

let probe: SocketProbe;

nodeForFile(test, async (node) => {
  node.write('services', [
    ...kubeService(
      'web',
      ['10.96.0.1', 'fd00:10:96::1'],
      bothProtocols(PORT, ['10.244.1.1', 'fd00:10:244:1::1']),
    ),
    // Something listens on its address and port: nobody but the programs can refuse.
    ...kubeService('empty', ['10.96.0.2', 'fd00:10:96::2'], bothProtocols(TARGET_PORT, [])),
    ...kubeService(
      'dns',
      ['10.96.0.3', 'fd00:10:96::3'],
      [
        { protocol: 'TCP', port: 53, backends: ['10.244.1.3', 'fd00:10:244:1::3'] },
        { protocol: 'UDP', port: 53, backends: ['10.244.1.4', 'fd00:10:244:1::4'] },
      ],
    ),
  ]);
  await startBackends(node);
  await node.agent.start();
  probe = await SocketProbe.start(node);
});

/** Which backend answers, what is shown as its address, and as the socket's peer. */
interface Conversation {
  readonly data: string;
  readonly from: string;
  readonly peer: string;
}

async function converse(
  socket: ProbeSocket,
  kind: AttemptKind,
  host: string,
  port: number,
): Promise<Conversation> {
  const errno =
    kind === 'sendto' ? await socket.sendTo([host, port]) : await socket.connect(host, port);
  if (errno) return { data: errno, from: '', peer: '' };
  if (kind === 'udp') await socket.send('?');
  return { ...(await socket.receive()), peer: await socket.peer() };
}

function open(
  kind: AttemptKind,
  { socket }: Form,
  options?: { blocking: boolean },
): Promise<ProbeSocket> {
  return probe.open(kind === 'tcp' ? 'tcp' : 'udp', socket, options);
}

/** What {@link converse} returns when `backend` is shown as `shown`. */
function expected(kind: AttemptKind, backend: string, shown: string): Conversation {
  return {
    data: backend,
    // A TCP socket's recvmsg() names nobody.
    from: kind === 'tcp' ? '' : shown,
    peer: kind === 'sendto' ? 'ENOTCONN' : shown,
  };
}

const reachesBackend = test.macro({
  async exec(t, kind: AttemptKind, form: Form) {
    if (!canMakeNodes(t)) return;
    const socket = await open(kind, form);
    t.deepEqual(
      await converse(socket, kind, form.dialled(1), PORT),
      expected(kind, form.backend(1), `${form.shown(1)}:${PORT}`),
    );
    await socket.close();
  },
  title: (_ = '', kind: AttemptKind, form: Form) =>
    `${NAMES[kind]}, ${form.name}: reaches a backend and sees the service address`,
});

for (const [kind, form] of ROWS) test.serial(reachesBackend, kind, form);

const refused = test.macro({
  async exec(t, kind: AttemptKind, form: Form, blocking: boolean) {
    if (!canMakeNodes(t)) return;
    const socket = await open(kind, form, { blocking });
    const host = form.dialled(2);
    const call = kind === 'sendto' ? socket.sendTo([host, TARGET_PORT]) : undefined;
    t.is(await (call ?? socket.connect(host, TARGET_PORT)), 'ECONNREFUSED');
    t.is(await socket.peer(), 'ENOTCONN');
    await socket.close();
  },
  title: (_ = '', kind: AttemptKind, form: Form, blocking: boolean) =>
    `${NAMES[kind]}, ${form.name}, ${blocking ? '' : 'non-'}blocking: no backend is ECONNREFUSED at once`,
});

for (const [kind, form] of ROWS) {
  test.serial(refused, kind, form, true);
  test.serial(refused, kind, form, false);
}

const closedPort = test.macro({
  async exec(t, kind: AttemptKind, form: Form, blocking: boolean) {
    if (!canMakeNodes(t)) return;
    const socket = await open(kind, form, { blocking });
    // Something listens there, too.
    const host = form.dialled(1);
    const call = kind === 'sendto' ? socket.sendTo([host, TARGET_PORT]) : undefined;
    t.is(await (call ?? socket.connect(host, TARGET_PORT)), 'ECONNREFUSED');
    await socket.close();
  },
  title: (_ = '', kind: AttemptKind, form: Form, blocking: boolean) =>
    `${NAMES[kind]}, ${form.name}, ${blocking ? '' : 'non-'}blocking: another port of a clusterIP is ECONNREFUSED at once`,
});

for (const [kind, form] of ROWS) {
  test.serial(closedPort, kind, form, true);
  test.serial(closedPort, kind, form, false);
}

const leftAlone = test.macro({
  async exec(t, kind: AttemptKind, form: Form) {
    if (!canMakeNodes(t)) return;
    const socket = await open(kind, form);
    // There is no Service 9.
    t.deepEqual(
      await converse(socket, kind, form.dialled(9), TARGET_PORT),
      expected(kind, `${form.plain(9)}:${TARGET_PORT}`, `${form.shown(9)}:${TARGET_PORT}`),
    );
    await socket.close();
  },
  title: (_ = '', kind: AttemptKind, form: Form) =>
    `${NAMES[kind]}, ${form.name}: an address of no Service is left alone`,
});

for (const [kind, form] of ROWS) test.serial(leftAlone, kind, form);

const ownPortPerProtocol = test.macro({
  async exec(t, kind: AttemptKind, form: Form) {
    if (!canMakeNodes(t)) return;
    const socket = await open(kind, form);
    t.deepEqual(
      await converse(socket, kind, form.dialled(3), 53),
      expected(kind, form.backend(kind === 'tcp' ? 3 : 4), `${form.shown(3)}:53`),
    );
    await socket.close();
  },
  title: (_ = '', kind: AttemptKind, form: Form) =>
    `${NAMES[kind]}, ${form.name}: one port number leads TCP and UDP to their own backends`,
});

for (const [kind, form] of ROWS) test.serial(ownPortPerProtocol, kind, form);
