// SPDX-License-Identifier: Apache-2.0
// Somebody takes the programs of the packet path off devices, in every way that there is, while a client outside connects:
// they are put back and counted. What holds the pins alone takes nothing off.

import { closeSync, readdirSync, readlinkSync, rmSync } from 'node:fs';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { detachLink, openPin, updateLink } from '../../agent/sys/libbpf/pinned-link.ts';
import { faultTest } from '../faults/fault-test.ts';
import { hasKernel, requireKernel } from '../helpers/requirements.ts';
import { until } from '../lab/until.ts';
import { output, pinForeign, programIdsOn } from './device-programs.ts';
import { type DisturbedTarget, disturb } from './disturbed-clients.ts';
import { inBothFamilies } from './dual-stack.ts';
import { targetAt } from './kube-service.ts';
import { canMakeNodes } from './node-for-file.ts';
import { AGENT_FLAGS, packetNetworkForFile } from './packet-network.ts';
import { LOCAL_PODS, NODE_IP } from './packet-plan.ts';
import { addressesOf, packetService } from './packet-services.ts';
import { METRICS, repairsOf } from './repairs.ts';
import { SocketProbe } from './socket-probe.ts';

const NUMBER = 1;
const [BACKEND = ''] = LOCAL_PODS;
const UPLINK = 'eth0';
const WITHIN_MS = 60_000;
const FLAPS = 5;

let probe: SocketProbe;
let keeper: SocketProbe;

const network = packetNetworkForFile(test, {}, async ({ node, client }) => {
  node.write('services', packetService(NUMBER, [BACKEND]));
  probe = await SocketProbe.start(node, client);
  keeper = await SocketProbe.start(node, client);
  await startWith(hasKernel('TCX') ? 'tcx' : 'clsact');
});

async function startWith(way: 'tcx' | 'clsact'): Promise<void> {
  const { agent } = network().node;
  agent.flags = [...AGENT_FLAGS, ...METRICS, '--tc-attach', way];
  await agent.start();
}

const TARGETS: readonly DisturbedTarget[] = inBothFamilies(NODE_IP).flatMap((address) =>
  (['tcp', 'udp'] as const).map((kind) => ({
    kind,
    address,
    port: addressesOf(NUMBER).nodePort,
    lands: targetAt(BACKEND),
  })),
);

const disturbed = () => ({ probe, keeper, targets: TARGETS, withinMs: WITHIN_MS });

/** Programs on the uplink, whoever's. */
async function onUplink(): Promise<string> {
  return JSON.stringify(await programIdsOn(network().node, UPLINK));
}

async function isHealthy(t: ExecutionContext): Promise<void> {
  const { stdout, code } = await network().node.signalbox('status');
  t.is(code, 0, stdout);
}

function tcxPins(): string[] {
  const links = path.join(network().node.bpffs, 'links');
  return readdirSync(links)
    .filter((name) => name.startsWith('tcx'))
    .map((name) => path.join(links, name))
    .sort();
}

async function uplinkPin(direction: 'ingress' | 'egress'): Promise<string> {
  const { node } = network();
  const [link] = JSON.parse(await output(node, ['ip', '-j', 'link', 'show', UPLINK]));
  return path.join(node.bpffs, 'links', `tcx_${direction}_${link.ifindex}`);
}

faultTest(
  test,
  'links-removed',
  async (t, report) => {
    if (!canMakeNodes(t) || !requireKernel(t, 'TCX')) return;
    const before = tcxPins();
    const repaired = await repairsOf(network().node, 'pins');
    const { failures, figures } = await disturb(
      disturbed(),
      () => {
        for (const pin of before) rmSync(pin);
      },
      () => tcxPins().join() === before.join(),
    );
    report({ injections: before.length, ...figures });
    t.deepEqual(failures, []);
    t.true(figures.attempts > 0);
    t.is((await repairsOf(network().node, 'pins')) - repaired, before.length);
    await isHealthy(t);
  },
  'of devices',
);

