// SPDX-License-Identifier: Apache-2.0
// Somebody takes pins out of the BPF file system, as a clean-up script does, or programs off the hooks of the cgroup, while
// sockets connect: the agent puts all of it back, and no connection fails that did not have to.

import { closeSync, readdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import { openTables } from '../../agent/sys/datapath.ts';
import { openPin, updateLink } from '../../agent/sys/libbpf/pinned-link.ts';
import { Pins } from '../../agent/sys/pins.ts';
import { CLANG_FLAGS } from '../../scripts/build.ts';
import { faultTest } from '../faults/fault-test.ts';
import { BPFFS } from '../lab/bpf-filesystem.ts';
import { runCommand } from '../lab/run-command.ts';
import { until } from '../lab/until.ts';
import { type DisturbedTarget, disturb } from './disturbed-clients.ts';
import { programmed } from './kernel-backends.ts';
import { bothProtocols, kubeService, targetAt } from './kube-service.ts';
import { canMakeNodes, nodeForFile } from './node-for-file.ts';
import { METRICS, repairsOf } from './repairs.ts';
import { SocketProbe } from './socket-probe.ts';
import { startBackends } from './start-backends.ts';
import type { TestNode } from './test-node.ts';

const WEB = '10.96.0.1';
const BACKEND = '10.244.1.1';
const OTHER = '10.244.1.2';
const HOOKS = 8;
const WITHIN_MS = 30_000;

const TARGETS: readonly DisturbedTarget[] = (['tcp', 'udp', 'sendto'] as const).map((kind) => ({
  kind,
  address: WEB,
  port: 80,
  lands: targetAt(BACKEND),
}));

let probe: SocketProbe;
let keeper: SocketProbe;

const node = nodeForFile(test, async (made) => {
  await startBackends(made);
  made.write('web', kubeService('web', [WEB], bothProtocols(80, [BACKEND])));
  probe = await SocketProbe.start(made);
  keeper = await SocketProbe.start(made);
  made.agent.flags = METRICS;
  await made.agent.start();
});

const isHealthy = async (on: TestNode) => (await on.signalbox('status')).code === 0;

function pinsIn(kind: 'links' | 'maps'): string[] {
  try {
    return readdirSync(path.join(node().bpffs, kind)).sort();
  } catch {
    return [];
  }
}

const disturbed = () => ({ probe, keeper, targets: TARGETS, withinMs: WITHIN_MS });

faultTest(test, 'links-removed', async (t, report) => {
  if (!canMakeNodes(t)) return;
  const before = pinsIn('links');
  t.is(before.length, HOOKS);
  const repaired = await repairsOf(node(), 'pins');
  const { failures, figures } = await disturb(
    disturbed(),
    () => rmSync(`${node().bpffs}/links`, { recursive: true }),
    () => pinsIn('links').join() === before.join(),
  );
  report({ injections: HOOKS, ...figures });
  t.deepEqual(failures, []);
  t.true(figures.attempts > 0);
  t.is((await repairsOf(node(), 'pins')) - repaired, HOOKS);
  t.true(await isHealthy(node()));
});

faultTest(test, 'tables-removed', async (t, report) => {
  if (!canMakeNodes(t)) return;
  const before = pinsIn('maps');
  const ids = tableIds(node());
  const { pid } = node().agent;
  const { failures, figures } = await disturb(
    disturbed(),
    () => rmSync(node().bpffs, { recursive: true }),
    () => pinsIn('maps').join() === before.join() && pinsIn('links').length === HOOKS,
  );
  report({ injections: before.length + HOOKS, ...figures });
  t.deepEqual(failures, []);
  t.deepEqual(tableIds(node()), ids, 'the tables that the programs have');
  t.is(node().agent.pid, pid);
  t.true(await isHealthy(node()));
  // What changes is programmed, and a new agent finds all of it.
  node().write('more', kubeService('more', ['10.96.0.2'], bothProtocols(80, [OTHER])));
  await programmed(node(), '10.96.0.2:80/TCP', [targetAt(OTHER)]);
  await node().agent.end('SIGKILL');
  await node().agent.start();
  t.deepEqual(tableIds(node()), ids);
  await programmed(node(), `${WEB}:80/TCP`, [targetAt(BACKEND)]);
});

faultTest(
  test,
  'tables-removed',
  async (t, report) => {
    if (!canMakeNodes(t)) return;
    const ids = tableIds(node());
    const [first = ''] = pinsIn('maps').filter((name) => name.startsWith('frontends'));
    const pin = path.join(node().bpffs, 'maps', first);
    const { failures, figures } = await disturb(
      disturbed(),
      async () => {
        rmSync(pin);
        const shape = ['type', 'hash', 'key', '4', 'value', '4', 'entries', '1', 'name', 'foreign'];
        await runCommand(['bpftool', 'map', 'create', pin, ...shape]);
      },
      () => {
        try {
          return String(tableIds(node())) === String(ids);
        } catch {
          return false;
        }
      },
    );
    report({ injections: 1, ...figures });
    t.deepEqual(failures, []);
    t.true(await isHealthy(node()));
  },
  'another table in the place of ours',
);

faultTest(test, 'program-replaced', async (t, report) => {
  if (!canMakeNodes(t)) return;
  const foreign = await loadAllow(node());
  t.teardown(() => rmSync(foreign, { force: true }));
  const repaired = await repairsOf(node(), 'hooks');
  const before = await programsOn(node());
  const link = path.join(node().bpffs, 'links', 'connect4');
  const { failures, figures } = await disturb(
    disturbed(),
    () => replaceProgram(link, foreign),
    async () => (await programsOn(node())).join() === before.join(),
  );
  report({
    injections: 1,
    ...figures,
    note: 'TCP and connected UDP are not translated until then',
  });
  t.true(failures.every((failure) => !failure.startsWith('sendto')));
  t.is(figures.lost, 0);
  t.is((await repairsOf(node(), 'hooks')) - repaired, 1);
  t.true(node().agent.log.some(({ msg }) => msg?.includes('or replaced them; put back')));
  t.true(await isHealthy(node()));
});

test.serial('a link that somebody detaches is made again', async (t) => {
  if (!canMakeNodes(t)) return;
  const before = await programsOn(node());
  await runCommand([
    'bpftool',
    'link',
    'detach',
    'pinned',
    path.join(node().bpffs, 'links/sendmsg4'),
  ]);
  await until('it is back', async () => (await programsOn(node())).join() === before.join());
  t.true(await isHealthy(node()));
});

test.serial('cleanup takes all of it off, whoever has had it open', async (t) => {
  if (!canMakeNodes(t)) return;
  await node().agent.end('SIGTERM');
  t.is((await programsOn(node())).length, HOOKS);
  t.is((await node().signalbox('cleanup')).code, 0);
  t.deepEqual(await programsOn(node()), []);
});

/** As anybody with the privilege can. */
function replaceProgram(link: string, program: string): void {
  const fds = [openPin(link), openPin(program)].map(Number) as [number, number];
  updateLink(...fds, link);
  for (const fd of fds) closeSync(fd);
}

/** Ids of the programs that are attached to the node's cgroup, by hook. */
async function programsOn({ cgroup }: TestNode): Promise<string[]> {
  const text = await runCommand(['bpftool', '-j', 'cgroup', 'show', cgroup]);
  const programs = JSON.parse(text.trim() || '[]') as { id: number; attach_type: string }[];
  return programs.map(({ id, attach_type: hook }) => `${hook} ${id}`).sort();
}

function tableIds(on: TestNode): number[] {
  const tables = openTables(new Pins(on.bpffs));
  try {
    return [tables.frontends, tables.members, tables.nodes].map(({ raw }) => raw.id);
  } finally {
    tables.close();
  }
}

/** Loads allow.bpf.c for connect4. @returns where it is pinned. */
async function loadAllow({ directory, namespace }: TestNode): Promise<string> {
  const source = path.join(import.meta.dirname, 'allow.bpf.c');
  const object = path.join(directory, 'allow.o');
  const pin = path.join(BPFFS, `${namespace}-allow`);
  await runCommand(['clang', ...CLANG_FLAGS, '-c', source, '-o', object]);
  await runCommand(['bpftool', 'prog', 'load', object, pin, 'type', 'cgroup/connect4']);
  return pin;
}
