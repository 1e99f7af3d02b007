// SPDX-License-Identifier: Apache-2.0
// Connections from outside that outlive what they began with: their backend, the agent, entries of theirs in
// the kernel's table (semantics 1.15; design: it outlives its agent).

import { setTimeout as sleep } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { FlowFlags } from '../../agent/sys/layout.gen.ts';
import { openPacketTables } from '../../agent/sys/packet-tables.ts';
import { Pins } from '../../agent/sys/pins.ts';
import { type FaultBody, faultTest } from '../faults/fault-test.ts';
import { inIpv4Words, twinOf } from './dual-stack.ts';
import { programmed } from './kernel-backends.ts';
import type { EndpointSketch } from './kube-service.ts';
import { TARGET_PORT, targetAt } from './kube-service.ts';
import { comesTo } from './landings.ts';
import { canMakeNodes } from './node-for-file.ts';
import { packetNetworkForFile } from './packet-network.ts';
import { CLIENT, LOCAL_PODS, NODE_IP, REMOTE_PODS } from './packet-plan.ts';
import { addressesOf, packetService, SERVICE_PORT } from './packet-services.ts';
import { type ProbeSocket, SocketProbe, type Target } from './socket-probe.ts';

const [LOCAL = '', OTHER_LOCAL = ''] = LOCAL_PODS;
const [REMOTE = '', OTHER_REMOTE = ''] = REMOTE_PODS;

/** Its backends move. */
const MOVING = 1;
const STEADY: readonly [number: number, backend: string][] = [
  [2, LOCAL],
  [3, REMOTE],
];
/** To a port at which a probe listens in a pod. */
const PROBED: readonly [number: number, backend: string][] = [
  [4, LOCAL],
  [5, REMOTE],
];
const PROBE_PORT = 9000;

/** FLOW_CHECK_NS and the step of the clock: a flow that is used looks for its other half this often. */
const CHECKED_WITHIN_MS = 150;

let probe: SocketProbe;
let nextPort = 20_000;

const network = packetNetworkForFile(test, {}, async ({ node, client }) => {
  node.write('services', [
    ...STEADY.flatMap(([number, backend]) => packetService(number, [backend])),
    ...PROBED.flatMap(([number, backend]) =>
      packetService(number, [backend], { targetPort: PROBE_PORT }),
    ),
  ]);
  await node.agent.start();
  probe = await SocketProbe.start(node, client);
});

type Family = 4 | 6;

for (const [from, to] of [
  [LOCAL, OTHER_LOCAL],
  [REMOTE, OTHER_REMOTE],
  [LOCAL, REMOTE],
  [REMOTE, LOCAL],
] as const) {
  for (const family of [4, 6] as const) {
    test.serial(`IPv${family}: from ${from} to ${to}: TCP stays, UDP moves`, async (t) => {
      if (!canMakeNodes(t)) return;
      await move([from]);
      const stream = await connected('tcp', family, MOVING);
      t.is(await greeting(stream), targetAt(from));
      const datagrams = await connected('udp', family, MOVING);
      t.is(await answer(datagrams), targetAt(from));

      await move([terminating(from), to], [to]);
      t.is(await echoOf(stream, 'terminating'), 'terminating');
      await sleep(CHECKED_WITHIN_MS);
      // It still serves: what it has it keeps.
      t.is(await answer(datagrams), targetAt(from));
      const later = await connected('tcp', family, MOVING);
      t.is(await greeting(later), targetAt(to));

      await move([to]);
      t.is(await echoOf(stream, 'gone'), 'gone');
      await comesTo(t, targetAt(to), () => answer(datagrams));

      await move([]);
      t.is(await echoOf(stream, 'nobody'), 'nobody');
      await comesTo(t, 'ECONNREFUSED', () => answer(datagrams));
      await move([from]);
      await comesTo(t, targetAt(from), () => answer(datagrams));
      for (const socket of [stream, datagrams, later]) await socket.close();
    });
  }
}

