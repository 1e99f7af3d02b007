// SPDX-License-Identifier: Apache-2.0
// The ports of masqueraded flows, in the network namespace of an agent: reserved beside those of others when packets
// are served, by every start anew, and given back by `cleanup` alone.

import { readdirSync, rmSync } from 'node:fs';
import test from 'ava';
import { canMakeNodes, nodeForFile } from './node-for-file.ts';
import { TestNode } from './test-node.ts';

const SYSCTL = '/proc/sys/net/ipv4/ip_local_reserved_ports';

const node = nodeForFile(test, async () => {});

async function reserved(): Promise<string> {
  const { stdout } = await node().run(['cat', SYSCTL]);
  return stdout.trim();
}

test.serial('reserved with the agent, given back with all else', async (t) => {
  if (!canMakeNodes(t)) return;
  const n = node();
  await n.run(['sh', '-c', `echo 8080,61000-61001 > ${SYSCTL}`]);
  n.agent.flags = ['--devices', ''];
  await n.agent.start();
  await n.agent.end('SIGTERM');
  t.is(await reserved(), '8080,61000-61001', 'no packet is served');

  n.agent.flags = ['--masquerade-ports', '50000-50999'];
  for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
    await n.agent.start();
    await n.agent.end(signal);
    t.is(await reserved(), '8080,50000-50999,61000-61001');
  }
  const { code, stdout } = await n.signalbox('cleanup');
  t.is(code, 0);
  t.true(stdout.includes('removed 50000-50999 from net.ipv4.ip_local_reserved_ports\n'));
  t.is(await reserved(), '8080,61000-61001');
});

test.serial('cleanup in another network namespace refuses, and leaves everything', async (t) => {
  if (!canMakeNodes(t)) return;
  const n = node();
  n.agent.flags = ['--masquerade-ports', '50000-50999'];
  await n.agent.start();
  await n.agent.end('SIGTERM');
  const elsewhere = await TestNode.create();
  t.teardown(() => elsewhere.close());
  const { code, stdout, stderr } = await elsewhere.run(
    n.signalboxArgv('cleanup', '--bpffs', n.bpffs),
  );
  t.is(code, 1);
  t.is(stdout, '');
  t.regex(stderr, /^signalbox: the agent of .* was in another network namespace/);
  t.is((await n.signalbox('cleanup')).code, 0);
  t.is(await reserved(), '8080,61000-61001');
});

test.serial('given back by what is left of the tables', async (t) => {
  if (!canMakeNodes(t)) return;
  const n = node();
  await n.agent.start();
  await n.agent.end('SIGTERM');
  const [pin = ''] = readdirSync(`${n.bpffs}/maps`).filter((name) => name.startsWith('members_'));
  rmSync(`${n.bpffs}/maps/${pin}`);
  t.is((await n.signalbox('cleanup')).code, 0);
  t.is(await reserved(), '8080,61000-61001');
});

test.serial('ports that are none are refused', async (t) => {
  if (!canMakeNodes(t)) return;
  const { code, stderr } = await node().run(
    node().signalboxArgv('agent', '--manifests', '.', '--masquerade-ports', '50999-50000'),
  );
  t.is(code, 2);
  t.regex(
    stderr,
    /^signalbox: --masquerade-ports 50999-50000: not a range of ports, as 49152-65535/,
  );
});
