// SPDX-License-Identifier: Apache-2.0
// The agent ends, in whatever way, and the datapath goes on; it comes back and finds everything where it
// was (design: it outlives its agent).

import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { KernelMap } from '../../agent/sys/kernel-map.ts';
import { MAPS } from '../../agent/sys/layout.gen.ts';
import { RawMap } from '../../agent/sys/libbpf/map.ts';
import { Pins } from '../../agent/sys/pins.ts';
import { faultTest } from '../faults/fault-test.ts';
import { patient } from '../lab/patience.ts';
import { runCommand } from '../lab/run-command.ts';
import { programmed } from './kernel-backends.ts';
import { bothProtocols, kubeService, targetAt } from './kube-service.ts';
import { canMakeNodes, nodeForFile } from './node-for-file.ts';
import { type Attempt, SocketProbe, type Target } from './socket-probe.ts';
import { startBackends } from './start-backends.ts';

const WEB = '10.96.0.1';
/** Of a Service that does not change. */
const STEADY = '10.96.0.7';
const OLD = ['10.244.1.1', '10.244.1.2', '10.244.1.3'];
const NEW = ['10.244.1.4', '10.244.1.5'];
const TABLES = [
  'frontends',
  'members',
  'service_ports',
  'source_ranges',
  'nodes',
  'node_port_addresses',
  'service_cidrs',
];
const CLIENTS: readonly Target[] = (['tcp', 'udp', 'sendto'] as const).map((kind) => ({
  kind,
  address: WEB,
  port: 80,
}));

let probe: SocketProbe;

const node = nodeForFile(test, async (made) => {
  await startBackends(made);
  await web(OLD, made.write.bind(made));
  made.write('steady', kubeService('steady', [STEADY], bothProtocols(80, OLD)));
  made.agent.flags = ['--service-cidr', '10.96.0.0/16'];
  await made.agent.start();
  probe = await SocketProbe.start(made);
});

/** Gives the Service `web` its backends. */
function web(backends: readonly string[], write = node().write.bind(node())): void {
  write('web', kubeService('web', [WEB], bothProtocols(80, backends)));
}

async function webIs(backends: readonly string[]): Promise<void> {
  const targets = backends.map(targetAt);
  await programmed(node(), `${WEB}:80/TCP`, targets);
  await programmed(node(), `${WEB}:80/UDP`, targets);
}

function nowNs(): number {
  return Number(process.hrtime.bigint());
}

/** Fails for each attempt that did not land on one of `backends`; there must be some. */
function allLandOn(
  t: ExecutionContext,
  attempts: readonly Attempt[],
  backends: readonly string[],
): void {
  const targets = new Set(backends.map(targetAt));
  t.true(attempts.length > 0);
  t.deepEqual(
    attempts.filter(({ landed }) => !targets.has(landed)),
    [],
  );
}

for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
  faultTest(
    test,
    'kill-under-load',
    async (t, report) => {
      if (!canMakeNodes(t)) return;
      web(OLD);
      await webIs(OLD);
      // Made before, and not used again until the end.
      const stream = await probe.open('tcp', 4);
      t.is(await stream.connect(WEB, 80), '');
      const greeting = (await stream.receive()).data;
      const datagrams = await probe.open('udp', 4);
      t.is(await datagrams.connect(STEADY, 80), '');
      const chosen = await datagrams.ask();

      const clients = probe.repeat(CLIENTS, { timeoutMs: patient(30_000), pauseUs: 200 });
      await sleep(patient(100));
      t.is(await node().agent.end(signal), signal === 'SIGTERM' ? 0 : null);
      web(NEW);
      await sleep(patient(200));
      const restartedNs = nowNs();
      await node().agent.start();
      await webIs(NEW);
      const settledNs = nowNs();
      await sleep(patient(100));
      probe.stop();
      const attempts = await clients;
      allLandOn(
        t,
        attempts.filter(({ endNs }) => endNs < restartedNs),
        OLD,
      );
      allLandOn(t, attempts, [...OLD, ...NEW]);
      allLandOn(
        t,
        attempts.filter(({ startNs }) => startNs > settledNs),
        NEW,
      );
      t.true(OLD.map(targetAt).includes(greeting));
      t.is(await stream.send('still_here'), '');
      t.is((await stream.receive()).data, 'still_here');
      t.true(chosen.endsWith(` as ${STEADY}:80`), chosen);
      t.is(await datagrams.ask(), chosen);
      await stream.close();
      await datagrams.close();
      report({
        injections: 1,
        attempts: attempts.length,
        failed: 0,
        lost: 0,
        repairMs: Math.round((settledNs - restartedNs) / 1e6),
      });
    },
    `${signal}, sockets`,
  );
}