for (const half of ['request', 'reply'] as const) {
  test.serial(`flows of which the ${half} half is lost go on`, async (t) => {
    if (!canMakeNodes(t)) return;
    for (const [number, backend] of PROBED) {
      for (const family of [4, 6] as const) await survivesWithout(t, half, number, backend, family);
    }
  });
}

test.serial('a pod is dialled directly, from a port that dials it as a backend too', async (t) => {
  if (!canMakeNodes(t)) return;
  const pairs = STEADY.flatMap(([number, backend]) =>
    (['tcp', 'udp'] as const).flatMap((kind) =>
      ([4, 6] as const).map((family) => ({ number, backend, kind, family })),
    ),
  );
  for (const { number, backend, kind, family } of pairs) {
    const port = nextPort++;
    const byService = await connected(kind, family, number, port);
    if (kind === 'tcp') t.is(await greeting(byService), targetAt(backend));
    else t.is(await answer(byService), targetAt(backend));
    const direct = await probe.open(kind, family);
    const own = family === 4 ? CLIENT : twinOf(CLIENT);
    t.is(await direct.bindShared(own, port), '');
    t.is(await direct.connect(family === 4 ? backend : twinOf(backend), TARGET_PORT), '');
    if (kind === 'tcp') t.is(await greeting(direct), targetAt(backend));
    for (const word of ['one', 'two']) {
      for (const socket of [direct, byService]) {
        if (kind === 'tcp') t.is(await echoOf(socket, word), word);
        else t.is(await answer(socket), targetAt(backend));
      }
    }
    await byService.close();
    await direct.close();
  }
});

const killedUnderLoad: FaultBody = async (t, report) => {
  if (!canMakeNodes(t)) return;
  const { agent } = network().node;
  const streams = await Promise.all(
    STEADY.map(async ([number, backend]) => {
      const stream = await connected('tcp', 4, number);
      t.is(await greeting(stream), targetAt(backend));
      return stream;
    }),
  );
  const load = await SocketProbe.start(network().node, network().client);
  const ways = STEADY.flatMap(([number, backend]) =>
    [NODE_IP, twinOf(NODE_IP)].flatMap((address) =>
      (['tcp', 'udp'] as const).map((kind) => ({ kind, address, number, backend })),
    ),
  );
  const targets = ways.map(
    ({ kind, address, number }): Target => ({ kind, address, port: addressesOf(number).nodePort }),
  );
  const attempts = load.repeat(targets, { timeoutMs: 30_000, pauseUs: 200 });
  await sleep(100);
  t.is(await agent.end('SIGKILL'), null);
  await sleep(100);
  await agent.start();
  await sleep(100);
  load.stop();
  const made = await attempts;
  t.true(made.length > 100);
  t.deepEqual(
    made.filter(({ target, landed }) => backendIn(landed) !== targetAt(`${ways[target]?.backend}`)),
    [],
  );
  for (const stream of streams) {
    t.is(await echoOf(stream, 'still here'), 'still here');
    await stream.close();
  }
  report({ injections: 1, attempts: made.length, failed: 0, lost: 0 });
};

faultTest(test, 'kill-under-load', killedUnderLoad, 'SIGKILL, packets');

