// SPDX-License-Identifier: Apache-2.0
// Who asks to take over, or to go back, at the wrong moment is told so; and an agent that takes over by itself.

import { once } from 'node:events';
import test, { type ExecutionContext } from 'ava';
import { askForLook } from '../../agent/commands/kube-proxy-socket.ts';
import { requireProgram } from '../helpers/requirements.ts';
import { KubeProxyRules } from '../lab/kube-proxy-rules/kube-proxy-rules.ts';
import { finished } from '../lab/run-command.ts';
import { until } from '../lab/until.ts';
import { kubeService } from './kube-service.ts';
import { canMakeNodes } from './node-for-file.ts';
import { TestNode } from './test-node.ts';

const OBJECTS = kubeService(
  'web',
  ['10.96.0.1', 'fd00:10:96::1'],
  [{ protocol: 'TCP', port: 80, backends: ['10.244.1.1', 'fd00:10:244:1::1'] }],
);

/** A node, with rules like those of kube-proxy when they are asked for. */
async function nodeWith(t: ExecutionContext, { rules }: { rules: boolean }) {
  const node = await TestNode.create();
  t.teardown(() => node.close());
  node.write('services', OBJECTS);
  const kubeProxy = new KubeProxyRules(node, 'nftables');
  if (rules) await kubeProxy.write(OBJECTS);
  return { node, rules: kubeProxy };
}

function canTest(t: ExecutionContext): boolean {
  return canMakeNodes(t) && requireProgram(t, 'nft');
}

test.serial('kube-proxy’s rules stay while no agent serves, unless it must be', async (t) => {
  if (!canTest(t)) return;
  const { node, rules } = await nodeWith(t, { rules: true });
  const refused = await node.signalbox('cleanup', '--kube-proxy');
  t.is(refused.code, 1);
  t.regex(refused.stderr, /no agent serves in kube-proxy's place/);
  t.regex(await rules.list(), /table ip kube-proxy/);

  const forced = await node.signalbox('cleanup', '--kube-proxy', '--force');
  t.is(forced.code, 0, forced.stderr);
  t.notRegex(await rules.list(), /kube-proxy/);
  // Nobody is there who would see to the connections that are left.
  t.regex(await rules.list(), /signalbox-keep-nat/);
  await node.signalbox('cleanup');
  t.is(await rules.list(), '');
});

test.serial('where nothing of kube-proxy is, nothing is done', async (t) => {
  if (!canTest(t)) return;
  const { node, rules } = await nodeWith(t, { rules: false });
  await node.agent.start();
  const { code, stdout } = await node.signalbox('cleanup', '--kube-proxy');
  t.is(code, 0);
  t.regex(stdout, /no rules of kube-proxy here/);
  t.is(await rules.list(), '');
  t.notRegex((await node.signalbox('status')).stdout, /kube-proxy/);
});

test.serial(
  'an agent takes over by itself when it is told to, and keeps nothing for long',
  async (t) => {
    if (!canTest(t)) return;
    const { node, rules } = await nodeWith(t, { rules: true });
    node.agent.flags = ['--take-over-from-kube-proxy'];
    await node.agent.start();
    await until('the rules are gone', async () => !(await rules.list()).includes('kube-proxy'));
    await until('nothing is kept', async () => (await rules.list()) === '');
    t.true(node.agent.log.some(({ msg }) => msg === 'removed rules of kube-proxy'));

    // Somebody puts them back: once is enough.
    await rules.write(OBJECTS);
    const status = await askForLook(node.bpffs);
    t.regex(status?.problems.join() ?? '', /are there again/);
    t.regex(await rules.list(), /table ip kube-proxy/);
  },
);

test.serial('back goes who has somewhere to go', async (t) => {
  if (!canTest(t)) return;
  const { node, rules } = await nodeWith(t, { rules: false });
  await node.agent.start();
  const withAgent = await node.signalbox('cleanup', '--drain');
  t.is(withAgent.code, 1);
  t.regex(withAgent.stderr, /the agent .* is running/);
  await node.agent.end('SIGTERM');
  const alone = await node.signalbox('cleanup', '--drain');
  t.is(alone.code, 1);
  t.regex(alone.stderr, /nobody would serve what is new/);
  await rules.write(OBJECTS);
  const drained = await node.signalbox('cleanup', '--drain');
  t.is(drained.code, 0, drained.stderr);
  t.regex(drained.stdout, /removed/);
});

test.serial('a drain that is interrupted goes on later, and an agent calls it off', async (t) => {
  if (!canTest(t)) return;
  const { node } = await nodeWith(t, { rules: true });
  await node.agent.start();
  await node.agent.end('SIGTERM');
  await node.run([process.execPath, '--input-type=module', '--eval', openFlow(node.bpffs)]);
  const drain = node.spawn(node.signalboxArgv('cleanup', '--drain', '--bpffs', node.bpffs), {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const result = finished(drain);
  const [said] = (await once(drain.stdout as NodeJS.ReadableStream, 'data')) as [Buffer];
  t.regex(String(said), /connections that go on: 1 TCP/);
  drain.kill('SIGINT');
  const { code, stderr } = await result;
  t.is(code, 1);
  t.regex(stderr, /interrupted/);
  t.regex((await node.signalbox('status')).stdout, /nothing new is served/);

  await node.agent.start();
  t.notRegex((await node.signalbox('status')).stdout, /nothing new is served/);
});

/** A program that writes an established connection into the flow table. */
function openFlow(bpffs: string): string {
  const from = (file: string) => JSON.stringify(new URL(`../../agent/${file}`, import.meta.url));
  return `
    const { openPacketTables } = await import(${from('sys/packet-tables.ts')});
    const { Pins } = await import(${from('sys/pins.ts')});
    const { FlowFlags } = await import(${from('sys/layout.gen.ts')});
    const { flows } = openPacketTables(new Pins(${JSON.stringify(bpffs)}));
    const at = (address, port) => ({ address, port });
    const now = process.hrtime.bigint();
    const refused = flows.put([[
      { source: at('198.51.100.2', 40000), destination: at('10.96.0.1', 80), protocol: 6 },
      { lastUsedNs: now, checkedNs: now, source: at('198.51.100.2', 40000), destination: at('10.244.1.1', 8080),
        servicePortId: 1, flags: FlowFlags.REQUEST | FlowFlags.ANSWERED | FlowFlags.CONFIRMED },
    ]]);
    if (refused.length) throw refused[0].error;
  `;
}
