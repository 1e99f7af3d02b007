// SPDX-License-Identifier: Apache-2.0
// killed-anywhere.test.ts for the packet path: the agent is killed in place of each call in turn that puts programs on
// devices, for the first time and in place of those that are there, while clients beyond them connect.

import test, { type ExecutionContext } from 'ava';
import { Pins } from '../../agent/sys/pins.ts';
import { faultTest } from '../faults/fault-test.ts';
import { MortalAgent } from '../faults/mortal-agent.ts';
import { lookAtPins } from '../faults/pinned-look.ts';
import { hasKernel } from '../helpers/requirements.ts';
import { leftOvers } from '../helpers/table-view.ts';
import { inIpv4Words, twinOf } from './dual-stack.ts';
import { TARGET_PORT, targetAt } from './kube-service.ts';
import { canMakeNodes } from './node-for-file.ts';
import { PacketNetwork } from './packet-network.ts';
import { LOCAL_PODS, NODE_IP, REMOTE_PODS } from './packet-plan.ts';
import { addressesOf, packetService, SERVICE_PORT } from './packet-services.ts';
import { type ProbeSocket, SocketProbe, type Target } from './socket-probe.ts';

const [LOCAL = '', OTHER_LOCAL = ''] = LOCAL_PODS;
const [REMOTE = '', OTHER_REMOTE = ''] = REMOTE_PODS;

/** Each with the backends that it may lead to. */
const SERVICES: readonly [number: number, backends: readonly string[]][] = [
  [1, [LOCAL]],
  [2, [REMOTE]],
  // It moves from one to the other.
  [3, [OTHER_LOCAL, OTHER_REMOTE]],
];

const WAYS = SERVICES.flatMap(([number, backends]) =>
  [NODE_IP, addressesOf(number).clusterIP].flatMap((ipv4) =>
    [ipv4, twinOf(ipv4)].flatMap((address) =>
      (['tcp', 'udp'] as const).map((kind) => ({
        target: {
          kind,
          address,
          port: ipv4 === NODE_IP ? addressesOf(number).nodePort : SERVICE_PORT,
        } satisfies Target,
        backends: backends.map(targetAt),
      })),
    ),
  ),
);

/** Puts a program on a device, or says which device it is. */
const OF_DEVICES =
  /^(linkCreate:4[67]|tcHookCreate|tcAttach|objectPin:(links\/tcx|qdiscs)|mapUpdateBatch:devices)/;

type State = 'old' | 'new';

async function makeNetwork(t: ExecutionContext) {
  const network = await PacketNetwork.create();
  t.teardown(() => network.close());
  const { node, client } = network;
  const become = (state: State) =>
    node.write('services', [
      ...packetService(1, [LOCAL]),
      ...packetService(2, [REMOTE]),
      ...packetService(3, [state === 'old' ? OTHER_LOCAL : OTHER_REMOTE]),
    ]);
  become('old');
  const mortal = new MortalAgent(node);
  return { node, mortal, become, probe: await SocketProbe.start(node, client) };
}

const backendIn = (text: string) => inIpv4Words(text.split(' from ')[0] ?? '');

/** A first start: programs come to devices that have none. */
async function firstStarts(t: ExecutionContext): Promise<number> {
  const { node, mortal, probe } = await makeNetwork(t);
  mortal.orders.give('list');
  await node.agent.start();
  const calls = mortal.orders.calls();
  await node.agent.end('SIGKILL');
  const wanted = lookAtPins(node.bpffs).rows;
  const [first, last] = [
    calls.findIndex((call) => OF_DEVICES.test(call)),
    calls.findLastIndex((call) => OF_DEVICES.test(call)),
  ];
  t.true(first > 0);
  const pins = new Pins(node.bpffs);
  for (let number = first + 1; number <= last + 2; number++) {
    pins.removeAll();
    t.true(await mortal.startUntil(number));
    t.deepEqual(mortal.assertLooksRight(wanted, wanted), wanted);
  }
  // From what the last one left, and from the beginning: it serves.
  await mortal.start();
  const attempts = await probe.repeat(
    WAYS.map(({ target }) => target),
    { count: 3 * WAYS.length, timeoutMs: 10_000 },
  );
  t.deepEqual(
    attempts.filter(({ target, landed }) => !WAYS[target]?.backends.includes(backendIn(landed))),
    [],
  );
  t.log(`first starts: ${mortal.deaths.join(' ')}`);
  return mortal.deaths.length;
}

