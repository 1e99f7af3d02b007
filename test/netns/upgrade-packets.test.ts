// SPDX-License-Identifier: Apache-2.0
// A build with other layouts is started in place of the one at work, and that one again, under load: what is carried over
// has to be right for packets from outside, and for unconnected UDP of a pod. upgrade.test.ts has the other sockets.

import { readdirSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { PINNED_MAPS } from '../../agent/sys/datapath.ts';
import { FaultOrders } from '../faults/fault-orders.ts';
import { type FaultBody, faultTest } from '../faults/fault-test.ts';
import { inIpv4Words, twinOf } from './dual-stack.ts';
import { canMakeNodes } from './node-for-file.ts';
import { OTHER_LAYOUTS, otherBuild } from './other-build.ts';
import { packetNetworkForFile } from './packet-network.ts';
import { LOCAL_PODS, NODE_IP, REMOTE_PODS } from './packet-plan.ts';
import { addressesOf, packetService, SERVICE_PORT } from './packet-services.ts';
import { type Attempt, type ProbeSocket, SocketProbe, type Target } from './socket-probe.ts';

const [LOCAL = '', CLIENT_POD = ''] = LOCAL_PODS;
const [REMOTE = ''] = REMOTE_PODS;

/** One with a backend of this node, one with a backend of another, two that have both. */
const [NEAR, FAR, EITHER, STICKY, FIRST] = [1, 2, 3, 4, 5];

/** Of each kind: that all of them keep their backend by chance is as likely as 2^-8. */
const SOCKETS = 8;

let theirs: string;
let client: SocketProbe;
let load: SocketProbe;
let inside: SocketProbe;

const network = packetNetworkForFile(test, {}, async (made) => {
  const { node, client: place } = made;
  const both = [LOCAL, REMOTE];
  node.write('services', [
    ...packetService(NEAR, [LOCAL]),
    ...packetService(FAR, [REMOTE]),
    ...packetService(EITHER, both),
    ...packetService(STICKY, both, { spec: { sessionAffinity: 'ClientIP' } }),
    ...packetService(FIRST, [LOCAL]),
  ]);
  theirs = otherBuild(node.directory, 'other', OTHER_LAYOUTS);
  await node.agent.start();
  client = await SocketProbe.start(node, place);
  load = await SocketProbe.start(node, place);
  inside = await SocketProbe.start(node, made.pod(CLIENT_POD));
});

type Family = 4 | 6;
const FAMILIES: readonly Family[] = [4, 6];
const ipOf = (ipv4: string, family: Family) => (family === 4 ? ipv4 : twinOf(ipv4));

/** What goes on, and which backend it has. */
interface Conversation {
  readonly name: string;
  readonly socket: ProbeSocket;
  readonly backend: string;
  readonly ask: () => Promise<string>;
}

async function streams(): Promise<Conversation[]> {
  const all: Conversation[] = [];
  for (const [number, family] of [NEAR, FAR, EITHER].flatMap((n) =>
    FAMILIES.map((f) => [n, f] as const),
  )) {
    const socket = await client.open('tcp', family);
    const { nodePort } = addressesOf(number);
    const errno = await socket.connect(ipOf(NODE_IP, family), nodePort);
    if (errno) throw new Error(`cannot connect to node port ${nodePort}: ${errno}`);
    const backend = backendIn((await socket.receive()).data);
    const ask = async () => {
      await socket.send('still');
      const { data } = await socket.receive();
      return data === 'still' ? backend : data;
    };
    all.push({ name: `TCP to s${number}, IPv${family}`, socket, backend, ask });
    await ask();
  }
  return all;
}

async function datagrams(): Promise<Conversation[]> {
  const { clusterIP } = addressesOf(EITHER);
  return conversations(client, 'UDP from outside', async (socket, family) => {
    await socket.connect(ipOf(clusterIP, family), SERVICE_PORT);
    return () => socket.send('?');
  });
}

/** The first service that such a socket sends to is noted elsewhere: dial.bpf.h. */
async function unconnected(): Promise<Conversation[]> {
  const to = (number: number, family: Family): [string, number] => [
    ipOf(addressesOf(number).clusterIP, family),
    SERVICE_PORT,
  ];
  return conversations(inside, 'UDP of a pod', async (socket, family) => {
    await socket.sendTo(to(FIRST, family));
    await socket.receive();
    return () => socket.sendTo(to(EITHER, family));
  });
}

async function conversations(
  probe: SocketProbe,
  name: string,
  begin: (socket: ProbeSocket, family: Family) => Promise<() => Promise<string>>,
): Promise<Conversation[]> {
  const all: Conversation[] = [];
  for (let i = 0; i < SOCKETS; i++) {
    const family = FAMILIES[i % 2] as Family;
    const socket = await probe.open('udp', family);
    const send = await begin(socket, family);
    const ask = async () => {
      const errno = await send();
      return errno || backendIn((await socket.receive()).data);
    };
    all.push({ name: `${name} ${i}, IPv${family}`, socket, backend: await ask(), ask });
  }
  return all;
}

/** Which backend a new connection to {@link STICKY} finds. */
async function sticky(family: Family): Promise<string> {
  const socket = await client.open('tcp', family);
  const errno = await socket.connect(ipOf(NODE_IP, family), addressesOf(STICKY).nodePort);
  const landed = errno || backendIn((await socket.receive()).data);
  await socket.close();
  return landed;
}

const WAYS: readonly Target[] = [NEAR, FAR].flatMap((number) =>
  FAMILIES.flatMap((family) =>
    (['tcp', 'udp'] as const).map((kind) => {
      const { nodePort } = addressesOf(number);
      return { kind, address: ipOf(NODE_IP, family), port: nodePort };
    }),
  ),
);

/** Everything that goes on, and new connections all the time. */
class Going {
  readonly #conversations: readonly Conversation[];
  readonly #stuck: readonly string[];
  readonly #attempts: Promise<readonly Attempt[]>;

  private constructor(conversations: readonly Conversation[], stuck: readonly string[]) {
    this.#conversations = conversations;
    this.#stuck = stuck;
    this.#attempts = load.repeat(WAYS, { timeoutMs: 30_000, pauseUs: 1000 });
  }

  static async begin(): Promise<Going> {
    const conversations = [...(await streams()), ...(await datagrams()), ...(await unconnected())];
    const stuck = await Promise.all(FAMILIES.map(sticky));
    const going = new Going(conversations, stuck);
    await sleep(100);
    return going;
  }

  /** @returns what has not the backend any more that it had, in words. */
  async lost(): Promise<string[]> {
    const lost: string[] = [];
    for (const { name, backend, ask } of this.#conversations) {
      const now = await ask().catch((error: Error) => error.message);
      if (now !== backend) lost.push(`${name}: ${now} in place of ${backend}`);
    }
    return lost;
  }

  /** @param untilNs of the monotonic clock: what new connections do later is not looked at. */
  async end(t: ExecutionContext, untilNs = Infinity) {
    await sleep(100);
    load.stop();
    const made = (await this.#attempts).filter(({ endNs }) => endNs < untilNs);
    const failed = made.filter(({ landed }) => !landed.includes(':'));
    // A first datagram whose answer comes while its flow is brought over is lost, as datagrams may be (observed: one in
    // 10,000 of those at switches). What began before it goes on.
    const datagrams = failed.filter(({ target }) => WAYS[target]?.kind === 'udp');
    t.deepEqual(failed.filter((attempt) => !datagrams.includes(attempt)).slice(0, 5), []);
    t.true(datagrams.length <= 1, JSON.stringify(datagrams));
    const lost = await this.lost();
    t.deepEqual(lost, []);
    t.deepEqual(await Promise.all(FAMILIES.map(sticky)), this.#stuck);
    for (const { socket } of this.#conversations) await socket.close();
    return { attempts: made.length, failed: failed.length, lost: lost.length };
  }
}

/** Starts an agent in place of the one at work. @param main of another build; undefined: of ours. */
async function start(main: string | undefined): Promise<void> {
  const { agent } = network().node;
  await agent.end('SIGTERM');
  agent.main = main;
  await agent.start();
}

async function changeTo(t: ExecutionContext, main: string | undefined) {
  const before = mapPins();
  const going = await Going.begin();
  await start(main);
  const came = await going.end(t);
  const carried = network().node.agent.log.filter(
    ({ msg }) => msg === 'an older table is carried over',
  );
  t.true(carried.some(({ table, carried: count }) => table === 'flows' && Number(count) > 0));
  t.log(carried.map(({ table, carried: count }) => `${table}: ${count}`).join(', '));
  // Those of the build before are gone, those that it made in the same way are not.
  const after = mapPins();
  t.is(after.length, PINNED_MAPS.length);
  t.true(after.some((pin) => !before.includes(pin)) && after.some((pin) => before.includes(pin)));
  return came;
}

function mapPins(): string[] {
  return readdirSync(path.join(network().node.bpffs, 'maps'));
}

function backendIn(text: string): string {
  return inIpv4Words(text.split(' from ')[0] ?? '');
}

const up: FaultBody = async (t, report) => {
  if (!canMakeNodes(t)) return;
  report({ injections: 1, ...(await changeTo(t, theirs)) });
};

const down: FaultBody = async (t, report) => {
  if (!canMakeNodes(t)) return;
  if (network().node.agent.main === undefined) await changeTo(t, theirs);
  report({ injections: 1, ...(await changeTo(t, undefined)) });
};

/** What carries, switches, and removes what is old: not each link and table, for they are many. */
const ON_THE_WAY =
  /^(mapUpdate(Batch)?:(service_ports|flows|affinities|nodes)|linkUpdate|tcAttach|rmSync)/;

const OF_LINKS = /^(linkUpdate|linkCreate|tcAttach)/;
/** A node with so many devices has links by the dozen. */
const LINKS_APART = 7;

const killed: FaultBody = async (t, report) => {
  if (!canMakeNodes(t)) return;
  const { node } = network();
  const { agent } = node;
  const orders = new FaultOrders(node.directory);
  const ownEnv = agent.env;
  const going = await Going.begin();
  if (agent.main === undefined) await start(theirs);
  agent.env = { ...ownEnv, ...orders.env };
  orders.give('list');
  await start(undefined);
  const places = placesToDie(orders.calls());
  agent.env = ownEnv;
  await start(theirs);

  agent.env = { ...ownEnv, ...orders.env };
  agent.main = undefined;
  const deaths: string[] = [];
  // Between two links the programs on a device are of two builds, and neither knows what the other has begun.
  let switchingNs: number | undefined;
  for (const place of places) {
    await agent.end('SIGKILL');
    orders.give(`kill@${place}`);
    const launchedNs = Number(process.hrtime.bigint());
    agent.launch();
    if ((await agent.outcome()) !== 'SIGKILL') continue;
    if (orders.calls().some((call) => OF_LINKS.test(call))) switchingNs ??= launchedNs;
    deaths.push(orders.calls().at(-1) ?? '');
    t.deepEqual(await going.lost(), [], `killed at ${deaths.at(-1)}`);
  }
  orders.give();
  await start(undefined);
  agent.env = ownEnv;
  const came = await going.end(t, switchingNs);
  t.is(mapPins().length, PINNED_MAPS.length);
  t.log(deaths.join(' '));
  for (const call of [/^mapUpdateBatch:flows/, /^linkUpdate/])
    t.true(deaths.some((death) => call.test(death)));
  const note = 'new connections between two links of two builds are not counted';
  report({ injections: deaths.length, ...came, note });
};

/** The first of each kind of call, and one link of several; from 1. */
function placesToDie(calls: readonly string[]): number[] {
  const places: number[] = [];
  const kinds = new Map<string, number>();
  for (const [i, call] of calls.entries()) {
    if (!ON_THE_WAY.test(call)) continue;
    const kind = call.replace(/^(rmSync|linkUpdate|tcAttach).*/, '$1');
    const count = kinds.get(kind) ?? 0;
    kinds.set(kind, count + 1);
    if (count === 0 || (OF_LINKS.test(call) && count % LINKS_APART === 0)) places.push(i + 1);
  }
  return places;
}

faultTest(test, 'layout-up', up, 'packets');
faultTest(test, 'layout-down', down, 'packets');
faultTest(test, 'layout-down', killed, 'packets, killed on the way');