faultTest(test, 'tcx-link-detached', async (t, report) => {
  if (!canMakeNodes(t) || !requireKernel(t, 'TCX')) return;
  const { node } = network();
  const before = await onUplink();
  const repaired = await repairsOf(node, 'devices');
  const pin = await uplinkPin('ingress');
  const { figures } = await disturb(
    disturbed(),
    () => onLink(pin, (link) => detachLink(link, pin)),
    async () => (await onUplink()) === before,
  );
  report({ injections: 1, ...figures, note: 'not served on that device until then' });
  t.is((await repairsOf(node, 'devices')) - repaired, 1);
  t.true(node.agent.log.some(({ msg }) => msg?.includes('off devices, or replaced them')));
  await isHealthy(t);
});

faultTest(
  test,
  'program-replaced',
  async (t, report) => {
    if (!canMakeNodes(t) || !requireKernel(t, 'TCX')) return;
    const { node } = network();
    const foreign = await pinForeign(node);
    t.teardown(() => rmSync(foreign, { force: true }));
    const before = await onUplink();
    const repaired = await repairsOf(node, 'devices');
    const pin = await uplinkPin('ingress');
    const { figures } = await disturb(
      disturbed(),
      () => onLink(pin, (link) => onLink(foreign, (program) => updateLink(link, program, pin))),
      async () => (await onUplink()) === before,
    );
    report({ injections: 1, ...figures, note: 'not served on that device until then' });
    t.is((await repairsOf(node, 'devices')) - repaired, 1);
    await isHealthy(t);
  },
  'on a device',
);

faultTest(test, 'device-flaps', async (t, report) => {
  if (!canMakeNodes(t)) return;
  const { node } = network();
  const repaired = await repairsOf(node, 'devices');
  const held = linksOf(node.agent.pid);
  let slowestMs = 0;
  for (let flap = 1; flap <= FLAPS; flap++) {
    await node.configure(
      'link add up9 type veth peer name far9',
      'addr add 198.51.110.1/24 dev up9',
    );
    const causedMs = performance.now();
    await isServed('up9');
    slowestMs = Math.max(slowestMs, performance.now() - causedMs);
    await node.configure('link set up9 up', 'link set up9 down', 'link set up9 name up8');
    await isServed('up8');
    await node.configure('link del up8');
  }
  report({ injections: FLAPS, repairMs: Math.round(slowestMs) });
  await until('what was held of it is given back', () => linksOf(node.agent.pid) === held);
  t.is(await repairsOf(node, 'devices'), repaired, 'a device that goes is no repair');
  await isHealthy(t);
});

faultTest(test, 'qdisc-deleted', async (t, report) => {
  if (!canMakeNodes(t)) return;
  const { node } = network();
  await node.agent.end('SIGTERM');
  await startWith('clsact');
  const before = await onUplink();
  const { figures } = await disturb(
    disturbed(),
    () => output(node, ['tc', 'qdisc', 'del', 'dev', UPLINK, 'clsact']),
    async () => (await onUplink()) === before,
  );
  report({ injections: 1, ...figures, note: 'not served on that device until then' });
  t.is(await repairsOf(node, 'devices'), 1);
  await isHealthy(t);
});

/** Descriptors of links that a process has open. */
function linksOf(pid: number | undefined): number {
  return readdirSync(`/proc/${pid}/fd`).filter((fd) => {
    try {
      return /bpf[-_]link/.test(readlinkSync(`/proc/${pid}/fd/${fd}`));
    } catch {
      // Closed since.
      return false;
    }
  }).length;
}

async function isServed(device: string): Promise<void> {
  await until(`programs are on ${device}`, async () => {
    const { tcx, clsact } = await programIdsOn(network().node, device);
    return [tcx, clsact].some(({ ingress, egress }) => ingress.length + egress.length === 2);
  });
}

function onLink(pin: string, use: (fd: number) => void): void {
  const fd = openPin(pin) as number;
  try {
    use(fd);
  } finally {
    closeSync(fd);
  }
}
