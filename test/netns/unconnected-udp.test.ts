// SPDX-License-Identifier: Apache-2.0
// Unconnected UDP: a socket keeps its backend for as long as it may, moves at once when it may not, and
// hears each answer from whom it asked (semantics 1.20).

import test from 'ava';
import { beginDraining, markHandedOver } from '../../agent/reconcile/draining.ts';
import { openTables } from '../../agent/sys/datapath.ts';
import { Pins } from '../../agent/sys/pins.ts';
import { placeOwners, takeEveryPlace } from './dial-places.ts';
import { bothProtocols, kubeService, TARGET_PORT, targetAt } from './kube-service.ts';
import { MOVING, moveService, removeService } from './moving-service.ts';
import { canMakeNodes, nodeForFile } from './node-for-file.ts';
import { SocketProbe } from './socket-probe.ts';
import {
  EMPTY,
  LARGE,
  LARGE_BACKENDS,
  OTHER,
  SERVICES,
  WEB,
  WEB_BACKEND,
} from './socket-services.ts';
import { startBackends } from './start-backends.ts';

const NODE_NAME = 'here';
/** Shares its backend with `web`. */
const TWIN = '10.96.0.6';

let probe: SocketProbe;

const node = nodeForFile(test, async (made) => {
  made.write('services', [
    ...SERVICES,
    ...kubeService('twin', [TWIN], bothProtocols(80, [WEB_BACKEND])),
  ]);
  await startBackends(made);
  made.agent.flags = ['--node-name', NODE_NAME];
  await made.agent.start();
  probe = await SocketProbe.start(made);
});

test.serial(
  'unconnected UDP: a socket that found its place late hears whom it asked',
  async (t) => {
    if (!canMakeNodes(t)) return;
    const open = await takeEveryPlace(node().bpffs, probe, [WEB, 80]);
    const socket = await probe.open('udp', 4);
    t.is(await socket.askAt(WEB, 80), `${targetAt(WEB_BACKEND)} as ${WEB}:80`);
    await open.close();
    for (const host of [TWIN, WEB, TWIN])
      t.is(await socket.askAt(host, 80), `${targetAt(WEB_BACKEND)} as ${host}:80`);
    await socket.close();
  },
);