/** Starts of an agent whose programs are on the devices, over a cluster that has changed. */
async function served(t: ExecutionContext): Promise<{ deaths: number; attempts: number }> {
  const { node, mortal, become, probe } = await makeNetwork(t);
  const rows = async (state: State) => {
    become(state);
    await mortal.start();
    await node.agent.end('SIGKILL');
    return lookAtPins(node.bpffs).rows;
  };
  const wanted = { new: await rows('new'), old: await rows('old') };
  const kept = await SocketProbe.start(node, {
    namespace: `${node.namespace}-client`,
    cgroup: node.unservedCgroup,
  });
  const streams = await Promise.all(SERVICES.map(([number]) => connected(kept, 'tcp', number)));
  const greetings: string[] = [];
  for (const stream of streams) greetings.push(backendIn((await stream.receive()).data));
  t.deepEqual(greetings, [LOCAL, REMOTE, OTHER_LOCAL].map(targetAt));
  const datagrams = await connected(kept, 'udp', 1);

  const load = probe.repeat(
    WAYS.map(({ target }) => target),
    { timeoutMs: 30_000, pauseUs: 500 },
  );
  const toWrites = await mortal.dieUntilAttached(become, wanted);
  // Hooks, then devices; what comes then is the same without any.
  for (let number = toWrites + 1; await mortal.startUntil(number); number++) {
    t.deepEqual(mortal.assertLooksRight(wanted.new, wanted.new), wanted.new);
    if (mortal.deaths.at(-1)?.startsWith('mapUpdateBatch:service_counts')) break;
  }
  become('old');
  await mortal.start();
  const { view, rows: last } = lookAtPins(node.bpffs);
  t.deepEqual(last, wanted.old);
  t.deepEqual(leftOvers(view), []);
  probe.stop();
  const attempts = await load;
  t.true(attempts.length > 100);
  t.deepEqual(
    attempts.filter(({ target, landed }) => !WAYS[target]?.backends.includes(backendIn(landed))),
    [],
  );
  for (const stream of streams) {
    t.is(await stream.send('still_here'), '');
    t.is((await stream.receive()).data, 'still_here');
  }
  t.is(await datagrams.send('?'), '');
  t.is(backendIn((await datagrams.receive()).data), targetAt(LOCAL));
  t.log(`starts: ${mortal.deaths.join(' ')}`);
  return { deaths: mortal.deaths.length, attempts: attempts.length };
}

async function connected(
  probe: SocketProbe,
  kind: 'tcp' | 'udp',
  number: number,
): Promise<ProbeSocket> {
  const socket = await probe.open(kind, 4);
  const errno = await socket.connect(NODE_IP, addressesOf(number).nodePort);
  if (errno) throw new Error(`cannot connect to Service ${number} at ${TARGET_PORT}: ${errno}`);
  return socket;
}

faultTest(test, 'kill-between-writes-packets', async (t, report) => {
  if (!canMakeNodes(t)) return;
  t.timeout(300_000);
  // Filters of clsact stay where pins are removed: a first start is not to be had again and again.
  const hasTcx = hasKernel('TCX');
  const [first, later] = await Promise.all([hasTcx ? firstStarts(t) : 0, served(t)]);
  report({ injections: first + later.deaths, attempts: later.attempts, failed: 0, lost: 0 });
});
