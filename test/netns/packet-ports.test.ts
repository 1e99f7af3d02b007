// SPDX-License-Identifier: Apache-2.0
// Source ports of masqueraded connections come to an end: that is said, everything else goes on, and it is
// over when ports are free again.

import test from 'ava';
import { twinOf } from './dual-stack.ts';
import { canMakeNodes } from './node-for-file.ts';
import { inEitherFamily, makeAttempts, type PacketAttempt } from './packet-attempts.ts';
import { packetNetworkForFile } from './packet-network.ts';
import { CLIENT, LOCAL_PODS, NODE_IP, REMOTE_PODS } from './packet-plan.ts';
import { SILENCE } from './packet-rows.ts';
import { addressesOf, packetService } from './packet-services.ts';
import { SocketProbe } from './socket-probe.ts';

const FIRST = 50_000;
const COUNT = 4;
const REMOTE = 1;
const OTHER_REMOTE = 2;
const LOCAL = 3;
const SILENT_MS = 500;

const network = packetNetworkForFile(test, {}, async ({ node }) => {
  node.write('services', [
    ...packetService(REMOTE, REMOTE_PODS.slice(0, 1)),
    ...packetService(OTHER_REMOTE, REMOTE_PODS.slice(1, 2)),
    ...packetService(LOCAL, LOCAL_PODS.slice(0, 1)),
  ]);
  const range = `${FIRST}-${FIRST + COUNT - 1}`;
  node.agent.flags = [...node.agent.flags, '--masquerade-ports', range];
  await node.agent.start();
});

test.serial('no source port is left towards a backend', async (t) => {
  if (!canMakeNodes(t)) return;
  const { node, client } = network();
  const probe = await SocketProbe.start(node, client);
  const held = [];
  const ports = new Set<number>();
  for (let i = 0; i < COUNT; i++) {
    const socket = await probe.open('tcp', 4);
    t.is(await socket.connect(NODE_IP, addressesOf(REMOTE).nodePort), '');
    const { data } = await socket.receive();
    ports.add(Number(data.slice(data.lastIndexOf(':') + 1)));
    held.push(socket);
  }
  t.deepEqual([...ports].sort(), [FIRST, FIRST + 1, FIRST + 2, FIRST + 3]);

  const one = to('tcp', REMOTE);
  t.deepEqual(await makeAttempts(node, client, [one], { patienceMs: SILENT_MS }), [SILENCE]);
  const { stdout } = await node.signalbox('status');
  t.regex(stdout, /masquerade_ports_exhausted/);
  t.regex(stdout, /wider --masquerade-ports/);

  const others = [
    { ...one, address: twinOf(NODE_IP), source: twinOf(CLIENT) },
    ...inEitherFamily(to('udp', REMOTE)),
    ...inEitherFamily(to('tcp', OTHER_REMOTE)),
    ...inEitherFamily(to('tcp', LOCAL)),
  ];
  for (const answer of await makeAttempts(node, client, others)) t.regex(answer, / from /);

  await held[0]?.close();
  t.regex(`${await makeAttempts(node, client, [one])}`, / from /);
});

function to(kind: 'tcp' | 'udp', number: number): PacketAttempt {
  return { kind, source: CLIENT, address: NODE_IP, port: addressesOf(number).nodePort };
}