for (const where of ['', ', every place an open socket’s']) {
  if (where)
    test.serial('every place is taken', async (t) => {
      if (!canMakeNodes(t)) return;
      await takeEveryPlace(node().bpffs, probe, [WEB, 80]);
      t.is(placeOwners(node().bpffs).size, 1);
    });

  test.serial(`unconnected UDP${where}: a socket keeps its backend`, async (t) => {
    if (!canMakeNodes(t)) return;
    const socket = await probe.open('udp', 4);
    const first = await socket.askAt(LARGE, 80);
    t.regex(first, /^10\.244\.1\.1[1-4]:8080 as 10\.96\.0\.4:80$/);
    for (let i = 0; i < 100; i++) t.is(await socket.askAt(LARGE, 80), first);
    await socket.close();
  });

  test.serial(
    `unconnected UDP${where}: when its backend is gone the next datagram goes to another`,
    async (t) => {
      if (!canMakeNodes(t)) return;
      const socket = await probe.open('udp', 4);
      let backends = LARGE_BACKENDS;
      await moveService(node(), 'UDP', backends);
      while (backends.length > 1) {
        const before = await socket.askAt(MOVING, 80);
        backends = backends.filter((address) => !before.startsWith(`${address}:`));
        await moveService(node(), 'UDP', backends);
        const after = await socket.askAt(MOVING, 80);
        t.true(
          backends.some((address) => after === `${targetAt(address)} as ${MOVING}:80`),
          `${before}, then ${after}; ${backends}`,
        );
        t.is(await socket.askAt(MOVING, 80), after);
      }
      await moveService(node(), 'UDP', []);
      t.is(await socket.askAt(MOVING, 80), 'ECONNREFUSED');
      await moveService(node(), 'UDP', [WEB_BACKEND]);
      t.is(await socket.askAt(MOVING, 80), `${targetAt(WEB_BACKEND)} as ${MOVING}:80`);
      await removeService(node(), 'UDP');
      await socket.close();
    },
  );

  test.serial(`unconnected UDP${where}: what others lose does not move a socket`, async (t) => {
    if (!canMakeNodes(t)) return;
    const socket = await probe.open('udp', 4);
    await moveService(node(), 'UDP', LARGE_BACKENDS);
    const before = await socket.askAt(MOVING, 80);
    const kept = before.slice(0, before.indexOf(':'));
    await moveService(node(), 'UDP', [kept, '10.244.1.21', '10.244.1.22']);
    for (let i = 0; i < 20; i++) t.is(await socket.askAt(MOVING, 80), before);
    await removeService(node(), 'UDP');
    await socket.close();
  });

  test.serial(
    `unconnected UDP${where}: a backend that drains is not kept while others are ready`,
    async (t) => {
      if (!canMakeNodes(t)) return;
      const socket = await probe.open('udp', 4);
      const [one, other] = ['10.244.1.21', '10.244.1.22'];
      const conditions = { ready: false, serving: true, terminating: true };
      const draining = { address: one, conditions };
      const answerOf = (address: string) => `${targetAt(address)} as ${MOVING}:80`;
      await moveService(node(), 'UDP', [one]);
      t.is(await socket.askAt(MOVING, 80), answerOf(one));
      // Nothing else is there: it goes on serving.
      await moveService(node(), 'UDP', [draining]);
      t.is(await socket.askAt(MOVING, 80), answerOf(one));
      await moveService(node(), 'UDP', [draining, other], { eligible: [other] });
      t.is(await socket.askAt(MOVING, 80), answerOf(other));
      await removeService(node(), 'UDP');
      await socket.close();
    },
  );

  test.serial(
    `unconnected UDP${where}: a policy that leaves its backend out moves a socket`,
    async (t) => {
      if (!canMakeNodes(t)) return;
      const socket = await probe.open('udp', 4);
      const here = { address: '10.244.1.21', nodeName: NODE_NAME };
      const there = { address: '10.244.1.22', nodeName: 'there' };
      await moveService(node(), 'UDP', [there]);
      const answer = await socket.askAt(MOVING, 80);
      t.is(answer, `${targetAt(there.address)} as ${MOVING}:80`);
      await moveService(node(), 'UDP', [here, there]);
      for (let i = 0; i < 20; i++) t.is(await socket.askAt(MOVING, 80), answer);
      const spec = { internalTrafficPolicy: 'Local' };
      await moveService(node(), 'UDP', [here, there], { eligible: [here], spec });
      t.is(await socket.askAt(MOVING, 80), `${targetAt(here.address)} as ${MOVING}:80`);
      await moveService(node(), 'UDP', [there], { eligible: [], spec });
      t.is(await socket.askAt(MOVING, 80), 'EHOSTUNREACH');
      await removeService(node(), 'UDP');
      await socket.close();
    },
  );

  test.serial(`unconnected UDP${where}: several Services on one socket`, async (t) => {
    if (!canMakeNodes(t)) return;
    const socket = await probe.open('udp', 4);
    const large = await socket.askAt(LARGE, 80);
    for (let i = 0; i < 10; i++) {
      t.is(await socket.askAt(WEB, 80), `${targetAt(WEB_BACKEND)} as ${WEB}:80`);
      t.is(await socket.askAt(OTHER, 80), `${targetAt('10.244.1.2')} as ${OTHER}:80`);
      t.is(await socket.askAt(EMPTY, TARGET_PORT), 'ECONNREFUSED');
      t.is(await socket.askAt(LARGE, 80), large);
    }
    await socket.close();
  });

  test.serial(
    `unconnected UDP${where}: one backend under three names answers as the one that was asked`,
    async (t) => {
      if (!canMakeNodes(t)) return;
      const socket = await probe.open('udp', 4);
      for (const [host, port] of [
        [WEB, 80],
        [TWIN, 80],
        [WEB_BACKEND, TARGET_PORT],
        [WEB, 80],
        [WEB_BACKEND, TARGET_PORT],
      ] as const) {
        t.is(await socket.askAt(host, port), `${targetAt(WEB_BACKEND)} as ${host}:${port}`);
      }
      await socket.close();
    },
  );

  test.serial(
    `UDP${where}: a socket that asked a Service, then connects to its backend, hears the backend`,
    async (t) => {
      if (!canMakeNodes(t)) return;
      const socket = await probe.open('udp', 4);
      t.is(await socket.askAt(WEB, 80), `${targetAt(WEB_BACKEND)} as ${WEB}:80`);
      t.is(await socket.connect(WEB_BACKEND, TARGET_PORT), '');
      t.is(await socket.ask(), `${targetAt(WEB_BACKEND)} as ${targetAt(WEB_BACKEND)}`);
      t.is(await socket.peer(), targetAt(WEB_BACKEND));
      await socket.close();
    },
  );

  test.serial(`unconnected UDP${where}: sockets choose for themselves`, async (t) => {
    if (!canMakeNodes(t)) return;
    const answers = new Set<string>();
    // Chance alone gives 40 sockets the same of 4 backends once in 10^23 runs.
    for (let i = 0; i < 40; i++) {
      const socket = await probe.open('udp', 4);
      answers.add(await socket.askAt(LARGE, 80));
      await socket.close();
    }
    t.true(answers.size > 1, [...answers].join());
  });

  test.serial(
    `unconnected UDP${where}: sendmmsg() and recvmmsg() with several Services`,
    async (t) => {
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
    },
  );

  test.serial(
    `while another proxy takes over, what goes on keeps its backend${where}`,
    async (t) => {
      if (!canMakeNodes(t)) return;
      const [kept, connected, later] = [
        await probe.open('udp', 4),
        await probe.open('udp', 4),
        await probe.open('udp', 4),
      ];
      const first = await kept.askAt(LARGE, 80);
      t.is(await connected.connect(WEB, 80), '');
      const tables = openTables(new Pins(node().bpffs));
      const before = tables.nodes.entries();
      t.teardown(() => {
        tables.nodes.put(before);
        tables.close();
      });
      t.true(beginDraining(tables.nodes));
      for (let i = 0; i < 20; i++) t.is(await kept.askAt(LARGE, 80), first);
      t.is(await connected.ask(), `${targetAt(WEB_BACKEND)} as ${WEB}:80`);
      t.is(await connected.peer(), `${WEB}:80`);
      // What is new is left as it is: it gets to the address itself, where nobody is.
      t.is(await later.connect(WEB, 80), '');
      t.is(await later.peer(), `${WEB}:80`);
      markHandedOver(tables.nodes);
      t.is(await kept.sendTo([LARGE, 80]), '');
      t.is(await connected.ask(), `${targetAt(WEB_BACKEND)} as ${WEB}:80`);
      t.deepEqual(tables.nodes.put(before), []);
      // Nothing has come of that datagram, whose answer would be here by now.
      t.is(await kept.askAt(WEB, 80), `${targetAt(WEB_BACKEND)} as ${WEB}:80`);
      const last = await probe.open('udp', 4);
      t.is(await last.connect(WEB, 80), '');
      t.is(await last.ask(), `${targetAt(WEB_BACKEND)} as ${WEB}:80`);
      for (const socket of [kept, connected, later, last]) await socket.close();
    },
  );
}