async function survivesWithout(
  t: ExecutionContext,
  half: 'request' | 'reply',
  number: number,
  backend: string,
  family: Family,
): Promise<void> {
  const { node } = network();
  const inside = await SocketProbe.start(node, network().pod(backend));
  const own = family === 4 ? backend : twinOf(backend);
  const listener = await inside.open('tcp', family);
  t.is(await listener.bind(own, PROBE_PORT), '');
  t.is(await listener.listen(), '');
  const server = await inside.open('udp', family);
  t.is(await server.bind(own, PROBE_PORT), '');

  const stream = await connected('tcp', family, number);
  const accepted = await listener.accept();
  const datagrams = await connected('udp', family, number);
  t.is(await datagrams.send('?'), '');
  const { from } = await server.receive();
  const [, address = '', port] = /^\[?([^\]]+?)\]?:(\d+)$/.exec(from) ?? [];

  const fromClient = async () => {
    t.is(await stream.send('request'), '');
    t.is((await accepted.receive()).data, 'request');
    t.is(await datagrams.send('request'), '');
    t.is((await server.receive()).data, 'request');
  };
  const fromBackend = async () => {
    t.is(await accepted.send('reply'), '');
    t.is((await stream.receive()).data, 'reply');
    t.is(await server.sendTo([address, Number(port)]), '');
    t.is((await datagrams.receive()).data, '?');
  };
  await fromClient();
  await fromBackend();
  // The half that is left is used first, and mends the other.
  const order = half === 'reply' ? [fromClient, fromBackend] : [fromBackend, fromClient];
  for (let round = 0; round < 3; round++) {
    await sleep(CHECKED_WITHIN_MS);
    t.true(loseFlows(half) > 0);
    for (const exchange of order) await exchange();
  }
  await stream.close();
  inside.close();
}

/** @returns how many entries were taken out of the kernel's table. */
function loseFlows(half: 'request' | 'reply'): number {
  const { flows, close } = openPacketTables(new Pins(network().node.bpffs));
  const wanted = half === 'request' ? FlowFlags.REQUEST : 0;
  const keys = flows
    .entries()
    .filter(([, { flags }]) => (flags & FlowFlags.REQUEST) === wanted)
    .map(([key]) => key);
  flows.delete(keys);
  close();
  return keys.length;
}

/** From a port that no flow has had. */
async function connected(
  kind: 'tcp' | 'udp',
  family: Family,
  number: number,
  port = nextPort++,
): Promise<ProbeSocket> {
  const { clusterIP } = addressesOf(number);
  const socket = await probe.open(kind, family);
  const inFamily = (ipv4: string) => (family === 4 ? ipv4 : twinOf(ipv4));
  await socket.bindShared(inFamily(CLIENT), port);
  const errno = await socket.connect(inFamily(clusterIP), SERVICE_PORT);
  if (errno) throw new Error(`cannot connect to ${clusterIP}: ${errno}`);
  return socket;
}

/** Gives {@link MOVING} these endpoints. @param eligible those for new connections. */
async function move(
  endpoints: readonly (string | EndpointSketch)[],
  eligible = endpoints as readonly string[],
): Promise<void> {
  const { node } = network();
  const { clusterIP } = addressesOf(MOVING);
  node.write('moving', packetService(MOVING, endpoints));
  for (const protocol of ['TCP', 'UDP']) {
    const targets = eligible.map((pod) => `[${twinOf(pod)}]:${TARGET_PORT}`);
    await programmed(node, `${clusterIP}:${SERVICE_PORT}/${protocol}`, eligible.map(targetAt));
    await programmed(node, `[${twinOf(clusterIP)}]:${SERVICE_PORT}/${protocol}`, targets);
  }
}

function terminating(address: string): EndpointSketch {
  return { address, conditions: { ready: false, serving: true, terminating: true } };
}

async function greeting(stream: ProbeSocket): Promise<string> {
  return backendIn((await stream.receive()).data);
}

async function echoOf(stream: ProbeSocket, word: string): Promise<string> {
  await stream.send(word.replaceAll(' ', '_'));
  return (await stream.receive()).data.replaceAll('_', ' ');
}

/** Which backend answers a datagram, or the errno. */
async function answer(datagrams: ProbeSocket): Promise<string> {
  const errno = await datagrams.send('?');
  if (errno) return errno;
  try {
    return backendIn((await datagrams.receive()).data);
  } catch (error) {
    return (error as Error).message.replace('nothing received: ', '');
  }
}

function backendIn(text: string): string {
  return inIpv4Words(text.split(' from ')[0] ?? '');
}
