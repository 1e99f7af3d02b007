// SPDX-License-Identifier: Apache-2.0
// Another version takes over from the one at work, and that one again, while clients on sockets and clients outside go on:
// with other programs, other layouts, tables of other sizes, and with programs that the kernel refuses. The packet path's
// layouts have upgrade-packets.test.ts.

import { readdirSync } from 'node:fs';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { openTables } from '../../agent/sys/datapath.ts';
import { Pins } from '../../agent/sys/pins.ts';
import { faultTest } from '../faults/fault-test.ts';
import { MortalAgent } from '../faults/mortal-agent.ts';
import { inBothFamilies } from './dual-stack.ts';
import { canMakeNodes } from './node-for-file.ts';
import {
  type Edit,
  OTHER_LAYOUTS,
  OTHER_PROGRAMS,
  otherBuild,
  REFUSED_PACKET_PATH,
  REFUSED_SOCKETS,
} from './other-build.ts';
import { packetNetworkForFile } from './packet-network.ts';
import { LOCAL_PODS, NODE_IP, REMOTE_PODS } from './packet-plan.ts';
import { addressesOf, packetService, SERVICE_PORT } from './packet-services.ts';
import { type ProbeSocket, SocketProbe } from './socket-probe.ts';
import { SteadyTraffic } from './steady-traffic.ts';
import type { TrafficOrder } from './steady-traffic-client.ts';

const [POD = '', LOCAL = ''] = LOCAL_PODS;
const [REMOTE = '', OTHER_REMOTE = ''] = REMOTE_PODS;

const OF_LOCAL = 1;
const OF_REMOTE = 2;
/** Each client stays with one of them. */
const WITH_AFFINITY = 3;
const NUMBERS = [OF_LOCAL, OF_REMOTE, WITH_AFFINITY];

const network = packetNetworkForFile(test, {}, async ({ node }) => {
  node.write('services', [
    ...packetService(OF_LOCAL, [LOCAL]),
    ...packetService(OF_REMOTE, [REMOTE]),
    ...packetService(WITH_AFFINITY, [LOCAL, REMOTE, OTHER_REMOTE], {
      spec: { sessionAffinity: 'ClientIP' },
    }),
  ]);
  await node.agent.start();
});

const KINDS: readonly Pick<TrafficOrder, 'kind' | 'count'>[] = [
  { kind: 'long', count: 2 },
  { kind: 'short', count: 5 },
  { kind: 'connected', count: 1 },
  { kind: 'unconnected', count: 1 },
];

/** Clients that were there before, on sockets and outside, and go on. */
class Clients {
  readonly #traffic = new SteadyTraffic();
  /** Nothing is sent on them until the end. */
  readonly #idle: ProbeSocket[] = [];

  static async begin(t: ExecutionContext): Promise<Clients> {
    const clients = new Clients();
    t.teardown(() => clients.#traffic.end());
    const pod = network().pod(POD);
    for (const number of NUMBERS) {
      const { clusterIP, nodePort } = addressesOf(number);
      for (const kind of KINDS) {
        for (const host of inBothFamilies(clusterIP))
          await clients.#begin(pod, 'pod', { ...kind, host, port: SERVICE_PORT });
        for (const host of inBothFamilies(NODE_IP))
          await clients.#begin(network().client, 'client', { ...kind, host, port: nodePort });
      }
    }
    for (const [place, address, port] of [
      [pod, addressesOf(OF_REMOTE).clusterIP, SERVICE_PORT],
      [network().client, NODE_IP, addressesOf(OF_LOCAL).nodePort],
      [network().client, NODE_IP, addressesOf(OF_REMOTE).nodePort],
    ] as const) {
      const probe = await SocketProbe.start(network().node, place);
      const stream = await probe.open('tcp', 4);
      t.is(await stream.connect(address, port), '');
      await stream.receive();
      clients.#idle.push(stream);
    }
    await clients.#traffic.goesOn();
    return clients;
  }

  #begin(place: Parameters<SteadyTraffic['begin']>[0], name: string, order: TrafficOrder) {
    return this.#traffic.begin(place, name, order);
  }

  goOn(): Promise<void> {
    return this.#traffic.goesOn();
  }

