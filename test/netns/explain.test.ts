// SPDX-License-Identifier: Apache-2.0
// `explain` against a running agent and the tables that it has written: both say the same as the manifests
// alone, and what somebody else does to a table is told.

import { copyFileSync } from 'node:fs';
import path from 'node:path';
import test from 'ava';
import type { Answer } from '../../agent/commands/explain-answer.ts';
import { frontendEntryKey } from '../../agent/reconcile/entries.ts';
import { openTables } from '../../agent/sys/datapath.ts';
import { Pins } from '../../agent/sys/pins.ts';
import { frontend } from '../helpers/objects.ts';
import { spawnInside } from '../lab/spawn-inside.ts';
import { canMakeNodes, nodeForFile } from './node-for-file.ts';

const CLUSTER = path.join(import.meta.dirname, '../unit/commands/explain-cluster.yaml');

/** Clients of each kind to frontends of each kind, and to what is none. */
const QUERIES = ['host', 'external', '10.244.1.9', '203.0.113.9'].flatMap((from) =>
  [
    ...[1, 2, 3, 4, 5, 6, 7, 9].map((i) => `tcp/10.96.0.${i}:80`),
    ...['udp/10.96.0.1:53', 'tcp/10.96.0.1:81', 'tcp/198.51.100.1:80', 'tcp/198.51.100.2:80'],
    ...['tcp/192.168.0.1:30080', 'tcp/192.168.0.1:30081', 'tcp/127.0.0.1:30080'],
    ...['udp/192.168.0.1:30080', 'tcp/192.168.0.2:30080', 'tcp/8.8.8.8:80', 'tcp/[::1]:30080'],
  ].map((to) => `${from} ${to}`),
);

const node = nodeForFile(test, async (made) => {
  await made.configure('addr add 192.168.0.1/32 dev lo');
  copyFileSync(CLUSTER, path.join(made.manifests, 'cluster.yaml'));
  await made.agent.start(['--manifests', made.manifests, '--node-name', 'node-1']);
});

/** Asks {@link QUERIES} as one batch. */
async function ask(...args: readonly string[]): Promise<Answer[]> {
  const argv = node().signalboxArgv('explain', ...args, '-o', 'json', '-');
  const child = spawnInside(node(), argv, { stdio: ['pipe', 'pipe', 'inherit'] });
  child.stdin?.end(QUERIES.join('\n'));
  const lines = (await child.stdout?.setEncoding('utf8').toArray())?.join('').trim().split('\n');
  return (lines ?? []).map((line) => JSON.parse(line));
}

test.serial('the agent, its tables and the manifests say the same', async (t) => {
  if (!canMakeNodes(t)) return;
  const known = await ask('--bpffs', node().bpffs);
  t.is(known.length, QUERIES.length);
  for (const { from, to, kernel } of known) {
    t.deepEqual(kernel?.differences, [], `${from} ${to}`);
    t.true(kernel?.agrees);
  }
  const counts = Map.groupBy(known, ({ verdict }) => verdict);
  t.deepEqual([...counts.keys()].sort(), ['drop', 'forward', 'pass', 'reject']);
  const withoutKernel = await ask('--bpffs', node().bpffs, '--no-kernel');
  t.deepEqual(
    withoutKernel,
    known.map(({ kernel, ...answer }) => answer),
  );
  // What was ignored for a good reason the agent does not keep, and its node has more addresses.
  const decision = ({ from, to, verdict, service, backends }: Answer) => [
    `${from} ${to} ${verdict} ${service}`,
    backends,
  ];
  const alone = await ask('--manifests', CLUSTER);
  t.deepEqual(alone.map(decision), known.map(decision));
});

test.serial('manifests can be held against the tables too', async (t) => {
  if (!canMakeNodes(t)) return;
  const answers = await ask('--manifests', CLUSTER, '--kernel', '--bpffs', node().bpffs);
  for (const { kernel } of answers) t.deepEqual(kernel?.differences, []);
});

test.serial('what somebody else does to a table is told', async (t) => {
  if (!canMakeNodes(t)) return;
  const tables = openTables(new Pins(node().bpffs));
  tables.frontends.delete([frontendEntryKey(frontend('10.96.0.1:80/TCP'))]);
  tables.close();
  const [answer] = await ask('--bpffs', node().bpffs);
  t.deepEqual(answer?.kernel, {
    agrees: false,
    hasProgram: true,
    differences: [
      'its verdict is reject, not forward',
      'its kind is otherPorts, not clusterIP',
      'it lacks the backend 10.244.1.2:8080',
    ],
    verdict: 'reject',
    service: 'default/quote',
    backends: [],
  });
  const { stdout } = await node().signalbox('explain', 'host', 'tcp/10.96.0.1:80');
  t.regex(stdout, /\nKernel {5}does otherwise, or is just being written:\n {11}its verdict is/);
});

test.serial('without the agent it says what else there is to ask', async (t) => {
  if (!canMakeNodes(t)) return;
  await node().agent.end('SIGTERM');
  const { code, stderr } = await node().signalbox('explain', 'host', 'tcp/10.96.0.1:80');
  t.is(code, 1);
  t.regex(stderr, /^signalbox: no agent for the tables in .*\n {2}start it .*--manifests DIR/);
});