test.serial(
  'killed at any moment of its start, again and again: no connection fails',
  async (t) => {
    if (!canMakeNodes(t)) return;
    const clients = probe.repeat(CLIENTS, { timeoutMs: patient(30_000), pauseUs: 200 });
    const moments = Array.from({ length: 8 }, () => randomInt(200, 1000));
    t.log(`killed after ${moments.join(', ')} ms`);
    await node().agent.end('SIGKILL');
    for (const [i, moment] of moments.entries()) {
      web(i % 2 ? OLD : NEW);
      node().agent.launch();
      await sleep(moment);
      await node().agent.end('SIGKILL');
    }
    web(OLD);
    await node().agent.start();
    await webIs(OLD);
    probe.stop();
    allLandOn(t, await clients, [...OLD, ...NEW]);
  },
);

test.serial('a new start rewrites nothing that has not changed', async (t) => {
  if (!canMakeNodes(t)) return;
  // Services that came, changed and went: neither ids nor slots are in the order of a first start.
  for (let i = 1; i <= 6; i++) {
    node().write(
      `s${i}`,
      kubeService(`s${i}`, [`10.96.1.${i}`], bothProtocols(80, OLD.slice(i % 3)), {
        spec: {
          type: 'LoadBalancer',
          sessionAffinity: 'ClientIP',
          loadBalancerSourceRanges: ['10.0.0.0/8', `172.16.${i}.0/24`],
        },
        ingress: [`203.0.113.${i}`],
      }),
    );
    await programmed(node(), `10.96.1.${i}:80/UDP`, OLD.slice(i % 3).map(targetAt));
  }
  node().remove('s1');
  node().remove('s4');
  await programmed(node(), '10.96.1.4:80/UDP', undefined);
  const before = { services: await services(), tables: await dumps() };
  await node().agent.end('SIGTERM');
  await node().agent.start();
  t.deepEqual({ services: await services(), tables: await dumps() }, before);
  for (const [i, table] of before.tables.entries()) t.true(table.includes('"key"'), TABLES[i]);
});

test.serial(
  'what a build has written that knew of no served networks is served by the next',
  async (t) => {
    if (!canMakeNodes(t)) return;
    // Outside the service CIDR, whose networks are all served.
    const address = '10.97.0.1';
    node().write('older', kubeService('older', [address], bothProtocols(80, OLD)));
    await programmed(node(), `${address}:80/UDP`, OLD.map(targetAt));
    await node().agent.end('SIGTERM');
    const pin = new Pins(node().bpffs).map(MAPS.servedNetworks);
    const networks = new KernelMap(RawMap.openPin(pin), MAPS.servedNetworks);
    t.deepEqual(networks.put(networks.entries().map(([word]) => [word, { bits: 0n }])), []);
    networks.close();
    await node().agent.start();
    const clients = CLIENTS.map(({ kind }) => ({ kind, address, port: 80 }));
    allLandOn(t, await probe.repeat(clients, { count: 6, timeoutMs: patient(1000) }), OLD);
  },
);

async function services(): Promise<unknown> {
  const { stdout } = await node().signalbox('services', '-o', 'json');
  return JSON.parse(stdout);
}

/** Every byte of every table, in an order of their own. */
async function dumps(): Promise<string[]> {
  const pins = (await runCommand(['ls', `${node().bpffs}/maps`])).trim().split('\n');
  const dump = async (table: string) => {
    const pin = pins.find((name) => name.startsWith(`${table}_`)) ?? table;
    const text = await runCommand([
      'bpftool',
      '-j',
      'map',
      'dump',
      'pinned',
      `${node().bpffs}/maps/${pin}`,
    ]);
    const entries = JSON.parse(text) as readonly unknown[];
    return entries
      .map((entry) => JSON.stringify(entry))
      .sort()
      .join('\n');
  };
  return Promise.all(TABLES.map(dump));
}