  /**
   * @param apart failures of which nothing is promised.
   * @returns figures for the report.
   */
  async end(t: ExecutionContext, apart?: RegExp) {
    await this.#traffic.goesOn();
    for (const report of await this.#traffic.reports())
      t.true(report.backends.length <= 1, `more than one backend: ${report.backends}`);
    for (const stream of this.#idle) {
      t.is(await stream.send('still_here'), '');
      t.is((await stream.receive()).data, 'still_here');
      await stream.close();
    }
    const { exchanges, failures } = await this.#traffic.end();
    t.deepEqual(
      failures.filter((failure) => !apart?.test(failure)),
      [],
    );
    return { attempts: exchanges, failed: 0, lost: 0 };
  }
}

/** The ids that names have in the kernel, as this build's agent has them. */
function servicePortIds(): string[] {
  const tables = openTables(new Pins(network().node.bpffs));
  try {
    return tables.servicePorts
      .entries()
      .map(([id, name]) => `${Object.values(name).join('/')} ${id}`)
      .sort();
  } finally {
    tables.close();
  }
}

function pinnedMaps(): string[] {
  return readdirSync(path.join(network().node.bpffs, 'maps')).sort();
}

/** Of each table there is one. */
function assertOneGeneration(t: ExecutionContext): void {
  const tables = pinnedMaps().map((pin) => pin.replace(/_[0-9a-f]{8}_.*/, ''));
  t.deepEqual(tables, [...new Set(tables)]);
}

/** Starts another build, or this one again; the one before it is killed. */
async function changeTo(main: string | undefined, flags: readonly string[] = []): Promise<void> {
  const { agent } = network().node;
  await agent.end('SIGKILL');
  const before = agent.flags;
  agent.main = main;
  agent.flags = [...before, ...flags];
  try {
    await agent.start();
  } finally {
    agent.flags = before;
  }
}

/** This build is at work, whatever comes of the test. */
async function startFromHere(t: ExecutionContext): Promise<void> {
  const { agent } = network().node;
  t.teardown(async () => {
    agent.env = {};
    await changeTo(undefined).catch(() => {});
  });
  await changeTo(undefined);
}

const build = (name: string, edits: readonly Edit[]) =>
  otherBuild(network().node.directory, name, edits);

faultTest(test, 'new-programs', async (t, report) => {
  if (!canMakeNodes(t)) return;
  t.timeout(300_000);
  await startFromHere(t);
  const other = build('other-programs', OTHER_PROGRAMS);
  const before = pinnedMaps();
  const clients = await Clients.begin(t);
  for (const main of [other, undefined]) {
    await changeTo(main);
    await clients.goOn();
    t.deepEqual(pinnedMaps(), before);
  }
  report({ injections: 2, ...(await clients.end(t)) });
});

faultTest(test, 'size-change', async (t, report) => {
  if (!canMakeNodes(t)) return;
  t.timeout(300_000);
  await startFromHere(t);
  const [ids, before] = [servicePortIds(), pinnedMaps()];
  t.is(ids.length, 2 * NUMBERS.length);
  const clients = await Clients.begin(t);
  const sizes = ['frontends=4096', 'members=70000', 'service_ports=1024', 'flows=65536'];
  const others = ['source_ranges=64', 'affinities=2048', 'udp_backends=8192'];
  await changeTo(
    undefined,
    [...sizes, ...others].flatMap((size) => ['--table-size', size]),
  );
  await clients.goOn();
  t.deepEqual(servicePortIds(), ids);
  assertOneGeneration(t);
  for (const size of [...sizes, ...others]) {
    const [table, entries] = size.split('=');
    t.is(
      pinnedMaps().filter(
        (pin) => pin.startsWith(`${table}_`) && pin.split('_').includes(`${entries}`),
      ).length,
      1,
      size,
    );
  }
  t.is((await network().node.signalbox('status')).code, 0);
  await changeTo(undefined);
  t.deepEqual(servicePortIds(), ids);
  t.deepEqual(pinnedMaps(), before);
  report({ injections: 2, ...(await clients.end(t)) });
});

faultTest(
  test,
  'layout-up',
  async (t, report) => {
    if (!canMakeNodes(t)) return;
    t.timeout(600_000);
    await startFromHere(t);
    const other = build('other-layouts', OTHER_LAYOUTS);
    const [ids, before] = [servicePortIds(), pinnedMaps()];
    const clients = await Clients.begin(t);
    await changeTo(other);
    await clients.goOn();
    assertOneGeneration(t);
    t.notDeepEqual(pinnedMaps(), before);
    await changeTo(undefined);
    await clients.goOn();
    t.deepEqual(pinnedMaps(), before);
    t.deepEqual(servicePortIds(), ids);
    report({ injections: 2, ...(await clients.end(t)) });
  },
  'and back',
);

/** What a start does that brings older tables over, but for what is done again in another place. */
const STEPS: readonly RegExp[] = [
  /^objectLoadAsync/,
  /^mapUpdateBatch:frontends/,
  /^mapUpdateBatch:(affinities|udp_backends)/,
  /^linkUpdate/,
  /^mapUpdateBatch:nodes/,
  /^mapUpdateBatch:flows/,
  /^unlinkSync|^rmSync/,
];

/**
 * Killed between two links, an agent leaves programs of both builds on devices (docs/datapath.md): one may note a connection
 * that begins then, and the other look for it.
 */
const BEGUN_WHILE_KILLED = /^client: short /;

faultTest(
  test,
  'layout-down',
  async (t, report) => {
    if (!canMakeNodes(t)) return;
    t.timeout(600_000);
    await startFromHere(t);
    const other = build('newer', OTHER_LAYOUTS);
    const { agent } = network().node;
    const [ids, before] = [servicePortIds(), pinnedMaps()];
    await changeTo(other);
    const clients = await Clients.begin(t);
    const mortal = new MortalAgent(network().node);
    mortal.orders.give('list');
    await changeTo(undefined);
    const calls = mortal.orders.calls();
    const points = STEPS.flatMap((step) => {
      const [first, last] = [
        calls.findIndex((call) => step.test(call)),
        calls.findLastIndex((call) => step.test(call)),
      ];
      return first < 0 ? [] : [first + 1, ...(last > first ? [last + 1] : [])];
    });
    for (const point of new Set(points)) {
      agent.env = {};
      await changeTo(other);
      await agent.end('SIGKILL');
      agent.main = undefined;
      agent.env = { ...mortal.orders.env };
      // How many entries there are to carry behind differs from start to start, and with it the number of a late call.
      await mortal.startUntil(point);
    }
    t.log(`killed at ${mortal.deaths.join(' ')}`);
    t.true(mortal.deaths.length >= 6);
    mortal.orders.give();
    await agent.start();
    await clients.goOn();
    t.deepEqual(pinnedMaps(), before);
    t.deepEqual(servicePortIds(), ids);
    report({
      injections: mortal.deaths.length + 1,
      ...(await clients.end(t, BEGUN_WHILE_KILLED)),
      note: 'without what began on devices between a death and the next start',
    });
  },
  'killed at each step, and again',
);

faultTest(test, 'new-build-refused', async (t, report) => {
  if (!canMakeNodes(t)) return;
  t.timeout(300_000);
  await startFromHere(t);
  const { node } = network();
  const before = pinnedMaps();
  const clients = await Clients.begin(t);

  // On devices: what is there stays, with its tables.
  await changeTo(build('refused-packets', [...OTHER_LAYOUTS, ...REFUSED_PACKET_PATH]));
  await clients.goOn();
  t.true(before.every((pin) => pinnedMaps().includes(pin)));
  const { stdout } = await node.signalbox('status');
  t.regex(stdout, /programs of another version are still on device \d+/);
  t.regex(stdout, /programs of an agent before this one stay on \d+ devices/);
  await changeTo(undefined);
  t.deepEqual(pinnedMaps(), before);
  await clients.goOn();

  // On sockets: that version does not start.
  await node.agent.end('SIGKILL');
  node.agent.main = build('refused-sockets', [...OTHER_LAYOUTS, ...REFUSED_SOCKETS]);
  node.agent.launch();
  t.is(await node.agent.outcome(), 1);
  t.true(
    node.agent.lines.some((line) => /go back to its version/.test(line)),
    node.agent.lines.join('\n'),
  );
  t.deepEqual(pinnedMaps(), before);
  report({ injections: 2, ...(await clients.end(t)) });
});
