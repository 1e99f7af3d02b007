// SPDX-License-Identifier: Apache-2.0
// The devices of a node, followed by a real agent: the programs of the packet path are on those that may hear
// from outside, by TCX and as filters, whatever happens to the devices and to the agent. Asked is the kernel.

import { existsSync, readdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { openTables } from '../../agent/sys/datapath.ts';
import { type Device, DeviceFlags } from '../../agent/sys/layout.gen.ts';
import { Pins } from '../../agent/sys/pins.ts';
import type { Status } from '../../agent/telemetry/status.ts';
import { type FaultBody, faultTest } from '../faults/fault-test.ts';
import { hasKernel, requireKernel } from '../helpers/requirements.ts';
import { until } from '../lab/until.ts';
import { attachForeign, output, pinForeign, programIdsOn, programsOn } from './device-programs.ts';
import { canMakeNodes } from './node-for-file.ts';
import { TestNode } from './test-node.ts';

type Mechanism = 'tcx' | 'clsact';

/** @returns whether the test may go on. */
function canAttach(t: ExecutionContext, mechanism: Mechanism): boolean {
  return canMakeNodes(t) && (mechanism === 'clsact' || requireKernel(t, 'TCX'));
}

/** A node with an uplink `up0`, its agent attaching by `mechanism`. */
async function nodeWithUplink(
  t: ExecutionContext,
  mechanism: Mechanism | 'auto',
  ...flags: readonly string[]
): Promise<TestNode> {
  const node = await TestNode.create();
  t.teardown(() => node.close());
  await node.configure(
    'link add up0 type veth peer name far0',
    'addr add 192.0.2.1/24 dev up0',
    'addr add 2001:db8::1/64 dev up0 nodad',
    'link set up0 up',
    'link set far0 up',
  );
  node.agent.flags = ['--tc-attach', mechanism, ...flags];
  return node;
}

const NOTHING = { ingress: [], egress: [] };
const ETHERNET = { ingress: ['ingress_ethernet'], egress: ['egress_ethernet'] };
const IP = { ingress: ['ingress_ip'], egress: ['egress_ip'] };

/** Waits until just our programs are on a device, each once, by the mechanism and in no other way. */
async function isServed(
  node: TestNode,
  device: string,
  mechanism: Mechanism,
  programs: typeof ETHERNET = ETHERNET,
): Promise<void> {
  const wanted = JSON.stringify({ tcx: NOTHING, clsact: NOTHING, [mechanism]: programs });
  await until(
    `programs are on ${device} by ${mechanism}`,
    async () => JSON.stringify(await programsOn(node, device)) === wanted,
  );
}

async function isNotServed(node: TestNode, device: string): Promise<void> {
  const wanted = JSON.stringify({ tcx: NOTHING, clsact: NOTHING });
  await until(
    `no programs are on ${device}`,
    async () => JSON.stringify(await programsOn(node, device)) === wanted,
  );
}

async function ifindexOf(node: TestNode, device: string): Promise<number> {
  const [link] = JSON.parse(await output(node, ['ip', '-j', 'link', 'show', device]));
  return link.ifindex;
}

/** What the programs are told of devices, by name. */
async function knownDevices(node: TestNode): Promise<Record<string, Device>> {
  const links = JSON.parse(await output(node, ['ip', '-j', 'link'])) as {
    ifname: string;
    ifindex: number;
  }[];
  const names = new Map(links.map(({ ifindex, ifname }) => [ifindex, ifname]));
  const tables = openTables(new Pins(node.bpffs));
  try {
    const entries = tables.devices.entries();
    return Object.fromEntries(entries.map(([i, device]) => [names.get(i) ?? `gone ${i}`, device]));
  } finally {
    tables.close();
  }
}

async function areKnown(
  node: TestNode,
  wanted: Readonly<Record<string, readonly [flags: number, ipv4: string, ipv6: string]>>,
): Promise<void> {
  const text = JSON.stringify(
    Object.entries(wanted)
      .map(([name, [flags, ipv4, ipv6]]) => [name, { flags, ipv4, ipv6 }])
      .sort(),
  );
  await until(`known devices are ${text}`, async () => {
    return JSON.stringify(Object.entries(await knownDevices(node)).sort()) === text;
  });
}

async function statusOf(node: TestNode): Promise<{ agent?: Status; problems: readonly string[] }> {
  return JSON.parse((await node.signalbox('status', '-o', 'json')).stdout);
}

/** The agent tells of a look at the devices when that is over: the programs are there before. */
async function isHealthy(node: TestNode): Promise<void> {
  await until('nothing is wrong', async () => (await statusOf(node)).problems.length === 0);
}

function linkPins(node: TestNode): string[] {
  return readdirSync(path.join(node.bpffs, 'links')).filter((name) => name.startsWith('tcx'));
}

for (const mechanism of ['tcx', 'clsact'] as const) {
  test.serial(`${mechanism}: the programs are where packets from outside may come`, async (t) => {
    if (!canAttach(t, mechanism)) return;
    const node = await nodeWithUplink(t, mechanism);
    await node.configure(
      'link add pod0 type veth peer name pod0-inside',
      'link set pod0 up',
      'link add cni0 type bridge',
      'addr add 10.244.1.1/24 dev cni0',
      'link add port0 type veth peer name port0-inside',
      'link set port0 master cni0',
      'link add overlay type vxlan id 7 dstport 4789 dev up0',
      'link set overlay up',
      'tuntap add dev vpn mode tun',
      'link set vpn up',
      'link add idle type vxlan id 8 dstport 4790 dev up0',
    );
    await node.agent.start();
    await isServed(node, 'up0', mechanism);
    await isServed(node, 'overlay', mechanism);
    await isServed(node, 'vpn', mechanism, IP);
    for (const other of ['lo', 'far0', 'pod0', 'cni0', 'port0', 'idle']) {
      await isNotServed(node, other);
    }
    // What has no address leaves with one that the node has elsewhere, the first in the order of devices.
    await areKnown(node, {
      up0: [DeviceFlags.SERVED, '192.0.2.1', '2001:db8::1'],
      cni0: [0, '10.244.1.1', '::'],
      overlay: [DeviceFlags.SERVED, '10.244.255.1', 'fd00:10:244:ffff::1'],
      vpn: [DeviceFlags.SERVED, '10.244.255.1', 'fd00:10:244:ffff::1'],
    });
    const { stdout, code } = await node.signalbox('status');
    t.is(code, 0);
    t.regex(stdout, new RegExp(`up0: outward, Ethernet, ${mechanism}, masquerades as 192.0.2.1 `));
    t.regex(stdout, new RegExp(`vpn: outward, IP, ${mechanism}, `));
    t.regex(stdout, /not cni0: a bridge without default route and node IP\n/);
    const { agent } = await statusOf(node);
    const ofName = (name: string) => agent?.devices.find((device) => device.name === name);
    t.like(ofName('up0'), { role: 'outward', framing: 'ethernet', attached: mechanism });
    t.like(ofName('port0'), { reason: 'part of another device' });
  });

  test.serial(`${mechanism}: devices come, go, change their names and addresses`, async (t) => {
    if (!canAttach(t, mechanism)) return;
    const node = await nodeWithUplink(t, mechanism, '--pod-devices', 'pod*,bridge0');
    await node.agent.start();
    await isServed(node, 'up0', mechanism);
    // The bridge comes with the first pod: told, and nothing is wrong.
    const { code, stdout } = await node.signalbox('status');
    t.is(code, 0);
    t.regex(stdout, /device bridge0 of pods is not there/);
    await node.configure('link add bridge0 type bridge', 'link set bridge0 up');
    await isServed(node, 'bridge0', mechanism);
    t.notRegex((await node.signalbox('status')).stdout, /bridge0 of pods is not there/);
    await node.configure('link del bridge0');

    await node.configure(
      'link add up1 type veth peer name far1',
      'addr add 198.51.100.1/24 dev up1',
    );
    await isServed(node, 'up1', mechanism);
    const first = await ifindexOf(node, 'up1');
    await areKnown(node, {
      up0: [DeviceFlags.SERVED, '192.0.2.1', '2001:db8::1'],
      up1: [DeviceFlags.SERVED, '198.51.100.1', 'fd00:10:244:ffff::1'],
    });
    // Back with another number: another device.
    await node.configure('link del up1');
    await areKnown(node, { up0: [DeviceFlags.SERVED, '192.0.2.1', '2001:db8::1'] });
    await until('its pins are gone', () => pinsOf(node, first).length === 0);
    await node.configure(
      'link add up1 type veth peer name far1',
      'addr add 198.51.100.2/24 dev up1',
    );
    await isServed(node, 'up1', mechanism);
    t.not(await ifindexOf(node, 'up1'), first);
    // Its address goes, and it with it; another one comes.
    await node.configure('addr del 198.51.100.2/24 dev up1');
    await isNotServed(node, 'up1');
    await node.configure('addr add 198.51.100.3/24 dev up1');
    await isServed(node, 'up1', mechanism);
    await areKnown(node, {
      up0: [DeviceFlags.SERVED, '192.0.2.1', '2001:db8::1'],
      up1: [DeviceFlags.SERVED, '198.51.100.3', 'fd00:10:244:ffff::1'],
    });
    // It is a pod's by its name, and stays served as such.
    await node.configure('link set up1 name pod1');
    await areKnown(node, {
      up0: [DeviceFlags.SERVED, '192.0.2.1', '2001:db8::1'],
      pod1: [DeviceFlags.SERVED | DeviceFlags.OF_POD, '198.51.100.3', '::'],
    });
    await isServed(node, 'pod1', mechanism);
    await node.configure('link set pod1 name up1', 'addr flush dev up1');
    await isNotServed(node, 'up1');
    // A default route alone.
    await node.configure('link set up1 up', 'link set far1 up', 'route add default dev up1');
    await isServed(node, 'up1', mechanism);
    await node.configure('route del default');
    await isNotServed(node, 'up1');
    t.is((await node.signalbox('status')).code, 0);
  });

  test.serial(`${mechanism}: the agent’s end, and another one’s start`, async (t) => {
    if (!canAttach(t, mechanism)) return;
    const node = await nodeWithUplink(t, mechanism);
    await node.agent.start();
    await isServed(node, 'up0', mechanism);
    const before = await programIdsOn(node, 'up0');
    await node.agent.end('SIGKILL');
    t.deepEqual(await programIdsOn(node, 'up0'), before);
    const { stdout } = await node.signalbox('status');
    t.regex(stdout, new RegExp(`up0: outward, ${mechanism}, masquerades as 192.0.2.1 and `));

    await node.agent.start();
    const after = await programIdsOn(node, 'up0');
    await isServed(node, 'up0', mechanism);
    t.notDeepEqual(after[mechanism].ingress, before[mechanism].ingress, 'its own programs');
    t.notDeepEqual(after[mechanism].egress, before[mechanism].egress);
    await node.agent.end('SIGTERM');
    t.deepEqual(await programIdsOn(node, 'up0'), after);

    // What is not to be served any more is left, without a device being named.
    node.agent.flags = [...node.agent.flags, '--devices', ''];
    await node.agent.start();
    await isNotServed(node, 'up0');
    t.deepEqual(await knownDevices(node), {});
    t.is((await node.signalbox('status')).code, 0);
    await node.agent.end('SIGTERM');
  });

  test.serial(`${mechanism}: cleanup leaves nothing`, async (t) => {
    if (!canAttach(t, mechanism)) return;
    const node = await nodeWithUplink(t, mechanism);
    await node.configure('tuntap add dev vpn mode tun', 'link set vpn up');
    // Somebody's, in which nothing is.
    await output(node, ['tc', 'qdisc', 'add', 'dev', 'vpn', 'clsact']);
    const before = await qdiscs(node);
    await node.agent.start();
    await isServed(node, 'vpn', mechanism, IP);
    await node.agent.end('SIGKILL');
    t.is((await node.signalbox('cleanup')).code, 0);
    await isNotServed(node, 'up0');
    await isNotServed(node, 'vpn');
    t.is(await qdiscs(node), before);
    t.false(existsSync(node.bpffs));
  });
}

test.serial('auto: by TCX, as filters where the kernel has no TCX', async (t) => {
  if (!canMakeNodes(t)) return;
  const mechanism = hasKernel('TCX') ? 'tcx' : 'clsact';
  const node = await nodeWithUplink(t, 'auto');
  const before = await qdiscs(node);
  const seen: string[] = [];
  for (let run = 1; run <= 2; run++) {
    await node.agent.start();
    await isServed(node, 'up0', mechanism);
    const { stdout, code } = await node.signalbox('status');
    t.is(code, 0, stdout);
    t.regex(stdout, new RegExp(`up0: outward, Ethernet, ${mechanism}, `));
    seen.push(JSON.stringify(await programIdsOn(node, 'up0')));
    await node.agent.end('SIGKILL');
  }
  t.not(seen[1], seen[0], 'its own programs');
  t.is((await node.signalbox('cleanup')).code, 0);
  await isNotServed(node, 'up0');
  t.is(await qdiscs(node), before);
  t.false(existsSync(node.bpffs));
});

test.serial('the way of attaching can change', async (t) => {
  if (!canAttach(t, 'tcx')) return;
  const node = await nodeWithUplink(t, 'clsact');
  for (const mechanism of ['clsact', 'tcx', 'clsact'] as const) {
    node.agent.flags = ['--tc-attach', mechanism];
    await node.agent.start();
    await isServed(node, 'up0', mechanism);
    t.is(await node.agent.end('SIGTERM'), 0);
  }
});

test.serial('nothing is attached before the objects are known', async (t) => {
  if (!canAttach(t, 'tcx')) return;
  const node = await nodeWithUplink(t, 'tcx');
  node.agent.launch(['--master', 'http://127.0.0.1:9']);
  const hasFailed = () => node.agent.log.some(({ kind, level }) => kind && level === 'warn');
  await until('the agent has tried', hasFailed);
  await until('its tables are there', () => node.agent.log.some(({ msg }) => msg === 'started'));
  await isNotServed(node, 'up0');
  t.deepEqual(await knownDevices(node), {});
  await node.agent.end('SIGTERM');
});

test.serial('a bridge is served as soon as it has the node IP', async (t) => {
  if (!canAttach(t, 'tcx')) return;
  const node = await nodeWithUplink(t, 'tcx', '--node-name', 'one');
  await node.configure('link add br0 type bridge', 'addr add 198.51.100.1/24 dev br0');
  await node.agent.start();
  await isServed(node, 'up0', 'tcx');
  await isNotServed(node, 'br0');
  node.write('node', [
    {
      apiVersion: 'v1',
      kind: 'Node',
      metadata: { name: 'one' },
      status: { addresses: [{ type: 'InternalIP', address: '198.51.100.1' }] },
    },
  ]);
  await isServed(node, 'br0', 'tcx');
  t.pass();
});

test.serial('clsact: somebody deletes the qdisc, somebody else’s comes in its place', async (t) => {
  if (!canAttach(t, 'clsact')) return;
  const node = await nodeWithUplink(t, 'clsact');
  await node.agent.start();
  await isServed(node, 'up0', 'clsact');
  await output(node, ['tc', 'qdisc', 'del', 'dev', 'up0', 'clsact']);
  await isServed(node, 'up0', 'clsact');
  // One filter alone.
  await output(node, ['tc', 'filter', 'del', 'dev', 'up0', 'ingress']);
  await isServed(node, 'up0', 'clsact');

  const pin = await pinForeign(node);
  t.teardown(() => rmSync(pin, { force: true }));
  const replace = [
    'tc qdisc del dev up0 clsact',
    'tc qdisc add dev up0 clsact',
    `tc filter add dev up0 ingress prio 1 bpf direct-action object-pinned ${pin}`,
  ];
  await output(node, ['sh', '-c', replace.join(' && ')]);
  await until('both are there', async () => {
    const { clsact } = await programsOn(node, 'up0');
    return clsact.ingress.join() === 'pass,ingress_ethernet' && clsact.egress.length === 1;
  });
  await node.agent.end('SIGTERM');
  t.is((await node.signalbox('cleanup')).code, 0);
  t.deepEqual((await programsOn(node, 'up0')).clsact, { ingress: ['pass'], egress: [] });
});

test.serial('clsact: an empty qdisc that somebody put in place of ours stays', async (t) => {
  if (!canAttach(t, 'clsact')) return;
  const node = await nodeWithUplink(t, 'clsact');
  await node.agent.start();
  await isServed(node, 'up0', 'clsact');
  // In one process, so that the agent does not come between.
  const replace = 'qdisc del dev up0 clsact\\nqdisc add dev up0 clsact\\n';
  await output(node, ['sh', '-c', `printf '${replace}' | tc -batch -`]);
  await isServed(node, 'up0', 'clsact');
  await node.agent.end('SIGTERM');
  t.is((await node.signalbox('cleanup')).code, 0);
  await isNotServed(node, 'up0');
  t.regex(await qdiscs(node), /^qdisc clsact .* dev up0 /m);
});

test.serial('clsact: our own qdisc stays with somebody else’s filter in it', async (t) => {
  if (!canAttach(t, 'clsact')) return;
  const node = await nodeWithUplink(t, 'clsact');
  await node.agent.start();
  await isServed(node, 'up0', 'clsact');
  const pin = await pinForeign(node);
  t.teardown(() => rmSync(pin, { force: true }));
  const add = ['tc', 'filter', 'add', 'dev', 'up0', 'egress', 'prio', '1', 'bpf', 'direct-action'];
  await output(node, [...add, 'object-pinned', pin]);
  await node.agent.end('SIGTERM');
  t.is((await node.signalbox('cleanup')).code, 0);
  t.deepEqual((await programsOn(node, 'up0')).clsact, { ingress: [], egress: ['pass'] });
});

const staysByTcx: FaultBody = async (t, report) => {
  if (!canAttach(t, 'tcx')) return;
  const node = await nodeWithUplink(t, 'tcx');
  const pin = await pinForeign(node);
  t.teardown(() => rmSync(pin, { force: true }));
  await attachForeign(node, 'up0', pin);
  const hook = `ingress of device ${await ifindexOf(node, 'up0')}`;
  for (let run = 1; run <= 2; run++) {
    await node.agent.start();
    const { ingress } = (await programsOn(node, 'up0')).tcx;
    t.deepEqual(ingress, ['pass', 'ingress_ethernet', ...(run === 2 ? ['pass'] : [])]);
    const { stdout, code } = await node.signalbox('status');
    t.is(code, 0);
    const named = [...stdout.matchAll(/a hook of ours: (.*): program \d+ \(pass\)/g)];
    t.deepEqual(
      named.map(([, where]) => where),
      Array(run).fill(hook),
    );
    if (run === 1) {
      // One behind ours, too: another one, as the kernel takes none twice.
      rmSync(pin);
      await attachForeign(node, 'up0', await pinForeign(node));
    }
    await node.agent.end('SIGKILL');
  }
  t.is((await node.signalbox('cleanup')).code, 0);
  t.deepEqual((await programsOn(node, 'up0')).tcx, { ingress: ['pass', 'pass'], egress: [] });
  report({ injections: 2 });
};
faultTest(test, 'foreign-program', staysByTcx, 'by TCX, before and behind ours');

test.serial('tcx: a device that is given away goes without our programs', async (t) => {
  if (!canAttach(t, 'tcx')) return;
  const node = await nodeWithUplink(t, 'tcx');
  await node.configure('link add up1 type veth peer name far1', 'addr add 198.51.100.1/24 dev up1');
  await node.agent.start();
  const ours = await ifindexOf(node, 'up1');
  const other = await TestNode.create();
  t.teardown(() => other.close());
  await node.configure(`link set up1 netns ${other.namespace}`);
  await isNotServed(other, 'up1');
  await areKnown(node, { up0: [DeviceFlags.SERVED, '192.0.2.1', '2001:db8::1'] });
  t.deepEqual(pinsOf(node, ours), []);
  t.is((await node.signalbox('status')).code, 0);
});

test.serial('a device that refuses is named, the others are served', async (t) => {
  if (!canAttach(t, 'clsact')) return;
  const node = await nodeWithUplink(t, 'clsact');
  await node.configure('link add up1 type veth peer name far1', 'addr add 198.51.100.1/24 dev up1');
  await output(node, ['tc', 'qdisc', 'add', 'dev', 'up0', 'ingress']);
  await node.agent.start();
  await isServed(node, 'up1', 'clsact');
  const why =
    'cannot add a clsact qdisc to device up0: EEXIST (file already exists); it has an ingress qdisc, which has the same place';
  const status = await node.signalbox('status');
  t.is(status.code, 1);
  t.true(status.stdout.includes(`  - device up0 is not served: ${why}\n`), status.stdout);
  t.true(status.stdout.includes(`up0: not served: ${why}\n`));
  t.true(node.agent.log.some(({ device, error }) => device === 'up0' && error === why));
  // As soon as it can be.
  await output(node, ['tc', 'qdisc', 'del', 'dev', 'up0', 'ingress']);
  await isServed(node, 'up0', 'clsact');
  await isHealthy(node);
});

test.serial('named devices, there or not yet', async (t) => {
  if (!canAttach(t, 'tcx')) return;
  const node = await nodeWithUplink(t, 'tcx', '--devices', 'fa*,later0');
  await node.agent.start();
  await isServed(node, 'far0', 'tcx');
  await isNotServed(node, 'up0');
  t.deepEqual((await statusOf(node)).problems, [
    'device later0, which is to be served, is not there',
  ]);
  await node.configure('link add later0 type veth peer name later1');
  await isServed(node, 'later0', 'tcx');
  await isHealthy(node);
  t.is(linkPins(node).length, 4);
});

function pinsOf(node: TestNode, ifindex: number): string[] {
  return ['links', 'qdiscs']
    .flatMap((kind) => readdirSync(path.join(node.bpffs, kind)))
    .filter((name) => name.endsWith(`_${ifindex}`));
}

function qdiscs(node: TestNode): Promise<string> {
  return output(node, ['tc', 'qdisc', 'show']);
}
